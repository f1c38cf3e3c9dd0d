import { setImmediate as nextTurn } from "node:timers/promises";

/** Time between two looks. */
const PAUSE_MS = 10;
/** On a machine that has no time for this process, the limit is this many times as long. */
const BUSY_FACTOR = 4;

/**
 * Waits until `check` gives something; looks every few milliseconds, and says what it waited for. The limit is for a process that gets its
 * share of the machine: it has passed only when at least a quarter of the looks that fit into it were taken.
 */
export async function until<T>(
  what: string,
  check: () => T | undefined | null | false | Promise<T | undefined | null | false>,
  limitMs = 20_000,
): Promise<T> {
  const started = performance.now();
  for (let looks = 1; ; looks++) {
    const value = await check();
    if (value) return value;
    const waited = performance.now() - started;
    const isStarved = looks < limitMs / PAUSE_MS / BUSY_FACTOR && waited < limitMs * BUSY_FACTOR;
    if (waited > limitMs && !isStarved) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** The result of `work`, which has to come within the limit of `until`. */
export async function within<T>(what: string, work: Promise<T>, limitMs: number): Promise<T> {
  let hasEnded = false;
  const end = (): void => void (hasEnded = true);
  work.then(end, end);
  await until(`${what}, within ${limitMs} ms`, () => hasEnded, limitMs);
  return await work;
}

/** Lets the event loop go round so often that whatever was about to happen in this process has happened. */
export async function settled(turns = 50): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await nextTurn();
}
