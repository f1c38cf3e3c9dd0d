/** Time comes in as an argument, so that tests own it. */
export type Clock = {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs `fn` once after `delayMs`; returns the cancel function. Never keeps the process alive. */
  after(delayMs: number, fn: () => void): () => void;
};

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (delayMs, fn) => {
    const timer = setTimeout(fn, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
