import type { Clock } from "../../core/clock.ts";
import { GatewayError, reasonOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { ChannelContext } from "../channel.ts";
import type { FailureHandler } from "../containment.ts";
import { sleep } from "../../core/async.ts";
import { deserializeBatch, type EventBatch, type EventSpool } from "./messages.ts";

type PendingBatch = EventBatch & { seq: number };

/** Hands the events of a thread to the gateway, in their order, and says what is taken over. */
export class SpoolForwarder {
  readonly #host: ChannelContext;
  readonly #clock: Clock;
  readonly #acknowledge: (seqs: readonly number[]) => void;
  readonly #fail: FailureHandler;
  readonly #stopping = new AbortController();
  #pending: PendingBatch[] = [];
  #forwarding: Promise<void> | null = null;

  constructor(host: ChannelContext, clock: Clock, done: (seqs: readonly number[]) => void, fail: FailureHandler) {
    this.#fail = fail;
    this.#host = host;
    this.#clock = clock;
    this.#acknowledge = done;
  }

  add(seq: number, body: string): void {
    this.#pending.push({ seq, ...deserializeBatch(body) });
    this.#forwarding ??= this.#forward()
      .catch(this.#fail)
      .finally(() => (this.#forwarding = null));
  }

  /** Resolves when everything is taken over, or the gateway does not take it: then it stays in the spool. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#forwarding;
  }

  async #forward(): Promise<void> {
    while (this.#pending.length > 0) {
      const group = takeGroup(this.#pending);
      try {
        await admitGroup(this.#host, group);
      } catch (err) {
        if (this.#stopping.signal.aborted || (err instanceof GatewayError && err.code === "CONFLICT")) return;
        this.#host.log.warn("events of an isolated channel are not admitted yet", { cause: reasonOf(err) });
        await sleep(this.#clock, LIMITS.isolatedRetryMs, this.#stopping.signal);
        continue;
      }
      this.#pending = this.#pending.slice(group.length);
      this.#acknowledge(group.map(({ seq }) => seq));
    }
  }
}

/** As many batches as fit into one transaction of bounded size; at least one. A copy: further ones arrive while it is worked on. */
function takeGroup(waiting: readonly PendingBatch[]): readonly PendingBatch[] {
  let events = 0;
  const more = waiting.findIndex((batch, index) => (events += batch.events.length) > LIMITS.channelPendingEvents && index > 0);
  return waiting.slice(0, more === -1 ? waiting.length : more);
}

async function admitGroup(host: ChannelContext, group: readonly EventBatch[]): Promise<void> {
  const cursor = group.findLast((batch) => batch.cursor !== undefined)?.cursor;
  await host.admit(
    group.flatMap((batch) => batch.events),
    cursor,
  );
}

/** Takes over what an earlier thread left in its spool. Rejects when the gateway does not take it; nothing is lost then. */
export async function forwardSpool(spool: Pick<EventSpool, "pending" | "acknowledge">, host: ChannelContext): Promise<void> {
  let group: PendingBatch[] = [];
  const flush = async (): Promise<void> => {
    if (group.length === 0) return;
    await admitGroup(host, group);
    spool.acknowledge(group.map(({ seq }) => seq));
    group = [];
  };
  let events = 0;
  for (const { seq, body } of spool.pending()) {
    const batch = deserializeBatch(body);
    group.push({ seq, ...batch });
    events += batch.events.length;
    if (events < LIMITS.channelPendingEvents) continue;
    events = 0;
    await flush();
  }
  await flush();
}
