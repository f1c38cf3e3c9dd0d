export type MessageRoute = "chat" | "agent" | "http";
export type MessageStatus = "ok" | "error" | "aborted";

/** One message of a client, and the results that the client received. */
export type LedgerEntry = {
  /** A word that is in the text and nowhere else. */
  marker: string;
  /** Idempotency key, and with it the id of the run. */
  key: string;
  session: string;
  via: MessageRoute;
  text: string;
  queueMode?: "steer" | "followup" | "collect" | "interrupt";
  /** Where the answer is delivered. */
  to?: string;
  /** `sent`: no answer came; `acked`: it was acknowledged; `refused`: the gateway said that it did not take it. */
  state: "sent" | "acked" | "refused";
  outcome: { status: MessageStatus; text: string | null } | null;
};

const MARKER = /\bm\d+x\b/g;

/** All markers in a text. */
export const markersIn = (text: string): string[] => text.match(MARKER) ?? [];

/** Results that clients received, over all runs of the gateway. Contradictory results are faults. */
export class MessageLedger {
  readonly entries = new Map<string, LedgerEntry>();
  readonly violations: string[] = [];
  #count = 0;

  nextMarker(): string {
    return `m${++this.#count}x`;
  }

  add(entry: LedgerEntry): LedgerEntry {
    this.entries.set(entry.key, entry);
    return entry;
  }

  reportViolation(text: string): void {
    this.violations.push(text);
  }

  all(state: LedgerEntry["state"]): LedgerEntry[] {
    return [...this.entries.values()].filter((entry) => entry.state === state);
  }

  /** Acknowledged, and its end was not heard of. */
  open(): LedgerEntry[] {
    return this.all("acked").filter((entry) => entry.outcome === null);
  }

  /** The run has ended; a different earlier end is a contradiction. */
  ended(key: string, status: MessageStatus, text: string | null): void {
    const entry = this.entries.get(key);
    if (!entry) return;
    const known = entry.outcome;
    if (known && known.status !== status) this.reportViolation(`${key}: ended ${known.status}, then ${status}`);
    if (known && known.text !== null && text !== null && known.text !== text)
      this.reportViolation(`${key}: answered ${JSON.stringify(known.text)}, then ${JSON.stringify(text)}`);
    if (!known || known.text === null) entry.outcome = { status, text };
  }

  /** A fresh start; the faults stay. */
  clear(): void {
    this.entries.clear();
  }
}
