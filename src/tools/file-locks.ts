/** Serializes the changes of each file; different files change in parallel. */
export class FileLocks {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `change` after all earlier changes of the file with this key (`FileTarget.key`). */
  async withLock<T>(key: string, change: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const run = before === undefined ? change() : before.then(change, change);
    this.#last.set(key, run);
    try {
      return await run;
    } finally {
      if (this.#last.get(key) === run) this.#last.delete(key);
    }
  }

  /** As withLock, for several files. All take them in the same order, so that none waits for the other. */
  async withLocks<T>(keys: readonly string[], change: () => Promise<T>): Promise<T> {
    const sorted = [...new Set(keys)].toSorted();
    return sorted.reduceRight<() => Promise<T>>((run, key) => () => this.withLock(key, run), change)();
  }
}
