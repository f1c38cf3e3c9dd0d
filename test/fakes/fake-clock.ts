import type { Clock } from "../../src/core/clock.ts";

type Timer = { atMs: number; fn: () => void };

/**
 * A clock that does not move until a test advances it. Wall time and monotonic time are apart, so that a test can set the wall clock. Its
 * functions may be handed on, like those of the system's clock.
 */
export class FakeClock implements Clock {
  #wallMs: number;
  #elapsedMs = 0;
  #timers: Timer[] = [];

  constructor(wallMs = 1_000_000) {
    this.#wallMs = wallMs;
  }

  readonly now = (): number => this.#wallMs + this.#elapsedMs;

  readonly monotonic = (): number => this.#elapsedMs;

  readonly after = (delayMs: number, fn: () => void): (() => void) => {
    const timer = { atMs: this.#elapsedMs + Math.max(0, delayMs), fn };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  };

  /** Lets `ms` pass and runs the timers that come due, in order. */
  advance(ms: number): void {
    const end = this.#elapsedMs + ms;
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#elapsedMs = Math.max(this.#elapsedMs, next.atMs);
      next.fn();
    }
    this.#elapsedMs = end;
  }

  /** The same, and what waits for promises goes on before each timer and at the end. */
  async advanceSettled(ms: number): Promise<void> {
    const end = this.#elapsedMs + ms;
    for (;;) {
      await settle();
      const next = this.#next(end);
      if (!next) break;
      this.advance(Math.max(0, next.atMs - this.#elapsedMs));
    }
    this.advance(end - this.#elapsedMs);
    await settle();
  }

  /** Lets time pass at once, as for a process that was stopped: the timers that are due run only then. */
  skip(ms: number): void {
    this.#elapsedMs += ms;
    this.advance(0);
  }

  /** Sets the wall clock forward (or back, with a negative value); no interval passes. */
  jump(ms: number): void {
    this.#wallMs += ms;
  }

  /** Delays until the pending timers, in the order in which they were set. */
  pending(): number[] {
    return this.#timers.map((timer) => timer.atMs - this.#elapsedMs);
  }

  #next(end: number): Timer | undefined {
    return this.#timers.filter((timer) => timer.atMs <= end).toSorted((a, b) => a.atMs - b.atMs)[0];
  }
}

/** Lets promises that are settled run what waits for them. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
