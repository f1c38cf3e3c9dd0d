import { LIMITS } from "../core/limits.ts";

/** Answers of people that hold for the rest of a run, by what they cover. Those of the latest runs are kept. */
export class RunAnswers<T> {
  readonly #runs = new Map<string, Map<string, Promise<T>>>();

  /** The answer about `key` in this run; asks unless there is one, or one is waited for. Only what `isKept` says covers later calls. */
  async get(runId: string | null, key: string, ask: () => Promise<T>, isKept: (answer: T) => boolean): Promise<T> {
    const answers = this.#of(runId);
    const known = answers.get(key);
    if (known) return await known;
    const asked = ask();
    answers.set(key, asked);
    let kept = false;
    try {
      const answer = await asked;
      kept = isKept(answer);
      return answer;
    } finally {
      if (!kept) answers.delete(key);
    }
  }

  /** A call without a run has no other calls beside it. */
  #of(runId: string | null): Map<string, Promise<T>> {
    if (runId === null) return new Map();
    const answers = this.#runs.get(runId) ?? new Map<string, Promise<T>>();
    this.#runs.delete(runId);
    this.#runs.set(runId, answers);
    for (const oldest of this.#runs.keys()) {
      if (this.#runs.size <= LIMITS.approvalRunsKept) break;
      this.#runs.delete(oldest);
    }
    return answers;
  }
}
