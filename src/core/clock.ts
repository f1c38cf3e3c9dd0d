/** Time is passed in as an argument, so that tests control it. */
export type Clock = {
  /** Milliseconds since the epoch: for what is stored, shown or compared with another machine's time. It may jump. */
  now(): number;
  /** Milliseconds since a fixed moment, never going back: for every interval, deadline and back-off within this process. */
  monotonic(): number;
  /** Runs `fn` once after `delayMs`; returns the cancel function. Never keeps the process alive. */
  after(delayMs: number, fn: () => void): () => void;
};

/** For command-line programs: as systemClock, but a pending timer keeps the process alive. */
export const foregroundClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, fn) => {
    const timer = setTimeout(fn, delayMs);
    return () => clearTimeout(timer);
  },
};

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, fn) => {
    const timer = setTimeout(fn, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
