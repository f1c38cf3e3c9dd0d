import type { Clock } from "./clock.ts";
import { LIMITS } from "./limits.ts";

/** Reads again only when the last answer is older than LIMITS.metricsReadMs: for figures that cost more than they change. */
export function remembered<T>(read: () => T, clock: Pick<Clock, "monotonic">): () => T {
  let last: { value: T; at: number } | null = null;
  return () => {
    const now = clock.monotonic();
    if (last === null || now - last.at >= LIMITS.metricsReadMs) last = { value: read(), at: now };
    return last.value;
  };
}
