import { LIMITS } from "../core/limits.ts";
import type { Metrics } from "../core/metrics.ts";
import { encodeTail } from "../protocol/frames.ts";
import type { ServedMethod } from "../protocol/served-methods.ts";

/** The encoded answer, or the rest of it behind what is different each time. `untilMs`: when it is another one without a change. */
export type FreshAnswer = { json: string; untilMs?: number };

type CachedAnswer = {
  basis: readonly unknown[];
  /** Wall time at which it was made: a clock that was set back may bring back what had expired. */
  fromMs: number;
  untilMs: number;
  bytes: Buffer;
  size: number;
};

export type AnswerRequest = {
  method: ServedMethod;
  /** Everything of the request on which the answer depends. */
  name: string;
  /**
   * What the answer is made from: versions of tables (`Store.version`), objects that are replaced when they change, texts. Compared one by
   * one with `===`. Nothing about the caller may be in the answer that is not in `name`.
   */
  basis: readonly unknown[];
  now: number;
};

/**
 * Encoded answers that are given again while everything they were made from is the same. Bounded by bytes; the least recently used goes
 * first, and one that would take more than half of the room is not kept.
 */
export class AnswerCache {
  readonly #answers = new Map<string, CachedAnswer>();
  readonly #metrics: Metrics;
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(metrics: Metrics, maxBytes: number = LIMITS.answerCacheBytes) {
    this.#metrics = metrics;
    this.#maxBytes = maxBytes;
    metrics.sample("gateway_methods_cache_bytes", () => this.#bytes);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(request: AnswerRequest, make: () => FreshAnswer): Buffer {
    return this.find(request) ?? this.add(request, make());
  }

  find({ method, name, basis, now }: AnswerRequest): Buffer | null {
    const key = `${method} ${name}`;
    const known = this.#answers.get(key);
    const isCurrent = known !== undefined && now >= known.fromMs && now < known.untilMs && isSame(known.basis, basis);
    this.#metrics.count("gateway_methods_cache_lookups_total", { method, result: isCurrent ? "hit" : "miss" });
    if (!isCurrent) return null;
    this.#answers.delete(key);
    this.#answers.set(key, known);
    return known.bytes;
  }

  /** Keeps an answer that was made from this basis. Returns its bytes, for `EncodedJson`. */
  add({ method, name, basis, now }: AnswerRequest, { json, untilMs = Infinity }: FreshAnswer): Buffer {
    const bytes = encodeTail(json);
    const key = `${method} ${name}`;
    const size = bytes.length + 2 * key.length;
    this.#drop(key);
    if (size > this.#maxBytes / 2) return bytes;
    this.#answers.set(key, { basis, fromMs: now, untilMs, bytes, size });
    this.#bytes += size;
    for (const oldest of this.#answers.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#drop(oldest);
    }
    return bytes;
  }

  clear(): void {
    this.#answers.clear();
    this.#bytes = 0;
  }

  #drop(key: string): void {
    this.#bytes -= this.#answers.get(key)?.size ?? 0;
    this.#answers.delete(key);
  }
}

const isSame = (a: readonly unknown[], b: readonly unknown[]): boolean => a.length === b.length && a.every((value, at) => value === b[at]);
