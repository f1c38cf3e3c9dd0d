import { LIMITS } from "../core/limits.ts";

type Kind = { windowStart: number; lines: number; bytes: number; suppressed: number };
/** Lines of one message that were not written in one window. */
export type Suppressed = { message: string; lines: number };

/** Messages that are told apart; the texts are constants of the code, so that there are few. Others share one budget. */
const OTHERS = "(others)";

/**
 * Limits how often one message is written: at most LIMITS.logKindLines lines and LIMITS.logKindBytes bytes in LIMITS.logKindWindowMs. What is
 * beyond it is counted, and the count is due with the first line after the window. No timer runs.
 */
export class LogRate {
  readonly #kinds = new Map<string, Kind>();
  /** The earliest end of a window with a count that is due. */
  #dueAt = Infinity;
  #total = 0;

  /** Lines that were not written, since the start. */
  get total(): number {
    return this.#total;
  }

  /** Whether a line may be written now; counts it. */
  admit(message: string, bytes: number, now: number): boolean {
    const kind = this.#kindOf(message, now);
    if (kind.lines < LIMITS.logKindLines && kind.bytes + bytes <= LIMITS.logKindBytes) {
      kind.lines++;
      kind.bytes += bytes;
      return true;
    }
    kind.suppressed++;
    this.#total++;
    this.#dueAt = Math.min(this.#dueAt, kind.windowStart + LIMITS.logKindWindowMs);
    return false;
  }

  /** The counts whose window has ended; all of them at the end of the log. */
  takeDue(now: number): Suppressed[] {
    if (now < this.#dueAt) return [];
    this.#dueAt = Infinity;
    const due: Suppressed[] = [];
    for (const [message, kind] of this.#kinds) {
      const end = kind.windowStart + LIMITS.logKindWindowMs;
      if (now < end) {
        if (kind.suppressed > 0) this.#dueAt = Math.min(this.#dueAt, end);
        continue;
      }
      if (kind.suppressed > 0) due.push({ message, lines: kind.suppressed });
      this.#kinds.delete(message);
    }
    return due;
  }

  /** Makes room: kinds whose window is over, and of which no count is due. */
  #forgetEnded(now: number): void {
    for (const [message, { windowStart, suppressed }] of this.#kinds)
      if (suppressed === 0 && now >= windowStart + LIMITS.logKindWindowMs) this.#kinds.delete(message);
  }

  #kindOf(message: string, now: number): Kind {
    if (this.#kinds.size >= LIMITS.logKinds) this.#forgetEnded(now);
    const name = this.#kinds.has(message) || this.#kinds.size < LIMITS.logKinds ? message : OTHERS;
    const known = this.#kinds.get(name);
    if (known && now < known.windowStart + LIMITS.logKindWindowMs && now >= known.windowStart) return known;
    const kind = { windowStart: now, lines: 0, bytes: 0, suppressed: known?.suppressed ?? 0 };
    this.#kinds.set(name, kind);
    return kind;
  }
}
