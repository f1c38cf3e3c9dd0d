import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Turns } from "./engine.ts";

/**
 * Removes inbox and outbox rows that are kept for deduplication only and are old enough, while the gateway runs. Each step is one
 * small transaction, so that it never keeps a message waiting. Ends with the turns.
 */
export function startPruning(turns: Turns): void {
  const { store, inbox, outbox, clock, log } = turns.options;
  const removeSome = (): boolean => {
    const before = clock.now() - LIMITS.dedupeRetentionMs;
    const inboxHasMore = inbox.prune(before, LIMITS.pruneRows);
    return outbox.prune(before, LIMITS.pruneRows) || inboxHasMore;
  };
  const step = async (): Promise<void> => {
    if (turns.isStopping) return;
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
