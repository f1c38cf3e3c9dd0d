import type { Clock } from "../../core/clock.ts";
import { LIMITS } from "../../core/limits.ts";

/**
 * Notices a thread whose loop is stuck. Only time in which this thread itself was awake counts: after a pause of its own, an answer may
 * wait to be read.
 */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #ping: () => void;
  readonly #stuck: () => void;
  #cancel: () => void;
  #last: number;
  /** Rounds on time since the last answer. */
  #silent = 0;

  constructor(clock: Clock, ping: () => void, stuck: () => void) {
    this.#clock = clock;
    this.#ping = ping;
    this.#stuck = stuck;
    this.#last = clock.monotonic();
    this.#cancel = clock.after(LIMITS.isolatedPingMs, () => this.#round());
  }

  answered(): void {
    this.#silent = 0;
  }

  stop(): void {
    this.#cancel();
  }

  #round(): void {
    const now = this.#clock.monotonic();
    const late = now - this.#last > 2 * LIMITS.isolatedPingMs;
    this.#last = now;
    this.#silent = late ? 0 : this.#silent + 1;
    // The first round has asked nothing yet.
    if ((this.#silent - 1) * LIMITS.isolatedPingMs >= LIMITS.isolatedStuckMs) return this.#stuck();
    this.#ping();
    this.#cancel = this.#clock.after(LIMITS.isolatedPingMs, () => this.#round());
  }
}
