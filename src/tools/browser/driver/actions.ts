import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Response } from "playwright-core";
import { sleep } from "../../../core/async.ts";
import { systemClock } from "../../../core/clock.ts";
import { asNumber, asString, asStrings } from "../../../core/json.ts";
import { clip } from "../../../core/text.ts";
import type { EgressProxy } from "../../egress-proxy.ts";
import { RefusedError } from "../../egress-rules.ts";
import { BROWSER_LIMITS } from "../limits.ts";
import type { DriverAnswer, PageContent } from "../records.ts";
import { act, kindOf } from "./act.ts";
import type { BrowserActionContext } from "./action-context.ts";
import { checkedAddresses } from "./egress-policy.ts";
import { emulate } from "./emulate.ts";
import { ActionProblem, shortReason } from "./problem.ts";
import { readText } from "./page-text.ts";
import { takeScreenshot } from "./screenshot.ts";
import type { SessionTabs } from "./session-tabs.ts";
import { takePart, toCompact } from "./snapshot.ts";
import { answerDialog, type Tab } from "./tab.ts";

type Action = (context: BrowserActionContext) => Promise<DriverAnswer>;

/** The actions that work in a running browser. */
const ACTIONS: Readonly<Record<string, Action>> = {
  tabs: async ({ tabs }) => listTabs(tabs),
  open: async (context) => navigate(context, await context.openTab()),
  navigate: async (context) => {
    const tab = context.tabs.current === null ? null : tabOf(context);
    // A page that has crashed opens no other one.
    if (tab?.hasCrashed) await tab.page.close();
    return await navigate(context, tab === null || tab.hasCrashed ? await context.openTab() : tab);
  },
  focus: async (context) => {
    const tab = tabOf(context);
    context.tabs.focus(tab);
    await tab.page.bringToFront();
    return { text: `The current tab is ${tab.id}.` };
  },
  close: async (context) => {
    const tab = tabOf(context);
    await tab.page.close();
    return { text: `The tab ${tab.id} was closed.` };
  },
  snapshot,
  screenshot: (context) => takeScreenshot(usableTab(context), context.request.args, context.signal),
  text: (context) => readText(usableTab(context), context),
  emulate: (context) => emulate(usableTab(context), context.request.args),
  console: async (context) => showLog(context, consoleLines(tabOf(context), asString(context.request.args["level"]))),
  errors: async (context) => showLog(context, consoleLines(tabOf(context), "error")),
  requests: async (context) => {
    const filter = asString(context.request.args["filter"]);
    return showLog(
      context,
      tabOf(context).requests.filter((line) => line.includes(filter)),
    );
  },
  pdf: async (context) => {
    const path = join(context.browser.filesDir, `${randomUUID()}.pdf`);
    await usableTab(context).page.pdf({ path });
    return { text: "", file: { path, name: "page.pdf" } };
  },
  download,
  waitfordownload: download,
  upload,
  dialog,
  act: (context) => whileOpen(context, usableTab(context), () => act(context, usableTab(context))),
};

/** Runs one action. Rejects with ActionProblem. */
export async function runAction(context: BrowserActionContext): Promise<DriverAnswer> {
  const { request, signal } = context;
  const action = Object.hasOwn(ACTIONS, request.action) ? ACTIONS[request.action]! : null;
  if (action === null) throw new ActionProblem("unknown_action", `Unknown action ${JSON.stringify(request.action)}.`);
  try {
    return await withEnd(action(context), context);
  } catch (err) {
    if (err instanceof ActionProblem) throw err;
    if (signal.aborted) throw new ActionProblem("stopped", "The call was stopped, or its time is over. The page may have changed.");
    throw new ActionProblem("failed", `${request.action} failed: ${shortReason(err)}`);
  }
}

