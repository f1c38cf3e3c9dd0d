import { setImmediate as turn } from "node:timers/promises";
import type { TestContext } from "node:test";

/** A clock that a test advances, for both sides of a connection in this process. Data arrives at once. */
export type VirtualTime = {
  /** Advances the clock faster than real input and output can follow: for established connections. */
  pass(ms: number): Promise<void>;
  /** Lets time pass until something is so; after `limitMs` it is an error. */
  until(ready: () => boolean, what: string, limitMs: number): Promise<void>;
  /** The time of the machine counts again. */
  end(): void;
};

const STEP_MS = 1_000;
const FINE_STEP_MS = 50;
/** Rounds of the loop after each step: within so many a request and its answer have crossed the loopback, so that no deadline passes meanwhile. */
const TURNS = 4;
/** After so many steps without a timer, what the last one caused is over: time goes on to the next timer at once. */
const SETTLED_STEPS = 6;
/** What a fine step takes of real time: files are read and modules loaded in that, which no round of the loop waits for. */
const REAL_MS = 1;
const { setTimeout: realTimeout } = globalThis;

type Run = (...args: unknown[]) => void;

/** What `setTimeout` and `setInterval` give; it knows its own line, since it may be cleared when a later test has another. */
class VirtualTimer {
  readonly #line: Set<VirtualTimer>;
  readonly everyMs: number | null;
  readonly run: () => void;
  at: number;

  constructor(line: Set<VirtualTimer>, at: number, everyMs: number | null, run: () => void) {
    this.#line = line.add(this);
    this.at = at;
    this.everyMs = everyMs;
    this.run = run;
  }

  clear(): void {
    this.#line.delete(this);
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

/**
 * From now on every timer and `Date.now` of this process are of virtual time, until the test ends. Timers of the mocks of node:test are
 * not enough: to clear one of an earlier test removes another of this one.
 */
export function virtualTime({ mock }: TestContext): VirtualTime {
  const line = new Set<VirtualTimer>();
  let now = Date.now();
  const add = (run: Run, ms: number, everyMs: number | null, args: unknown[]): unknown =>
    new VirtualTimer(line, now + Math.max(1, ms), everyMs, () => run(...args));
  const { clearTimeout, clearInterval } = globalThis;
  const cleared =
    (real: (timer: NodeJS.Timeout) => void) =>
    (timer: unknown): void =>
      timer instanceof VirtualTimer ? timer.clear() : real(timer as NodeJS.Timeout);
  const mocks = [
    mock.method(Date, "now", () => now),
    mock.method(globalThis, "setTimeout", ((run: Run, ms = 1, ...args: unknown[]) => add(run, ms, null, args)) as typeof setTimeout),
    mock.method(globalThis, "setInterval", ((run: Run, ms = 1, ...args: unknown[]) => add(run, ms, ms, args)) as typeof setInterval),
    mock.method(globalThis, "clearTimeout", cleared(clearTimeout) as typeof clearTimeout),
    mock.method(globalThis, "clearInterval", cleared(clearInterval) as typeof clearInterval),
    mock.method(AbortSignal, "timeout", (ms: number) => {
      const controller = new AbortController();
      add(() => controller.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError")), ms, null, []);
      return controller.signal;
    }),
  ];
  const nextTimer = (): VirtualTimer | null =>
    [...line].reduce<VirtualTimer | null>((first, timer) => (first && first.at <= timer.at ? first : timer), null);
  /** Resolves to whether a timer ran. */
  const step = async (ms: number): Promise<boolean> => {
    const end = now + ms;
    let ran = false;
    for (;;) {
      const next = nextTimer();
      if (!next || next.at > end) break;
      ran = true;
      now = next.at;
      if (next.everyMs === null) next.clear();
      else next.at += next.everyMs;
      next.run();
    }
    now = end;
    for (let i = 0; i < TURNS; i++) await turn();
    return ran;
  };
  /** Lets the whole steps pass in which no timer is due; returns their milliseconds, at most `limitMs`. */
  const skipIdle = (limitMs: number): number => {
    const idleMs = Math.min(limitMs, (nextTimer()?.at ?? Number.MAX_SAFE_INTEGER) - now);
    const skippedMs = Math.max(0, Math.ceil(idleMs / STEP_MS) - 1) * STEP_MS;
    now += skippedMs;
    return skippedMs;
  };
  return {
    async pass(ms) {
      let quietSteps = 0;
      for (let passed = 0; passed < ms; passed += STEP_MS) {
        quietSteps = (await step(STEP_MS)) ? 0 : quietSteps + 1;
        if (quietSteps >= SETTLED_STEPS) passed += skipIdle(ms - passed - STEP_MS);
      }
    },
    async until(ready, what, limitMs) {
      for (let passed = 0; !ready(); passed += FINE_STEP_MS) {
        if (passed >= limitMs) throw new Error(`waited ${limitMs} ms of virtual time in vain for ${what}`);
        await step(FINE_STEP_MS);
        await new Promise((resolve) => realTimeout(resolve, REAL_MS));
      }
    },
    end: () => mocks.forEach((each) => each.mock.restore()),
  };
}
