import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import { SLACK_LIMITS } from "./limits.ts";
import type { ChannelEvent, ChannelContext } from "../channel.ts";
import { sleep } from "../../core/async.ts";
import { nextCursor, slackTokenRevokedError, TOKEN_ERRORS, type SlackApi } from "./api.ts";
import { advanceCursor, parseCursor, type HistoryPosition } from "./cursor.ts";
import { decodeSlackEvent, decodeHistory, type SlackDecodeContext } from "./inbound.ts";

/** What one connection works with. */
export type SlackSession = {
  api: SlackApi;
  host: ChannelContext;
  decodeContext: () => SlackDecodeContext;
  clock: Clock;
  /** Pause before events are stored again. */
  storeRetryMs: number;
  signal: AbortSignal;
};

/** Stores what arrives, one after the other in the order of arrival, each with the cursor behind it. */
export class SlackEventQueue {
  readonly #session: SlackSession;
  readonly #started = Promise.withResolvers<void>();
  readonly #backfilled: Promise<void>;
  #tail: Promise<void>;
  #waiting = 0;
  /** Resolved when there is room again; null while there is. */
  #untilRoom: PromiseWithResolvers<void> | null = null;

  constructor(session: SlackSession) {
    this.#session = session;
    this.#backfilled = this.#started.promise.then(() => this.#backfillAll());
    this.#tail = this.#backfilled;
    // Callers of `start` and later tasks see a failure; when the queue ends early there is no caller.
    this.#backfilled.catch(() => undefined);
  }

  /** Starts with the messages since the cursor, then the events that arrived meanwhile. Rejects when the history cannot be read. */
  start(): Promise<void> {
    this.#started.resolve();
    return this.#backfilled;
  }

  /** While so many wait to be stored that nothing more should be read: what resolves when half of them are. */
  get untilRoom(): Promise<void> | null {
    return this.#untilRoom?.promise ?? null;
  }

  /** Resolves when the payload is stored; rejects when the connection ends before. */
  enqueue(payload: unknown): Promise<void> {
    return this.#queue(() => this.#storeWithRetry(decodeSlackEvent(payload, this.#session.decodeContext())));
  }

  /** Like `enqueue`, but without retries: the sender repeats an event that was not acknowledged. */
  enqueueOnce(payload: unknown): Promise<void> {
    return this.#queue(() => this.#admit(decodeSlackEvent(payload, this.#session.decodeContext())));
  }

  /** Reads the messages since the cursor again, after the tasks that already wait. */
  backfill(): Promise<void> {
    return this.#queue(() => this.#backfillAll());
  }

  /** Conversation by conversation, those that were busy last first. */
  async #backfillAll(): Promise<void> {
    const { host, decodeContext: facts, clock } = this.#session;
    const until = clock.monotonic() + SLACK_LIMITS.backfillMs;
    const marks = parseCursor(host.cursor(), facts().bot.teamId);
    for (const mark of marks.toReversed()) {
      if (this.#session.signal.aborted) return;
      if (clock.monotonic() >= until)
        return host.log.warn("the time limit for reading conversations after a gap was reached; the rest is not read", {
          conversations: marks.length,
        });
      await this.#backfillConversation(mark, until);
    }
  }

  async #backfillConversation(mark: HistoryPosition, until: number): Promise<void> {
    const { host, decodeContext: facts } = this.#session;
    const messages = await this.#fetchHistory(mark, until);
    const ordered = messages.toSorted((a, b) => timeOf(a) - timeOf(b)).filter((message) => timeOf(message) > Number(mark.ts));
    for (const message of ordered) await this.#storeWithRetry(decodeHistory(message, mark.channel, mark.kind, facts()));
    if (ordered.length > 0)
      host.log.info("messages were read from the history after a gap", { channel: mark.channel, messages: ordered.length });
  }

  async #fetchHistory({ channel, thread, ts }: HistoryPosition, until: number): Promise<readonly unknown[]> {
    const { api, host, clock, signal } = this.#session;
    const method = thread === null ? "conversations.history" : "conversations.replies";
    const found: unknown[] = [];
    for (let cursor = "", page = 0; page < SLACK_LIMITS.backfillPages;) {
      const more = { ...(thread !== null && { ts: thread }), ...(cursor && { cursor }) };
      const answer = await api.call(method, { channel, oldest: ts, limit: 200, ...more }, { signal });
      host.reportActivity();
      if (!answer.ok) {
        if (TOKEN_ERRORS.has(answer.error)) throw slackTokenRevokedError(answer.error);
        const waitMs = answer.retryAfterMs ?? SLACK_LIMITS.retryMs;
        if (answer.error === "ratelimited" && clock.monotonic() + waitMs < until) {
          host.reportRateLimit();
          await sleep(clock, waitMs, signal);
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
    host.log.warn("a conversation has more messages after a gap than the limit; the rest is not read", { channel, messages: found.length });
    return found;
  }

  #queue(run: () => Promise<void>): Promise<void> {
    if (++this.#waiting >= LIMITS.channelPendingEvents) this.#untilRoom ??= Promise.withResolvers();
    const done = this.#tail.then(run).finally(() => this.#dequeued());
    this.#tail = done.catch(() => undefined);
    return done;
  }

  #dequeued(): void {
    if (--this.#waiting > LIMITS.channelPendingEvents / 2) return;
    this.#untilRoom?.resolve();
    this.#untilRoom = null;
  }

  async #admit(events: readonly ChannelEvent[]): Promise<void> {
    if (events.length === 0) return;
    await this.#session.host.admit(events, this.#cursorAfter(events));
  }

  /** Events are stored with the old cursor rather than not at all: the history is then read again from there. */
  #cursorAfter(events: readonly ChannelEvent[]): string | undefined {
    const { host, decodeContext: facts } = this.#session;
    try {
      return advanceCursor(host.cursor(), facts().bot.teamId, events);
    } catch (err) {
      host.log.error("the position in the history could not be advanced", { error: err });
      return undefined;
    }
  }

  /** Retries indefinitely: while events cannot be stored, nothing may be acknowledged. */
  async #storeWithRetry(events: readonly ChannelEvent[]): Promise<void> {
    const { host, clock, storeRetryMs: storeMs, signal } = this.#session;
    for (let attempt = 0; ; attempt++) {
      if (signal.aborted) throw new Error("the connection has ended before this was stored");
      try {
        await this.#admit(events);
        if (attempt > 0) host.setState("ready");
        return;
      } catch (err) {
        if (signal.aborted) throw err;
        host.log.error("messages could not be stored; trying again", { cause: reasonOf(err), waiting: this.#waiting });
        host.setState("degraded", `messages cannot be stored: ${reasonOf(err)}`);
        await sleep(clock, storeMs, signal);
      }
    }
  }
}

const timeOf = (message: unknown): number => Number((message as { ts?: unknown } | null)?.ts ?? Number.NaN);