/** Rejects as soon as the browser ends, and when the call is stopped: not every wait of playwright does. */
async function withEnd<T>(work: Promise<T>, { browser, signal }: BrowserActionContext): Promise<T> {
  // What follows the end is of no interest.
  work.catch(() => {});
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(new Error("stopped"));
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const ended = browser.closed.then(() => {
    throw new ActionProblem("browser_ended", "The browser ended during the call. Its tabs are gone; the next call starts it again.");
  });
  try {
    return await Promise.race([work, stopped, ended]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    stopped.catch(() => {});
  }
}

const tabOf = ({ tabs, request }: BrowserActionContext): Tab => tabs.find(asString(request.args["targetId"]) || undefined);

/** A tab in which something can be done now. */
export function usableTab(context: BrowserActionContext): Tab {
  const tab = tabOf(context);
  if (tab.hasCrashed) throw new ActionProblem("crashed", `The page of ${tab.id} has crashed. Open it again with action navigate or open.`);
  if (tab.dialog) throw new ActionProblem("dialog_open", `A dialog waits in ${tab.id}. Answer it with action dialog.`, dialogContent(tab));
  return tab;
}

function dialogContent({ page, dialog: open }: Tab): PageContent {
  const text = open ? `${open.type()}: ${open.message()}${open.defaultValue() === "" ? "" : `\ndefault: ${open.defaultValue()}`}` : "";
  return { url: page.url(), text: clip(text, DIALOG_CHARS) };
}

/** Characters of an address in the list of tabs, and of what a dialog says. */
const URL_CHARS = 500;
const DIALOG_CHARS = 2_000;

function listTabs(tabs: SessionTabs): DriverAnswer {
  const rows = tabs.all.map((tab) => ({ targetId: tab.id, url: clip(tab.page.url(), URL_CHARS), current: tab === tabs.current }));
  const text = rows.map((row) => `${row.targetId}${row.current ? " (current)" : ""} ${row.url}`).join("\n");
  return { text: rows.length === 0 ? "No tab is open." : "", ...(rows.length > 0 && { content: { url: "", text } }), data: rows };
}

async function navigate(context: BrowserActionContext, tab: Tab): Promise<DriverAnswer> {
  const { proxy, signal, tabs, request } = context;
  tabs.focus(tab);
  const target = asString(request.args["targetUrl"]) || "about:blank";
  if (target === "about:blank") {
    await tab.page.goto(target);
    return { text: `An empty page is open in ${tab.id}.` };
  }
  const url = URL.parse(target);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw new ActionProblem("refused", "Only addresses of http and https are opened, such as https://example.org/. Nothing was opened.");
  if (context.browser.isAttached) await checkTarget(url, context);
  if (tab.dialog) await answerDialog(tab.dialog, { accept: false, promptText: undefined });
  tab.dialog = null;
  proxy.takeRefusal(bareHost(url));
  const timeout = Math.min(asNumber(request.args["timeoutMs"]) ?? BROWSER_LIMITS.pageMs, BROWSER_LIMITS.maxCallMs);
  return await whileOpen(context, tab, async () => {
    const status = await goto(tab, url, { proxy, timeout, signal });
    const notes = [`${tab.id} is the current tab${status === null ? "" : `; status ${status}`}.`];
    return { text: "", content: await tab.compactContent(signal), notes };
  });
}

/** No proxy is in front of a running browser: at least what is asked for is checked. */
async function checkTarget(url: URL, { request }: BrowserActionContext): Promise<void> {
  try {
    await checkedAddresses(bareHost(url), request.settings);
  } catch (err) {
    if (err instanceof RefusedError) throw refusal(bareHost(url), err);
    // The browser may know names that this machine does not.
  }
}

const refusal = (host: string, { message, fix }: RefusedError): ActionProblem =>
  new ActionProblem("refused", `${host} was not opened: ${message}. ${fix}`);

const bareHost = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, "$1");

async function goto(
  { page }: Tab,
  url: URL,
  { proxy, timeout, signal }: { proxy: EgressProxy; timeout: number; signal: AbortSignal },
): Promise<number | null> {
  let status: number | null = null;
  let reason: string | null = null;
  const onResponse = (response: Response): void => {
    if (response.request().isNavigationRequest() && response.frame() === page.mainFrame()) status = response.status();
  };
  page.on("response", onResponse);
  try {
    await page.goto(url.href, { waitUntil: "domcontentloaded", timeout, signal }).catch(async (err: unknown) => {
      // The page went on to another address or loaded itself again, or the page about an earlier error came late and this one follows.
      const other = /is interrupted by another navigation to "([^"]*)"/.exec(String(err))?.[1];
      if (other === undefined) throw err;
      if (other.startsWith("chrome-error:")) await page.waitForURL(/^https?:/, { waitUntil: "commit", timeout, signal });
      await page.waitForLoadState("domcontentloaded", { timeout, signal });
    });
  } catch (err) {
    // A download begins instead of a page.
    if (/Download is starting/.test(String(err))) return null;
    reason = shortReason(err);
  } finally {
    page.off("response", onResponse);
  }
  if (reason === null && status !== 403) return status;
  // A redirect may have led to the host that was refused.
  const host = reason === null ? bareHost(new URL(page.url())) : bareHost(url);
  const refused = proxy.takeRefusal(host) ?? proxy.takeRefusal(bareHost(url));
  if (refused !== null) throw refusal(host, refused);
  if (reason !== null && /ERR_INVALID_AUTH_CREDENTIALS/.test(reason))
    throw new ActionProblem(
      "not_opened",
      "The page was not opened: the site asks for a name and a password. Action emulate with targetUrl and credentials gives them.",
    );
  if (reason !== null) throw new ActionProblem("not_opened", `The page was not opened: ${reason.replace(/ at https?:.*/s, "")}.`);
  return status;
}

