import { backoffDelay } from "../../core/async.ts";
import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { TOOL_LIMITS } from "../limits.ts";
import type { EmbeddingSettings } from "./embedding-settings.ts";
import type { NoteOwner } from "./note-index.ts";

/** The vectors of texts, in their order, each of length 1. */
export type EmbeddingAnswer = { vectors: readonly Float32Array[]; tokens: number };

/** What one request for vectors took. */
export type EmbeddingCall = { settings: EmbeddingSettings; tokens: number; status: "ok" | "error" | "aborted"; durationMs: number };

export type EmbedderOptions = {
  /** Null: notes are found by words only. */
  settings: () => EmbeddingSettings | { problem: string } | null;
  /** Loaded with the first use. */
  vectorsOf: (settings: EmbeddingSettings, texts: readonly string[], signal: AbortSignal) => Promise<EmbeddingAnswer>;
  /** Asks the budgets before a request; resolves to what takes the call once it has ended. Rejects when it may not be made. */
  reserve: (
    settings: EmbeddingSettings,
    text: string,
    owner: NoteOwner,
    signal: AbortSignal,
  ) => Promise<(call: EmbeddingCall) => Promise<void>>;
  clock: Pick<Clock, "monotonic">;
};

/** The vectors of texts. After a failure the server is left alone for a while: words alone find notes meanwhile. */
export class Embedder {
  readonly #options: EmbedderOptions;
  #failure: { fingerprint: string; cause: string; count: number; until: number } | null = null;

  constructor(options: EmbedderOptions) {
    this.#options = options;
  }

  /** The settings in use; null: off. */
  settings(): EmbeddingSettings | { problem: string } | null {
    return this.#options.settings();
  }

  /** Why there are no vectors at the moment; null: there are, as far as is known. */
  problem(settings: EmbeddingSettings): string | null {
    const failure = this.#failure;
    return failure !== null && failure.fingerprint === settings.fingerprint ? failure.cause : null;
  }

  isWaiting(settings: EmbeddingSettings): boolean {
    const failure = this.#failure;
    return failure?.fingerprint === settings.fingerprint && this.#options.clock.monotonic() < failure.until;
  }

  /** Rejects with why there are none. `isAsked`: a person wants to know, also soon after a failure. */
  async embed(
    settings: EmbeddingSettings,
    texts: readonly string[],
    { owner, signal, isAsked = false }: { owner: NoteOwner; signal: AbortSignal; isAsked?: boolean },
  ): Promise<readonly Float32Array[]> {
    const { clock, vectorsOf, reserve } = this.#options;
    if (!isAsked && this.isWaiting(settings)) throw new Error(this.#failure!.cause);
    const since = clock.monotonic();
    const done = (status: EmbeddingCall["status"], tokens: number): EmbeddingCall => {
      return { settings, tokens, status, durationMs: Math.round(clock.monotonic() - since) };
    };
    let add: ((call: EmbeddingCall) => Promise<void>) | null = null;
    try {
      add = await reserve(settings, texts[0]!, owner, signal);
      const { vectors, tokens } = await vectorsOf(settings, texts, signal);
      this.#failure = null;
      await add(done("ok", tokens));
      return vectors;
    } catch (err) {
      if (signal.aborted) {
        await add?.(done("aborted", 0));
        throw err;
      }
      this.#failed(settings, reasonOf(err));
      await add?.(done("error", 0));
      throw err;
    }
  }

  #failed({ fingerprint }: EmbeddingSettings, cause: string): void {
    const count = this.#failure?.fingerprint === fingerprint ? this.#failure.count + 1 : 1;
    const { embeddingRetryMs: minMs, embeddingRetryMaxMs: maxMs } = TOOL_LIMITS;
    this.#failure = { fingerprint, cause, count, until: this.#options.clock.monotonic() + backoffDelay({ minMs, maxMs }, count - 1) };
  }
}
