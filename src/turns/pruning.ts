import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Store } from "../store/open.ts";

/** Removes at most `limit` rows of finished work that ended before `before`. True: more are left. Inside a `store.write`. */
type Prune = (before: number, limit: number) => boolean;

/** `retentionMs`: how long rows are kept, where that is not `dedupeRetentionMs`. */
type PrunedTable = { prune: Prune; retentionMs?: number | (() => number) };

export type PruningDeps = { store: Store; tables: readonly PrunedTable[]; clock: Clock; log: Log; isStopping: () => boolean };

/**
 * Removes rows of finished work that are old enough, while the gateway runs. Each step is one
 * small transaction, so that it never keeps a message waiting. Ends when the gateway stops.
 */
export function startPruning({ store, tables, clock, log, isStopping }: PruningDeps): void {
  const removeSome = (): boolean => {
    const now = clock.now();
    return tables
      .map(({ prune, retentionMs = LIMITS.dedupeRetentionMs }) =>
        prune(now - (typeof retentionMs === "number" ? retentionMs : retentionMs()), LIMITS.pruneRows),
      )
      .some(Boolean);
  };
  const step = async (): Promise<void> => {
    if (isStopping()) return;
    let hasMore = false;
    try {
      hasMore = await store.write(removeSome);
    } catch (err) {
      log.warn("old rows were not removed; the next attempt is in an hour", { cause: reasonOf(err) });
    }
    clock.after(hasMore ? LIMITS.pruneStepMs : LIMITS.pruneEveryMs, step);
  };
  clock.after(LIMITS.pruneStepMs, step);
}