async function snapshot(context: BrowserActionContext): Promise<DriverAnswer> {
  const { request, signal } = context;
  const { args } = request;
  const tab = usableTab(context);
  const offset = asNumber(args["offset"]) ?? 0;
  const isCompact = args["compact"] === true || args["interactive"] === true;
  const kept = offset > 0 ? tab.lastSnapshot : null;
  if (offset > 0 && kept === null)
    throw new ActionProblem("stale_offset", "The page has changed since the snapshot. Take a new one, without offset.");
  const whole = kept?.text ?? (await tab.snapshot(signal));
  const text = isCompact ? toCompact(whole) : whole;
  const wanted = Math.min(asNumber(args["maxChars"]) ?? BROWSER_LIMITS.contentBytes, BROWSER_LIMITS.contentBytes);
  // The lines around the content count as well.
  const part = takePart(text, Math.min(offset, text.length), Math.max(wanted - FRAME_BYTES, 200));
  const notes: string[] = [];
  if (part.next !== null)
    notes.push(`Characters ${offset} to ${part.next} of ${text.length}. The rest: snapshot with offset ${part.next}.`);
  if (tab.lastSnapshot?.isCut) notes.push(`The page is larger: only the first ${BROWSER_LIMITS.snapshotChars} characters are kept.`);
  if (part.text === "") notes.push(isCompact ? "There is nothing to act on." : "The page has no content.");
  return { text: "", content: { url: tab.page.url(), text: part.text }, notes };
}

/** What the first line and the notes of a result need at most. */
const FRAME_BYTES = 900;

const consoleLines = (tab: Tab, level: string): string[] =>
  tab.console.filter((line) => level === "" || line.level === level).map((line) => `${line.level}: ${line.text}`);

function showLog(context: BrowserActionContext, lines: readonly string[]): DriverAnswer {
  if (lines.length === 0) return { text: "There is nothing." };
  const text = lines.join("\n");
  const all = Buffer.byteLength(text) + 3 * lines.length;
  const room = BROWSER_LIMITS.contentBytes - FRAME_BYTES;
  // The last lines matter most.
  const kept = all <= room ? text : text.slice(-Math.floor(room / 4));
  return {
    text: "",
    content: { url: tabOf(context).page.url(), text: kept },
    notes: all <= room ? [] : ["Only the last lines are shown."],
  };
}

async function download(context: BrowserActionContext): Promise<DriverAnswer> {
  const { request, signal, browser } = context;
  if (browser.isAttached)
    throw new ActionProblem("not_served", "Downloads are not served with a running browser: it saves them where its settings say.");
  const tab = usableTab(context);
  const ref = asString(request.args["ref"]);
  if (ref !== "") await (await tab.element(ref, signal)).click({ timeout: BROWSER_LIMITS.elementMs, signal });
  const limit = asNumber(request.args["timeoutMs"]) ?? BROWSER_LIMITS.pageMs;
  const found = tab.downloads.shift() ?? (await nextDownload(tab, limit, signal));
  const path = await found.path().catch(() => null);
  if (path === null) {
    const reason =
      (await found.failure()) === "canceled" ? `it is larger than ${BROWSER_LIMITS.fileBytes} bytes, or was cancelled` : "it failed";
    throw new ActionProblem("not_downloaded", `Nothing was downloaded: ${reason}.`);
  }
  return { text: "", file: { path, name: found.suggestedFilename() } };
}

