import { LIMITS } from "../core/limits.ts";
import type { Metrics } from "../core/metrics.ts";

/** A client that may be slow to read. */
export type BacklogClient = {
  /** Bytes that it has not taken yet. */
  readonly waitingBytes: number;
  /** Ends it at once, and frees what waits for it. */
  destroy(): void;
};

/**
 * What waits to be read by all clients together. Each may be slow within its own limit; when all of them together hold too much
 * memory, the one with the most ends first.
 */
export class Backlog {
  /** What each had waiting when it was last looked at; at least what it has now, until it is given more. */
  readonly #waitingBytes = new Map<BacklogClient, number>();
  readonly #metrics: Metrics;
  #total = 0;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    metrics.sample("gateway_server_unread_bytes", () => this.#measure());
  }

  /** Call it after something was written to a reader. */
  update(reader: BacklogClient): void {
    const waiting = reader.waitingBytes;
    const known = this.#waitingBytes.get(reader);
    if (waiting === known || (waiting === 0 && known === undefined)) return;
    this.#waitingBytes.set(reader, waiting);
    this.#total += waiting - (known ?? 0);
    if (this.#total > LIMITS.unreadBytes && this.#measure() > LIMITS.unreadBytes) this.#shed();
  }

  forget(reader: BacklogClient): void {
    this.#total -= this.#waitingBytes.get(reader) ?? 0;
    this.#waitingBytes.delete(reader);
  }

  /** Recounts all sockets: a reader takes bytes without an event. */
  #measure(): number {
    this.#total = 0;
    for (const reader of this.#waitingBytes.keys()) {
      const waiting = reader.waitingBytes;
      if (waiting === 0) this.#waitingBytes.delete(reader);
      else this.#waitingBytes.set(reader, waiting);
      this.#total += waiting;
    }
    return this.#total;
  }

  #shed(): void {
    const largestFirst = [...this.#waitingBytes].toSorted(([, a], [, b]) => b - a);
    for (const [reader] of largestFirst) {
      if (this.#total <= LIMITS.unreadBytes) return;
      this.forget(reader);
      this.#metrics.count("gateway_server_slow_clients_ended_total", { limit: "total" });
      reader.destroy();
    }
  }
}
