import { sleep } from "../core/async.ts";
import type { Clock } from "../core/clock.ts";
import { LIMITS } from "../core/limits.ts";

/** An event as `events_poll` gives it; `raw` is the payload of the gateway's event. */
export type ServedEvent = { cursor: number; type: string; raw: unknown } & Readonly<Record<string, unknown>>;

/** Events between the cursor that was asked for and the oldest that is left are gone; the history has what they were about. */
export type EventGap = { requested_after_cursor: number; oldest_available_cursor: number };

export type EventFilter = { after?: number | undefined; sessionKey?: string | undefined };

type Kept = { event: ServedEvent; sessionKey: string | null; chars: number };

/** The events since the start of the command, each with a cursor. The oldest are dropped at a limit. */
export class ServedEventQueue {
  readonly #clock: Pick<Clock, "after">;
  readonly #waiting = new Set<() => void>();
  #kept: Kept[] = [];
  #chars = 0;
  #lastCursor = 0;

  constructor(clock: Pick<Clock, "after">) {
    this.#clock = clock;
  }

  add(type: string, sessionKey: string | null, fields: Readonly<Record<string, unknown>>, raw: unknown): void {
    this.#lastCursor += 1;
    const event = { cursor: this.#lastCursor, type, ...fields, raw };
    const chars = JSON.stringify(event).length;
    this.#kept.push({ event, sessionKey, chars });
    this.#chars += chars;
    while (this.#kept.length > LIMITS.mcpServeEvents || (this.#chars > LIMITS.mcpServeEventChars && this.#kept.length > 1))
      this.#chars -= this.#kept.shift()!.chars;
    this.#wake();
  }

  /** Events were missed: a client that asks for those after an earlier cursor learns that there is a gap. */
  skip(): void {
    this.#lastCursor += 1;
    this.#kept = [];
    this.#chars = 0;
    this.#wake();
  }

  poll(filter: EventFilter, limit: number): { events: readonly ServedEvent[]; next_cursor: number; gap?: EventGap } {
    const gap = this.#gapOf(filter);
    const events = this.#matching(filter, limit);
    const start = gap ? gap.oldest_available_cursor - 1 : (filter.after ?? 0);
    return { events, next_cursor: events.at(-1)?.cursor ?? start, ...(gap && { gap }) };
  }

  /** The next event; null when there is none within `timeoutMs`, or `signal` aborts. A gap ends the wait at once. */
  async wait(filter: EventFilter, timeoutMs: number, signal: AbortSignal): Promise<{ event: ServedEvent | null; gap?: EventGap }> {
    const over = new AbortController();
    const ended = AbortSignal.any([signal, over.signal]);
    void sleep(this.#clock, timeoutMs, ended).then(() => over.abort());
    for (;;) {
      const [event = null] = this.#matching(filter, 1);
      const gap = this.#gapOf(filter);
      if (event !== null || gap !== null || ended.aborted) {
        over.abort();
        return { event, ...(gap && { gap }) };
      }
      await this.#changed(ended);
    }
  }

  #matching({ after = 0, sessionKey }: EventFilter, limit: number): readonly ServedEvent[] {
    return this.#kept
      .filter((each) => each.event.cursor > after && (sessionKey === undefined || each.sessionKey === sessionKey))
      .slice(0, limit)
      .map(({ event }) => event);
  }

  #gapOf({ after }: EventFilter): EventGap | null {
    const oldest = this.#kept[0]?.event.cursor ?? this.#lastCursor + 1;
    if (after === undefined || after > this.#lastCursor || after + 1 >= oldest) return null;
    return { requested_after_cursor: after, oldest_available_cursor: oldest };
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  #wake(): void {
    for (const done of this.#waiting) done();
  }
}
