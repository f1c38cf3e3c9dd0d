import type { RunId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";

/**
 * Runs of earlier processes that have one attempt left. They run one at a time: if one of them ends the process again, the others do not
 * lose their last attempt with it.
 */
export class LastAttempts {
  readonly #runs = new Set<RunId>();
  #running = false;

  /** Remembers a run that an earlier process left, where its next attempt is the last. */
  add(runId: RunId, attempts: number): void {
    if (attempts >= LIMITS.turnAttempts - 1) this.#runs.add(runId);
  }

  /** Whether a turn of these runs has to wait for another one. */
  mustWait(runIds: readonly RunId[]): boolean {
    return this.#running && this.#includesLastAttempt(runIds);
  }

  /** A turn of these runs begins; what is returned has to be called when it has ended. */
  begin(runIds: readonly RunId[]): () => void {
    const isOne = this.#includesLastAttempt(runIds);
    if (isOne) this.#running = true;
    return () => {
      if (isOne) this.#running = false;
      for (const runId of runIds) this.#runs.delete(runId);
    };
  }

  #includesLastAttempt(runIds: readonly RunId[]): boolean {
    return runIds.some((runId) => this.#runs.has(runId));
  }
}
