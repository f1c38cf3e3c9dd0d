import { LIMITS } from "../core/limits.ts";

/** One page of a transcript as it goes over the wire. */
export type SerializedHistoryPage = {
  /** A JSON array of message rows. */
  json: string;
  /** Messages in it. */
  count: number;
  /** Older messages of the page were left out because it would have been too large. */
  truncated: boolean;
};

/**
 * Pages that were sent already. Stored messages never change, so a page is the same as long as nothing was added or removed: its
 * name holds the last sequence number and the number of messages. Bounded by bytes; the page that was not asked for the longest goes first.
 */
export class HistoryPageCache {
  readonly #pages = new Map<string, SerializedHistoryPage>();
  #bytes = 0;

  get(name: string, make: () => SerializedHistoryPage): SerializedHistoryPage {
    const known = this.#pages.get(name);
    if (known) {
      this.#pages.delete(name);
      this.#pages.set(name, known);
      return known;
    }
    const page = make();
    if (page.json.length > LIMITS.historyCacheBytes / 4) return page;
    this.#pages.set(name, page);
    this.#bytes += page.json.length;
    for (const [oldest, { json }] of this.#pages) {
      if (this.#bytes <= LIMITS.historyCacheBytes) break;
      this.#pages.delete(oldest);
      this.#bytes -= json.length;
    }
    return page;
  }
}
