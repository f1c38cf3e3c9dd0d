import type { Clock } from "../../core/clock.ts";
import { LIMITS } from "../../core/limits.ts";

/** A crash and the session files that were in use. */
type Crash = { at: number; files: readonly string[] };

/**
 * The crashes of the last minute. A session that was in use at several of them explains these: together they count once. A crash at
 * which no session was in use concerns everyone.
 */
export class CrashLog {
  readonly #clock: Clock;
  #crashes: Crash[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  record(files: readonly string[]): void {
    this.#crashes.push({ at: this.#clock.monotonic(), files });
  }

  #recent(): Crash[] {
    const since = this.#clock.monotonic() - LIMITS.piCrashWindowMs;
    this.#crashes = this.#crashes.filter(({ at }) => at > since);
    return this.#crashes;
  }

  /** Crashes during which this session was in use. */
  countOf(file: string): number {
    return this.#recent().filter(({ files }) => files.includes(file)).length;
  }

  /** The smallest number of causes that the crashes can have. */
  get count(): number {
    let unexplained = this.#recent();
    let causes = unexplained.filter(({ files }) => files.length === 0).length;
    unexplained = unexplained.filter(({ files }) => files.length > 0);
    while (unexplained.length > 0) {
      const suspect = mostFrequent(unexplained.flatMap(({ files }) => files));
      unexplained = unexplained.filter(({ files }) => !files.includes(suspect));
      causes++;
    }
    return causes;
  }

  /** Too many: what is started now is an attempt. */
  get isOpen(): boolean {
    return this.count >= LIMITS.piCrashes;
  }

  /** For how long nothing is started, ms: while there are too many, a process is started a while after the last crash. */
  get pauseMs(): number {
    const last = this.#recent().at(-1);
    return last && this.isOpen ? Math.max(0, last.at + LIMITS.piPauseMs - this.#clock.monotonic()) : 0;
  }
}

function mostFrequent(files: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const file of files) counts.set(file, (counts.get(file) ?? 0) + 1);
  return [...counts].reduce((most, each) => (each[1] > most[1] ? each : most))[0];
}
