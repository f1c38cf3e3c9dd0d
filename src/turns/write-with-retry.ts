import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { isStorageError } from "../store/storage-error.ts";
import type { Store } from "../store/open.ts";

type WriteRetryDeps = {
  store: Store;
  clock: Clock;
  log: Log;
  /** The gateway stops; the next start finds the rows unchanged. */
  isStopping: () => boolean;
};

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 1_000;

/** A `store.write` that is repeated until the disk accepts it; see createRetryingWrite. */
export type RetryingWrite = <T>(change: () => T) => Promise<{ value: T } | null>;

/**
 * Writes until the disk accepts it; null when the gateway stops before that. `waiting` is logged meanwhile. Rejects for every error
 * that does not come from the disk, since a repetition of the same change cannot help there.
 */
export function createRetryingWrite({ store, clock, log, isStopping }: WriteRetryDeps, waiting: string): RetryingWrite {
  return async (change) => {
    for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(delayMs * 2, MAX_DELAY_MS)) {
      try {
        return { value: await store.write(change) };
      } catch (err) {
        if (!isStorageError(err)) throw err;
        if (isStopping()) return null;
        log.error(waiting, { cause: reasonOf(err) });
        await new Promise<void>((resolve) => clock.after(delayMs, resolve));
      }
    }
  };
}
