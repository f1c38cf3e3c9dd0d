import type { Clock } from "../core/clock.ts";
import type { RunId } from "../core/ids.ts";
import type { RunOutcome } from "../store/inbox.ts";

/** Those who wait for the outcome of a run. */
export class OutcomeWaiters {
  readonly #clock: Clock;
  readonly #byRun = new Map<RunId, Set<(outcome: RunOutcome | null) => void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves with the outcome; null after `timeoutMs` or when `signal` aborts. */
  wait(runId: RunId, timeoutMs: number, signal?: AbortSignal): Promise<RunOutcome | null> {
    return new Promise((resolve) => {
      const waiters = this.#byRun.get(runId) ?? new Set();
      this.#byRun.set(runId, waiters);
      const settle = (outcome: RunOutcome | null): void => {
        cancel();
        signal?.removeEventListener("abort", onAbort);
        waiters.delete(settle);
        if (waiters.size === 0) this.#byRun.delete(runId);
        resolve(outcome);
      };
      const onAbort = (): void => settle(null);
      const cancel = this.#clock.after(timeoutMs, () => settle(null));
      signal?.addEventListener("abort", onAbort, { once: true });
      waiters.add(settle);
    });
  }

  settle(runId: RunId, outcome: RunOutcome): void {
    for (const settle of this.#byRun.get(runId) ?? []) settle(outcome);
  }
}
