import type { Clock } from "../../core/clock.ts";
import { LIMITS } from "../../core/limits.ts";

/** A crash and the session files that were in use. */
type Crash = { at: number; files: readonly string[] };

/**
 * The crashes of the last minute. A crash while one session was in use is that session's own; with several it can be any of them,
 * and with none it concerns all.
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

  /** Crashes that concern everybody: each session that was alone counts once. */
  get count(): number {
    const crashes = this.#recent();
    const alone = new Set(crashes.flatMap(({ files }) => (files.length === 1 ? files : [])));
    return alone.size + crashes.filter(({ files }) => files.length !== 1).length;
  }

  /** Too many: nothing is started for a while. */
  get isOpen(): boolean {
    return this.count >= LIMITS.piCrashes;
  }
}
