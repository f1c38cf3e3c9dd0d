import type { Clock } from "./clock.ts";
import { LIMITS } from "./limits.ts";

/** Caches the result of `read` for LIMITS.metricsReadMs: for values that are expensive to read and change slowly. */
export function cacheReads<T>(read: () => T, clock: Pick<Clock, "monotonic">): () => T {
  let last: { value: T; at: number } | null = null;
  return () => {
    const now = clock.monotonic();
    if (last === null || now - last.at >= LIMITS.metricsReadMs) last = { value: read(), at: now };
    return last.value;
  };
}
