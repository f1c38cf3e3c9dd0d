import type { Clock } from "./clock.ts";

/** Resolves after `delayMs`, or as soon as the signal aborts. Never rejects, and leaves no listener behind. */
export function sleep(clock: Pick<Clock, "after">, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.after(delayMs, done);
    signal?.addEventListener("abort", done, { once: true });
  });
}

/** Resolves when the signal aborts; at once when it already has. In a race against a long-lived signal use `abortable`. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** The result of `promise`, or a rejection with the signal's reason as soon as it aborts. Leaves no listener behind. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/**
 * The result of `promise`, or a rejection with `onTimeout()` after `delayMs` on the monotonic clock. The promise is not
 * cancelled; a result after the time is dropped.
 */
export function withTimeout<T>(clock: Pick<Clock, "after">, delayMs: number, promise: Promise<T>, onTimeout: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(delayMs, () => reject(onTimeout()));
    promise.then(resolve, reject).finally(cancel);
  });
}

/** A moment on the monotonic clock; setting the wall clock does not move it. */
export type Deadline = { remainingMs(): number; isExpired(): boolean };

export function deadlineAfter(clock: Pick<Clock, "monotonic">, delayMs: number): Deadline {
  const end = clock.monotonic() + delayMs;
  const remainingMs = (): number => Math.max(0, end - clock.monotonic());
  return { remainingMs, isExpired: () => remainingMs() === 0 };
}

export type BackoffPolicy = {
  /** Delay of the first retry. */
  minMs: number;
  /** Upper limit of every delay. */
  maxMs: number;
  /** The share of the delay that is random, 0 to 1; spreads clients that fail together. Default 0. */
  jitter?: number;
};

/** The delay before a retry; `failures` is the number of earlier retries in a row (0 for the first). Doubles up to `maxMs`. Pure. */
export function backoffDelay({ minMs, maxMs, jitter = 0 }: BackoffPolicy, failures: number, random = 0): number {
  const delay = Math.min(maxMs, minMs * 2 ** Math.min(Math.max(0, failures), 32));
  return Math.round(delay * (1 - jitter + jitter * random));
}