async function nextDownload(tab: Tab, timeout: number, signal: AbortSignal): Promise<Tab["downloads"][number]> {
  try {
    const started = await tab.page.waitForEvent("download", { timeout, signal });
    tab.downloads.splice(tab.downloads.indexOf(started), 1);
    return started;
  } catch (err) {
    if (signal.aborted) throw err;
    throw new ActionProblem("no_download", "No download has begun. Name the element that begins it as ref.");
  }
}

async function upload(context: BrowserActionContext): Promise<DriverAnswer> {
  const { request, signal } = context;
  const tab = usableTab(context);
  const paths = asStrings(request.args["files"]);
  const element = await tab.element(asString(request.args["ref"]), signal);
  const timeout = BROWSER_LIMITS.elementMs;
  if ((await kindOf(element)) === "file") await element.setInputFiles([...paths], { timeout, signal });
  else {
    const [chooser] = await Promise.all([tab.page.waitForEvent("filechooser", { timeout, signal }), element.click({ timeout, signal })]);
    await chooser.setFiles([...paths], { timeout, signal });
  }
  return { text: `Chose ${paths.length === 1 ? "the file" : `${paths.length} files`}. The page may send it with its form.` };
}

async function dialog(context: BrowserActionContext): Promise<DriverAnswer> {
  const { request } = context;
  const tab = tabOf(context);
  const accept = request.args["accept"] !== false;
  const promptText = request.args["promptText"] === undefined ? undefined : asString(request.args["promptText"]);
  if (tab.dialog === null) {
    tab.nextDialogAnswer = { accept, promptText };
    return { text: `No dialog is open. The next one in ${tab.id} will be ${accept ? "accepted" : "dismissed"}.` };
  }
  const open = tab.dialog;
  tab.dialog = null;
  return await whileOpen(context, tab, async () => {
    await answerDialog(open, { accept, promptText });
    return { text: `The dialog was ${accept ? "accepted" : "dismissed"}.` };
  });
}

/**
 * Does something in a tab, and adds what followed it: a dialog, which holds everything else up; another page, a window, a download. The
 * work goes on behind a dialog.
 */
async function whileOpen(context: BrowserActionContext, tab: Tab, work: () => Promise<DriverAnswer>): Promise<DriverAnswer> {
  const { tabs, signal } = context;
  const before = { documents: tab.documents, downloads: tab.downloads.length };
  const over = new AbortController();
  const opened = tab.untilDialog(over.signal).then(() => null);
  const done = work();
  // Behind a dialog its end is of no interest.
  done.catch(() => {});
  try {
    const answer = (await Promise.race([done, opened])) ?? { text: "" };
    if (tab.dialog === null) await Promise.race([settle(tab, answer, signal), opened]);
    return await addEvents(answer, tab, { tabs, before, signal });
  } finally {
    over.abort();
  }
}

/** Gives what an action may start the time to begin. An answer with content has waited for its page. */
async function settle(tab: Tab, answer: DriverAnswer, signal: AbortSignal): Promise<void> {
  if (answer.content || tab.page.isClosed()) return;
  const { documents } = tab;
  await sleep(systemClock, BROWSER_LIMITS.settleMs, signal);
  if (tab.documents === documents && !tab.page.isClosed()) return;
  await tab.page.waitForLoadState("domcontentloaded", { timeout: BROWSER_LIMITS.settlePageMs, signal }).catch(() => {});
}

type Before = { documents: number; downloads: number };

async function addEvents(
  answer: DriverAnswer,
  tab: Tab,
  { tabs, before, signal }: { tabs: SessionTabs; before: Before; signal: AbortSignal },
): Promise<DriverAnswer> {
  const notes = [...(answer.notes ?? [])];
  if (tab.page.isClosed()) return { ...answer, notes: [...notes, `The tab ${tab.id} was closed.`] };
  const { opened, refused } = tabs.takeWindows();
  const window = opened.at(-1);
  if (window) notes.push(`A window was opened: ${window.id}${window === tabs.current ? " is the current tab" : ""}.`);
  if (refused > 0) notes.push("A window of the page was closed: there are too many tabs.");
  if (tab.downloads.length > before.downloads) notes.push("A download has begun; action download saves it.");
  if (tab.dialog) {
    notes.push(`A dialog is open, and holds the page up until action dialog answers it.`);
    return { ...answer, content: dialogContent(tab), notes };
  }
  const isNew = tab.documents > before.documents && !answer.content && !answer.image;
  return { ...answer, ...(isNew && { content: await tab.compactContent(signal) }), notes };
}
