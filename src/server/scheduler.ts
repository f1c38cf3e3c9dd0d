import { LIMITS } from "../core/limits.ts";

/** A connection with requests that wait. */
export type RequestQueue = {
  /** Starts the next request; false when nothing can be started right now. */
  startNext(): boolean;
  /** What `startNext` threw; it must end this connection and nothing else. */
  onError(err: unknown): void;
};

/**
 * Takes one request from each connection in turn, and lets the event loop breathe after a short slice: a client that sends
 * thousands at once delays another one by a slice, not by its whole queue.
 */
export class Scheduler {
  readonly #ready = new Set<RequestQueue>();
  #scheduled = false;

  /** Puts a connection in line; it may be there already. */
  wake(connection: RequestQueue): void {
    this.#ready.add(connection);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#slice());
  }

  forget(connection: RequestQueue): void {
    this.#ready.delete(connection);
  }

  #slice(): void {
    this.#scheduled = false;
    const until = performance.now() + LIMITS.dispatchSliceMs;
    for (const connection of this.#ready) {
      this.#ready.delete(connection);
      // Back to the end of the line; a set is walked in the order of insertion, also over what is added meanwhile.
      if (startNextSafely(connection)) this.#ready.add(connection);
      if (performance.now() >= until) break;
    }
    if (this.#ready.size > 0 && !this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.#slice());
    }
  }
}

function startNextSafely(connection: RequestQueue): boolean {
  try {
    return connection.startNext();
  } catch (err) {
    connection.onError(err);
    return false;
  }
}
