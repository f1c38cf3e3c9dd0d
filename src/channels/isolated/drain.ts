import type { Clock } from "../../core/clock.ts";
import { GatewayError, reasonOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { ChannelHost } from "../channel.ts";
import type { Fail } from "../containment.ts";
import { pause } from "../pause.ts";
import { fromBody, type Batch, type SpoolFile } from "./wire.ts";

type Waiting = Batch & { seq: number };

/** Hands the events of a thread to the gateway, in their order, and says what is taken over. */
export class Drain {
  readonly #host: ChannelHost;
  readonly #clock: Clock;
  readonly #done: (seqs: readonly number[]) => void;
  readonly #fail: Fail;
  readonly #finish = new AbortController();
  #waiting: Waiting[] = [];
  #working: Promise<void> | null = null;

  constructor(host: ChannelHost, clock: Clock, done: (seqs: readonly number[]) => void, fail: Fail) {
    this.#fail = fail;
    this.#host = host;
    this.#clock = clock;
    this.#done = done;
  }

  add(seq: number, body: string): void {
    this.#waiting.push({ seq, ...fromBody(body) });
    this.#working ??= this.#work()
      .catch(this.#fail)
      .finally(() => (this.#working = null));
  }

  /** Resolves when everything is taken over, or the gateway does not take it: then it stays in the spool. */
  async finish(): Promise<void> {
    this.#finish.abort();
    await this.#working;
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = nextGroup(this.#waiting);
      try {
        await admitAll(this.#host, group);
      } catch (err) {
        if (this.#finish.signal.aborted || (err instanceof GatewayError && err.code === "CONFLICT")) return;
        this.#host.log.warn("events of an isolated channel are not taken over yet", { cause: reasonOf(err) });
        await pause(this.#clock, LIMITS.isolatedRetryMs, this.#finish.signal);
        continue;
      }
      this.#waiting = this.#waiting.slice(group.length);
      this.#done(group.map(({ seq }) => seq));
    }
  }
}

/** As many batches as fit into one transaction of bounded size; at least one. A copy: further ones arrive while it is worked on. */
function nextGroup(waiting: readonly Waiting[]): readonly Waiting[] {
  let events = 0;
  const more = waiting.findIndex((batch, index) => (events += batch.events.length) > LIMITS.channelPendingEvents && index > 0);
  return waiting.slice(0, more === -1 ? waiting.length : more);
}

async function admitAll(host: ChannelHost, group: readonly Batch[]): Promise<void> {
  const cursor = group.findLast((batch) => batch.cursor !== undefined)?.cursor;
  await host.admit(
    group.flatMap((batch) => batch.events),
    cursor,
  );
}

/** Takes over what an earlier thread left in its spool. Rejects when the gateway does not take it; nothing is lost then. */
export async function drainLeftovers(spool: Pick<SpoolFile, "pending" | "acknowledge">, host: ChannelHost): Promise<void> {
  let group: Waiting[] = [];
  const flush = async (): Promise<void> => {
    if (group.length === 0) return;
    await admitAll(host, group);
    spool.acknowledge(group.map(({ seq }) => seq));
    group = [];
  };
  let events = 0;
  for (const { seq, body } of spool.pending()) {
    const batch = fromBody(body);
    group.push({ seq, ...batch });
    events += batch.events.length;
    if (events < LIMITS.channelPendingEvents) continue;
    events = 0;
    await flush();
  }
  await flush();
}
