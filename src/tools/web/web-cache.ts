import type { Clock } from "../../core/clock.ts";

type Entry<V> = { value: V; bytes: number; at: number };

/** Values for a time, at most `maxBytes` of them: the one that was set first goes first. Kept only in memory. */
export class WebCache<V> {
  readonly #entries = new Map<string, Entry<V>>();
  readonly #maxBytes: number;
  readonly #clock: Pick<Clock, "monotonic">;
  #bytes = 0;

  constructor(maxBytes: number, clock: Pick<Clock, "monotonic">) {
    this.#maxBytes = maxBytes;
    this.#clock = clock;
  }

  /** The value with its age, when it is not older than `maxAgeMs`. */
  get(key: string, maxAgeMs: number): { value: V; ageMs: number } | null {
    const entry = this.#entries.get(key);
    if (entry === undefined) return null;
    const ageMs = this.#clock.monotonic() - entry.at;
    if (ageMs < maxAgeMs) return { value: entry.value, ageMs };
    this.#delete(key);
    return null;
  }

  /** `bytes`: about what the value needs. One that is too large for the cache is not kept. */
  set(key: string, value: V, bytes: number): void {
    this.#delete(key);
    if (bytes > this.#maxBytes) return;
    this.#entries.set(key, { value, bytes, at: this.#clock.monotonic() });
    this.#bytes += bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#delete(oldest);
    }
  }

  #delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}
