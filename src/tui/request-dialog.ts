import { UNREAD_MS } from "../cli/approval-answers.ts";
import { frame, FRAME_COLUMNS } from "./frame.ts";
import type { Palette } from "./palette.ts";
import { choicesOf, requestText, type Choice, type PendingRequest } from "./requests.ts";
import { matchesKey, visibleWidth, type Component } from "./toolkit.ts";

export type DialogDeps = {
  readonly palette: () => Palette;
  readonly rows: () => number;
  readonly now: () => number;
  /** What waits, the first of which is shown. */
  readonly pending: () => readonly PendingRequest[];
  readonly answer: (request: PendingRequest, choice: Choice) => void;
  readonly close: () => void;
};

/** Rows that the dialog leaves for its frame, the keys and what is around it. */
const OTHER_ROWS = 8;

/** One request after the other with all of its text; a key answers the one that has been read to its end. */
export class RequestDialog implements Component {
  readonly #deps: DialogDeps;
  #shown: { id: string; at: number; top: number; isRead: boolean } | null = null;
  #skipped = 0;
  #note = "";
  #lines = 0;
  #height = 1;

  constructor(deps: DialogDeps) {
    this.#deps = deps;
  }

  invalidate(): void {}

  handleInput(data: string): void {
    const request = this.#current();
    this.#note = "";
    if (matchesKey(data, "escape") || matchesKey(data, "ctrl+c") || request === undefined) return this.#deps.close();
    const shown = this.#shown;
    if (shown === null) return;
    const step = { up: -1, down: 1, pageUp: -this.#height, pageDown: this.#height, k: -1, j: 1, space: this.#height };
    for (const [key, by] of Object.entries(step)) if (matchesKey(data, key as "up")) return this.#scroll(by);
    if (matchesKey(data, "tab")) {
      this.#skipped += 1;
      this.#shown = null;
      return;
    }
    const choice = choicesOf(request).find(({ key }) => key === data.toLowerCase());
    if (choice !== undefined) this.#press(request, choice, shown);
  }

  #press(request: PendingRequest, choice: Choice, shown: { at: number; isRead: boolean }): void {
    if (Math.abs(this.#deps.now() - shown.at) < UNREAD_MS) this.#note = "too soon after the request appeared: press the key again";
    else if (choice.grants && !shown.isRead) this.#note = "read it to the end first: page down";
    else this.#deps.answer(request, choice);
  }

  #scroll(by: number): void {
    if (this.#shown === null) return;
    this.#shown.top = Math.max(0, Math.min(this.#shown.top + by, this.#lines - this.#height));
  }

  #current(): PendingRequest | undefined {
    const pending = this.#deps.pending();
    return pending[this.#skipped % Math.max(1, pending.length)];
  }

  render(width: number): string[] {
    const palette = this.#deps.palette();
    const request = this.#current();
    const pending = this.#deps.pending();
    if (request === undefined) return frame(palette, ["Nothing waits for an answer."], width, { title: "Requests", hint: "Esc closes" });
    if (this.#shown?.id !== request.id) this.#shown = { id: request.id, at: this.#deps.now(), top: 0, isRead: false };
    const text = requestText(palette, request, width - FRAME_COLUMNS, this.#deps.now());
    this.#lines = text.length;
    this.#height = Math.max(3, Math.min(text.length, this.#deps.rows() - OTHER_ROWS));
    this.#scroll(0);
    const { top } = this.#shown;
    const bottom = Math.min(text.length, top + this.#height);
    if (bottom === text.length) this.#shown.isRead = true;
    const more = text.length > this.#height ? [palette.warning(`lines ${top + 1} to ${bottom} of ${text.length}: ↑ ↓ PgUp PgDn`)] : [];
    const keys = choicesOf(request).map(({ key, text: words }) => `${palette.accent(palette.bold(key))} ${words}`);
    const body = [
      ...text.slice(top, bottom),
      ...more,
      "",
      ...wrapKeys(keys, width - FRAME_COLUMNS),
      ...(this.#note === "" ? [] : [palette.warning(this.#note)]),
    ];
    const at = pending.indexOf(request) + 1;
    const hint = pending.length > 1 ? "Tab next · Esc later" : "Esc later";
    return frame(palette, body, width, { title: `${TITLES[request.kind]}, ${at} of ${pending.length}`, hint });
  }
}

const TITLES: Readonly<Record<PendingRequest["kind"], string>> = { approval: "Question", device: "Device", person: "Access request" };

/** Keys beside each other, on as few lines as they need. */
function wrapKeys(keys: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const key of keys) {
    const line = lines.at(-1);
    const joined = `${line}   ${key}`;
    if (line !== undefined && visibleWidth(joined) <= width) lines[lines.length - 1] = joined;
    else lines.push(key);
  }
  return lines;
}
