import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { ChannelEvent, ChannelHost } from "../channel.ts";
import { pause } from "../pause.ts";
import { nextCursor, revoked, TOKEN_ERRORS, type SlackApi } from "./api.ts";
import { advance, marksOf, type Mark } from "./cursor.ts";
import { decode, decodeHistory, type Facts } from "./inbound.ts";

/** What one connection works with. */
export type Session = {
  api: SlackApi;
  host: ChannelHost;
  facts: () => Facts;
  clock: Clock;
  /** Pause before events are stored again. */
  storeMs: number;
  signal: AbortSignal;
};

/** Stores what arrives, one after the other in the order of arrival, each with the cursor behind it. */
export class Intake {
  readonly #session: Session;
  readonly #started = Promise.withResolvers<void>();
  readonly #first: Promise<void>;
  #tail: Promise<void>;
  #waiting = 0;
  /** Resolved when there is room again; null while there is. */
  #room: PromiseWithResolvers<void> | null = null;

  constructor(session: Session) {
    this.#session = session;
    this.#first = this.#started.promise.then(() => this.#readGap());
    this.#tail = this.#first;
    // Whoever waits behind it, or has called start, is told; at an early end nobody is.
    this.#first.catch(() => undefined);
  }

  /** Begins: first what was said since the cursor, then what has arrived meanwhile. Rejects when the history cannot be read. */
  start(): Promise<void> {
    this.#started.resolve();
    return this.#first;
  }

  /** While so many wait to be stored that nothing more should be read: what resolves when half of them are. */
  get room(): Promise<void> | null {
    return this.#room?.promise ?? null;
  }

  /** Resolves when the payload is stored; rejects when the connection ends before. */
  take(payload: unknown): Promise<void> {
    return this.#queue(() => this.#keep(decode(payload, this.#session.facts())));
  }

  /** Like `take`, but one failure is enough: whoever pushed it pushes it again. */
  offer(payload: unknown): Promise<void> {
    return this.#queue(() => this.#admit(decode(payload, this.#session.facts())));
  }

  /** Reads what was said since the cursor once more, after what waits already. */
  catchUp(): Promise<void> {
    return this.#queue(() => this.#readGap());
  }

  /** Conversation by conversation, those that were busy last first. */
  async #readGap(): Promise<void> {
    const { host, facts, clock } = this.#session;
    const until = clock.monotonic() + LIMITS.slackBackfillMs;
    const marks = marksOf(host.cursor(), facts().bot.teamId);
    for (const mark of marks.toReversed()) {
      if (this.#session.signal.aborted) return;
      if (clock.monotonic() >= until)
        return host.log.warn("there was no time to read every conversation after a gap", { conversations: marks.length });
      await this.#readLane(mark, until);
    }
  }

  async #readLane(mark: Mark, until: number): Promise<void> {
    const { host, facts } = this.#session;
    const messages = await this.#history(mark, until);
    const ordered = messages.toSorted((a, b) => timeOf(a) - timeOf(b)).filter((message) => timeOf(message) > Number(mark.ts));
    for (const message of ordered) await this.#keep(decodeHistory(message, mark.channel, mark.kind, facts()));
    if (ordered.length > 0)
      host.log.info("messages were read from the history after a gap", { channel: mark.channel, messages: ordered.length });
  }

  async #history({ channel, thread, ts }: Mark, until: number): Promise<readonly unknown[]> {
    const { api, host, clock, signal } = this.#session;
    const method = thread === null ? "conversations.history" : "conversations.replies";
    const found: unknown[] = [];
    for (let cursor = "", page = 0; page < LIMITS.slackBackfillPages;) {
      const more = { ...(thread !== null && { ts: thread }), ...(cursor && { cursor }) };
      const answer = await api.call(method, { channel, oldest: ts, limit: 200, ...more }, { signal });
      host.alive();
      if (!answer.ok) {
        if (TOKEN_ERRORS.has(answer.error)) throw revoked(answer.error);
        const waitMs = answer.retryAfterMs ?? LIMITS.slackRetryMs;
        if (answer.error === "ratelimited" && clock.monotonic() + waitMs < until) {
          host.limited();
          await pause(clock, waitMs, signal);
          continue;
        }
        host.log.warn("a conversation could not be read after a gap", { channel, cause: answer.error });
        return found;
      }
      const { messages, response_metadata: meta } = answer.body;
      if (Array.isArray(messages)) found.push(...(messages as unknown[]));
      cursor = nextCursor(meta);
      if (cursor === "") return found;
      page++;
    }
    host.log.warn("a conversation has more after the gap than is read", { channel, messages: found.length });
    return found;
  }

  #queue(run: () => Promise<void>): Promise<void> {
    if (++this.#waiting >= LIMITS.channelPendingEvents) this.#room ??= Promise.withResolvers();
    const done = this.#tail.then(run).finally(() => this.#leave());
    this.#tail = done.catch(() => undefined);
    return done;
  }

  #leave(): void {
    if (--this.#waiting > LIMITS.channelPendingEvents / 2) return;
    this.#room?.resolve();
    this.#room = null;
  }

  async #admit(events: readonly ChannelEvent[]): Promise<void> {
    if (events.length === 0) return;
    await this.#session.host.admit(events, this.#cursorAfter(events));
  }

  /** Events are stored with the old cursor rather than not at all: the history is then read again from there. */
  #cursorAfter(events: readonly ChannelEvent[]): string | undefined {
    const { host, facts } = this.#session;
    try {
      return advance(host.cursor(), facts().bot.teamId, events);
    } catch (err) {
      host.log.error("the position in the history could not be advanced", { error: err });
      return undefined;
    }
  }

  /** Tries for ever: without a place for them, nothing more may be acknowledged. */
  async #keep(events: readonly ChannelEvent[]): Promise<void> {
    const { host, clock, storeMs, signal } = this.#session;
    for (let attempt = 0; ; attempt++) {
      if (signal.aborted) throw new Error("the connection has ended before this was stored");
      try {
        await this.#admit(events);
        if (attempt > 0) host.state("ready");
        return;
      } catch (err) {
        if (signal.aborted) throw err;
        host.log.error("messages could not be stored; trying again", { cause: reasonOf(err), waiting: this.#waiting });
        host.state("degraded", `messages cannot be stored: ${reasonOf(err)}`);
        await pause(clock, storeMs, signal);
      }
    }
  }
}

const timeOf = (message: unknown): number => Number((message as { ts?: unknown } | null)?.ts ?? Number.NaN);
