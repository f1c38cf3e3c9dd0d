import { LIMITS } from "../core/limits.ts";
import type { SessionRow } from "../store/sessions.ts";
import { wireRow, type ChatDeps } from "./chat-context.ts";
import { statusExpiry, type RowOptions } from "./wire-rows.ts";

type RowText = { json: string; fromMs: number; untilMs: number };

/** Rows of a list as JSON texts, in the order of the keys. `untilMs`: when one of them is another one without a change. */
export type EncodedRows = { rows: string[]; untilMs: number };

/**
 * Encoded session rows, so that a list in which a few sessions have changed encodes only those. A row is kept while neither its session nor
 * the configuration changes; sessions with a running or waiting turn are never kept. The children of a session belong to other rows and are
 * added each time. Bounded by characters; the least recently used goes first.
 */
export class SessionRowCache {
  readonly #deps: ChatDeps;
  readonly #texts = new Map<string, RowText>();
  #chars = 0;
  #configuration: object | null = null;

  constructor(deps: ChatDeps) {
    this.#deps = deps;
  }

  /** A key whose session is missing or unreadable is left out. */
  encode(keys: readonly string[], options: RowOptions): EncodedRows {
    const { turns, sessions, clock } = this.#deps;
    this.#dropChanged();
    const now = clock.now();
    const variant = variantOf(options);
    const busy: ReadonlyMap<string, unknown> = turns.lanes.busySessions();
    const known = new Map(keys.map((key) => [key, busy.has(key) ? null : this.#find(variant + key, now)]));
    const missing = keys.filter((key) => !known.get(key));
    for (const row of sessions.withKeys(missing)) known.set(row.key, this.#encodeRow(row, options, now, !busy.has(row.key)));
    const children = sessions.children();
    const rows: string[] = [];
    let untilMs = Infinity;
    for (const key of keys) {
      const text = known.get(key);
      if (!text) continue;
      rows.push(withChildren(text.json, children.get(key)));
      untilMs = Math.min(untilMs, text.untilMs);
    }
    return { rows, untilMs };
  }

  #dropChanged(): void {
    const configuration = this.#deps.configuration();
    const changed = this.#deps.sessions.takeChanged();
    if (changed === null || configuration !== this.#configuration) {
      this.#texts.clear();
      this.#chars = 0;
      this.#configuration = configuration;
      return;
    }
    for (const key of changed) for (const variant of VARIANTS) this.#drop(variant + key);
  }

  #find(name: string, now: number): RowText | null {
    const text = this.#texts.get(name);
    if (!text || now < text.fromMs || now >= text.untilMs) return null;
    this.#texts.delete(name);
    this.#texts.set(name, text);
    return text;
  }

  #encodeRow(row: SessionRow, options: RowOptions, now: number, isKept: boolean): RowText {
    const json = JSON.stringify(wireRow(this.#deps, row, options, []));
    const text = { json, fromMs: now, untilMs: statusExpiry(row, now) };
    if (isKept) this.#keep(variantOf(options) + row.key, text);
    return text;
  }

  #keep(name: string, text: RowText): void {
    this.#drop(name);
    this.#texts.set(name, text);
    this.#chars += text.json.length;
    for (const oldest of this.#texts.keys()) {
      if (this.#chars <= LIMITS.sessionRowCacheChars) break;
      this.#drop(oldest);
    }
  }

  #drop(name: string): void {
    this.#chars -= this.#texts.get(name)?.json.length ?? 0;
    this.#texts.delete(name);
  }
}

/** One character for each combination of what a list leaves out. */
const VARIANTS = ["0", "1", "2", "3"] as const;
const variantOf = ({ derivedTitles = true, lastMessage = true }: RowOptions): string =>
  VARIANTS[(derivedTitles ? 1 : 0) + (lastMessage ? 2 : 0)]!;

const withChildren = (json: string, children: readonly string[] | undefined): string =>
  children === undefined ? json : `${json.slice(0, -1)},"childSessions":${JSON.stringify(children)}}`;
