import type { Abilities, Link, Part, SendResult, Target } from "../channels/channel.ts";
import type { Bus } from "../core/bus.ts";
import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { Store } from "../store/open.ts";
import type { Outbox, OutboxPart, PartState } from "../store/outbox.ts";
import type { TurnEvents } from "./events.ts";

export type DeliveryOptions = {
  store: Store;
  outbox: Outbox;
  bus: Bus<TurnEvents>;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** The live connection of an account, looked up for each send; null while there is none. */
  link: (channel: string, account: string) => Link | null;
  abilities: (channel: string) => Abilities | null;
  /** Marks for crash tests. */
  mark: (point: string) => void;
};

type Sent = { state: PartState; ids?: readonly string[]; cause?: string; retryInMs?: number };

/**
 * Sends what stands in the outbox. One conversation is one line: its parts leave strictly in order, conversations do not wait
 * for each other. A part is marked before it is handed to the channel, so that a crash leaves `attempting`, never a guess.
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #busy = new Map<string, Promise<void>>();
  #stopping = false;
  /** Conversations whose account has no connection; looked at again when one comes up. */
  readonly #waiting = new Map<string, Set<string>>();
  readonly #abort = new AbortController();

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** Takes up what an earlier process left. */
  start(): void {
    for (const conversation of this.#options.outbox.openConversations()) this.wake(conversation);
  }

  /** Something was written for this conversation. */
  wake(conversation: string): void {
    if (this.#busy.has(conversation) || this.#stopping) return;
    const drained = this.#drain(conversation).finally(() => {
      this.#busy.delete(conversation);
      if (this.#stopping) return;
      const next = this.#options.outbox.next(conversation);
      if (next && this.#linkOf(next)) this.wake(conversation);
    });
    this.#busy.set(conversation, drained);
  }

  /** An account is connected: what waits for it goes out. */
  linked(channel: string, account: string): void {
    const key = accountKey(channel, account);
    const conversations = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    for (const conversation of conversations) this.wake(conversation);
  }

  /** Sends nothing more; gives what is being sent a moment to be confirmed, so that its fate is known. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const settled = Promise.allSettled(this.#busy.values());
    await Promise.race([settled, new Promise<void>((resolve) => this.#options.clock.after(LIMITS.sendSettleMs, resolve))]);
    this.#abort.abort();
  }

  async #drain(conversation: string): Promise<void> {
    while (!this.#stopping) {
      const part = this.#options.outbox.next(conversation);
      if (!part) return;
      const link = this.#linkOf(part);
      if (this.#tooOld(part)) await this.#settle(part, { state: "parked", cause: "too old to be sent" });
      else if (!link) return this.#await(part);
      else if (!(await this.#attempt(part, link))) return;
    }
  }

  #linkOf(part: OutboxPart): Link | null {
    const target = part.target as Target;
    return this.#options.link(target.channel, target.account);
  }

  #tooOld = (part: OutboxPart): boolean => this.#options.clock.now() - part.createdAt > LIMITS.outboundMaxAgeMs;

  #await(part: OutboxPart): void {
    const { channel, account } = part.target as Target;
    const key = accountKey(channel, account);
    const waiting = this.#waiting.get(key) ?? new Set();
    waiting.add(part.conversation);
    this.#waiting.set(key, waiting);
  }

  /** One send. False: this conversation pauses; it is woken again by a timer or a connection. */
  async #attempt(part: OutboxPart, link: Link): Promise<boolean> {
    const { store, outbox, clock, mark } = this.#options;
    try {
      await store.write(() => outbox.attempt(part.partKey, clock.now()));
    } catch (err) {
      this.#options.log.error("a reply waits for the store", { cause: reasonOf(err) });
      return this.#pause(part.conversation, 1_000);
    }
    mark("part-attempting");
    const sent = await this.#send(part, link);
    mark("part-sent");
    await this.#settle(part, sent);
    if (sent.state !== "queued") return true;
    return this.#pause(part.conversation, sent.retryInMs ?? backOffMs(part.attempts));
  }

  #pause(conversation: string, delayMs: number): false {
    this.#options.clock.after(delayMs, () => this.wake(conversation));
    return false;
  }

  async #send(part: OutboxPart, link: Link): Promise<Sent> {
    const target = part.target as Target;
    const out: Part = { key: part.partKey, target, text: part.text };
    try {
      return this.#fromResult(part, await link.send(out, this.#abort.signal));
    } catch (err) {
      return this.#fromUncertain(out, link, err);
    }
  }

  #fromResult(part: OutboxPart, result: SendResult): Sent {
    if (result.state === "sent") return { state: "sent", ids: result.ids };
    if (!result.retryable) return { state: "parked", cause: result.reason };
    // A connection that went away is not an attempt that failed: the part waits for the next one, however long that takes.
    if (part.attempts + 1 >= LIMITS.sendAttempts && this.#linkOf(part))
      return { state: "parked", cause: `gave up after ${LIMITS.sendAttempts} attempts: ${result.reason}` };
    return { state: "queued", cause: result.reason, ...(result.retryAfterMs === undefined ? {} : { retryInMs: result.retryAfterMs }) };
  }

  /** Nobody knows whether it arrived. Only a platform that recognises a repetition, or can be asked, gets it again. */
  async #fromUncertain(part: Part, link: Link, err: unknown): Promise<Sent> {
    const cause = reasonOf(err);
    const idempotency = this.#options.abilities(part.target.channel)?.idempotency ?? "none";
    if (idempotency === "key") return { state: "queued", cause };
    if (idempotency === "lookup" && link.lookup) {
      try {
        const ids = await link.lookup(part);
        return ids ? { state: "sent", ids } : { state: "queued", cause };
      } catch (lookupErr) {
        return { state: "unknown", cause: `${cause}; the look-up failed as well: ${reasonOf(lookupErr)}` };
      }
    }
    return { state: "unknown", cause };
  }

  async #settle(part: OutboxPart, sent: Sent): Promise<void> {
    const { store, outbox, clock, bus, log, metrics } = this.#options;
    const { channel, account } = part.target as Target;
    for (let delayMs = 100; ; delayMs = Math.min(delayMs * 2, 1_000)) {
      try {
        await store.write(() =>
          outbox.settle(part.partKey, sent.state, clock.now(), {
            ...(sent.ids ? { ids: sent.ids } : {}),
            ...(sent.cause ? { cause: sent.cause } : {}),
          }),
        );
        break;
      } catch (err) {
        // Stays `attempting` on disk: after a restart it is reported as unknown, not sent again.
        if (this.#abort.signal.aborted) return;
        log.error("the fate of a reply waits for the store", { cause: reasonOf(err) });
        await new Promise<void>((resolve) => clock.after(delayMs, resolve));
      }
    }
    metrics.count("gateway_turns_parts_total", { channel, state: sent.state });
    if (sent.state === "unknown" || sent.state === "parked")
      log.error("a reply was not delivered for certain", { channel, account, part: part.partKey, state: sent.state, cause: sent.cause });
    bus.emit("part.settled", {
      partKey: part.partKey,
      runId: part.runId,
      sessionKey: part.sessionKey,
      channel,
      account,
      state: sent.state,
      cause: sent.cause ?? null,
    });
  }
}

const accountKey = (channel: string, account: string): string => `${channel}|${account}`;

/** 1 s, 2 s, 4 s ... 60 s. */
const backOffMs = (attempts: number): number => Math.min(1_000 * 2 ** attempts, 60_000);
