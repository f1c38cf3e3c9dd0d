import type { Clock } from "../../core/clock.ts";
import { LIMITS } from "../../core/limits.ts";

/**
 * Notices a thread whose loop is stuck. Only time in which this thread itself was awake counts: after a pause of its own, an answer may
 * wait to be read.
 */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #ping: () => void;
  readonly #onStuck: () => void;
  #cancel: () => void;
  #lastTickAt: number;
  /** Rounds on time since the last answer. */
  #missed = 0;

  constructor(clock: Clock, ping: () => void, stuck: () => void) {
    this.#clock = clock;
    this.#ping = ping;
    this.#onStuck = stuck;
    this.#lastTickAt = clock.monotonic();
    this.#cancel = clock.after(LIMITS.isolatedPingMs, () => this.#tick());
  }

  onPong(): void {
    this.#missed = 0;
  }

  stop(): void {
    this.#cancel();
  }

  #tick(): void {
    const now = this.#clock.monotonic();
    const late = now - this.#lastTickAt > 2 * LIMITS.isolatedPingMs;
    this.#lastTickAt = now;
    this.#missed = late ? 0 : this.#missed + 1;
    // The first round has asked nothing yet.
    if ((this.#missed - 1) * LIMITS.isolatedPingMs >= LIMITS.isolatedStuckMs) return this.#onStuck();
    this.#ping();
    this.#cancel = this.#clock.after(LIMITS.isolatedPingMs, () => this.#tick());
  }
}
