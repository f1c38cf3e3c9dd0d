import type { Clock } from "../../core/clock.ts";
import { TOOL_LIMITS } from "../limits.ts";

/** Runs a trial with the first call, and gives its result again. One that failed is repeated after `sandboxRetryMs`. Trials never reject. */
export function keepProbe<P>(
  trial: () => Promise<P>,
  { hasFailed, clock }: { hasFailed: (probe: P) => boolean; clock: Pick<Clock, "monotonic"> },
): () => Promise<P> {
  let kept: { probe: Promise<P>; failedAt: number } | null = null;
  return () => {
    if (kept !== null && clock.monotonic() < kept.failedAt + TOOL_LIMITS.sandboxRetryMs) return kept.probe;
    const current = { probe: trial(), failedAt: Infinity };
    kept = current;
    void current.probe.then((probe) => {
      if (hasFailed(probe)) current.failedAt = clock.monotonic();
    });
    return current.probe;
  };
}
