import type { CDPSession, Dialog, Download, Frame, Locator, Page, Response } from "playwright-core";
import { BROWSER_LIMITS } from "../limits.ts";
import type { PageContent } from "../records.ts";
import { ActionProblem } from "./problem.ts";
import { keepSnapshot, takePart, toCompact } from "./snapshot.ts";

export type ConsoleLine = { level: string; text: string };
/** How the next dialog is answered. */
export type DialogAnswer = { accept: boolean; promptText: string | undefined };

/** The first status of an answer that is an error. */
const FIRST_ERROR_STATUS = 400;
const ERROR_LEVELS = new Set(["error", "assert"]);

/** One page of one session, and what has happened in it. */
export class Tab {
  readonly id: string;
  readonly page: Page;
  /** Someone else has opened it. */
  readonly isOfOthers: boolean;
  readonly console: ConsoleLine[] = [];
  readonly requests: string[] = [];
  /** Errors of the console and requests that failed, of the current document. */
  readonly problems: string[] = [];
  readonly downloads: Download[] = [];
  /** The dialog that waits for an answer: until then the page does nothing else. */
  dialog: Dialog | null = null;
  nextDialogAnswer: DialogAnswer | null = null;
  hasCrashed = false;
  /** Grows with each document of the main frame. */
  documents = 0;
  /** What `emulate` has set lasts as long as this connection to the page. */
  emulation: CDPSession | null = null;
  /** For the site that they were given for. */
  credentials: { username: string; password: string } | null = null;
  answersChallenges = false;
  /** The last whole snapshot, to read on in it. */
  #snapshot: { text: string; isCut: boolean } | null = null;
  readonly #onDialog = new Set<() => void>();

  constructor(id: string, page: Page, isOfOthers: boolean) {
    this.id = id;
    this.page = page;
    this.isOfOthers = isOfOthers;
    page.on("console", (message) => this.#log(message.type(), message.text()));
    page.on("pageerror", (err) => this.#log("error", `uncaught ${err.name}: ${err.message}`));
    page.on("response", (response) => this.#logRequest(response));
    page.on("requestfailed", (request) => this.#logFailure(`${request.method()} ${request.url()} failed`));
    page.on("dialog", (dialog) => void this.#handleDialog(dialog));
    page.on("download", (download) => void this.#keepDownload(download));
    page.on("crash", () => (this.hasCrashed = true));
    page.on("framenavigated", (frame) => this.#handleNavigation(frame));
  }

  /** Resolves with the next dialog of the page. */
  untilDialog(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const settle = (): void => {
        this.#onDialog.delete(settle);
        resolve();
      };
      this.#onDialog.add(settle);
      signal.addEventListener("abort", settle, { once: true });
    });
  }

  /** A whole snapshot, by which the references to elements are renewed. */
  async snapshot(signal: AbortSignal): Promise<string> {
    const snapshot = keepSnapshot(await this.page.ariaSnapshot({ mode: "ai", signal, timeout: BROWSER_LIMITS.elementMs }));
    this.#snapshot = snapshot;
    return snapshot.text;
  }

  /** The last snapshot; null when the page has changed to another document, and before the first. */
  get lastSnapshot(): { text: string; isCut: boolean } | null {
    return this.#snapshot;
  }

  /** What the page has now to act on, in short. */
  async compactContent(signal: AbortSignal): Promise<PageContent> {
    const { text, next } = takePart(toCompact(await this.snapshot(signal)), 0, BROWSER_LIMITS.compactBytes);
    return { url: this.page.url(), text: next === null ? text : `${text}\n...` };
  }

  /** An element of the last snapshot. Rejects at once when it is not there any more: waiting would not bring it back. */
  async element(ref: string, signal: AbortSignal): Promise<Locator> {
    const name = ref.replace(/^(?:\[?ref=|@)/, "").replace(/\]$/, "");
    if (!/^(?:f\d{1,6})?e\d{1,9}$/.test(name))
      throw new ActionProblem("invalid_ref", "A ref is a name such as e12 or f1e3, from the last snapshot. Selectors are not supported.");
    const locator = this.page.getByRef(name);
    if ((await locator.count()) > 0) return locator;
    throw new ActionProblem(
      "stale_ref",
      `stale_ref: the element ${name} is not in the page any more, or is not from its last snapshot. Nothing was done. Use the refs below.`,
      await this.compactContent(signal),
    );
  }

  #handleNavigation(frame: Frame): void {
    if (frame !== this.page.mainFrame()) return;
    this.documents += 1;
    this.problems.length = 0;
    this.#snapshot = null;
  }

  async #handleDialog(dialog: Dialog): Promise<void> {
    const answer = dialog.type() === "beforeunload" ? { accept: true, promptText: undefined } : this.nextDialogAnswer;
    if (answer === null) {
      this.dialog = dialog;
      for (const settle of this.#onDialog) settle();
      return;
    }
    this.nextDialogAnswer = null;
    await answerDialog(dialog, answer);
  }

  async #keepDownload(download: Download): Promise<void> {
    if (this.downloads.length >= BROWSER_LIMITS.downloads) await download.cancel();
    else this.downloads.push(download);
  }

  #logRequest(response: Response): void {
    const request = response.request();
    const line = `${request.method()} ${response.url()} ${response.status()} ${request.resourceType()}`;
    if (response.status() >= FIRST_ERROR_STATUS) this.#logFailure(line);
    else keep(this.requests, line);
  }

  #logFailure(line: string): void {
    keep(this.requests, line);
    keep(this.problems, line);
  }

  #log(type: string, text: string): void {
    const level = ERROR_LEVELS.has(type) ? "error" : type;
    this.console.push({ level, text: text.slice(0, BROWSER_LIMITS.logLineChars) });
    if (level === "error") keep(this.problems, text);
    if (this.console.length > BROWSER_LIMITS.logLines) this.console.shift();
  }
}

function keep(lines: string[], line: string): void {
  lines.push(line.slice(0, BROWSER_LIMITS.logLineChars));
  if (lines.length > BROWSER_LIMITS.logLines) lines.shift();
}

export async function answerDialog(dialog: Dialog, { accept, promptText }: DialogAnswer): Promise<void> {
  try {
    await (accept ? dialog.accept(promptText) : dialog.dismiss());
  } catch (err) {
    // The page has gone, and its dialog with it.
    if (!/closed|No dialog/i.test(String(err))) throw err;
  }
}
