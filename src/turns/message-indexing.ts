import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { createMessageWords } from "../store/message-words.ts";
import type { Store } from "../store/open.ts";

export type MessageIndexingDeps = { store: Store; clock: Clock; log: Log; isStopping: () => boolean };

/**
 * Puts the messages of an earlier release into the index of words, while the gateway runs. Each step is one small transaction, so that it
 * never keeps a message waiting. Nothing runs once all are in.
 */
export function startMessageIndexing({ store, clock, log, isStopping }: MessageIndexingDeps): void {
  const words = createMessageWords(store);
  if (words.isComplete()) return;
  const step = async (): Promise<void> => {
    if (isStopping()) return;
    try {
      if (await store.write(() => words.indexSome(clock.now()))) return void clock.after(LIMITS.indexStepMs, step);
    } catch (err) {
      log.warn("earlier messages were not indexed; the next attempt is in an hour", { cause: reasonOf(err) });
      return void clock.after(LIMITS.pruneEveryMs, step);
    }
  };
  clock.after(LIMITS.indexStepMs, step);
}
