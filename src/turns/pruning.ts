import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Inbox } from "../store/inbox.ts";
import type { Store } from "../store/open.ts";
import type { Outbox } from "../store/outbox.ts";

export type PruningDeps = { store: Store; inbox: Inbox; outbox: Outbox; clock: Clock; log: Log; isStopping: () => boolean };

/**
 * Removes inbox and outbox rows that are kept for deduplication only and are old enough, while the gateway runs. Each step is one
 * small transaction, so that it never keeps a message waiting. Ends when the gateway stops.
 */
export function startPruning({ store, inbox, outbox, clock, log, isStopping }: PruningDeps): void {
  const removeSome = (): boolean => {
    const before = clock.now() - LIMITS.dedupeRetentionMs;
    const inboxHasMore = inbox.prune(before, LIMITS.pruneRows);
    return outbox.prune(before, LIMITS.pruneRows) || inboxHasMore;
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
