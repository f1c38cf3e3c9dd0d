import type { Clock } from "../../core/clock.ts";
import { LIMITS } from "../../core/limits.ts";
import type { PiRecord } from "./process.ts";

/** Timeouts for silence of a model, before and after its first output. */
export type ModelTimeouts = { firstTokenMs: number; idleMs: number };

export type ModelWatchdogOptions = {
  clock: Clock;
  limits: ModelTimeouts;
  /** Reports how long the model has been silent; repeated while it lasts. */
  onWaiting: (forMs: number) => void;
  /** The timeout is reached; called once. */
  onTimeout: (forMs: number) => void;
};

/** Detects a model that does not answer. Tool runs and granted delays do not count. */
export class ModelWatchdog {
  readonly #options: ModelWatchdogOptions;
  readonly #tools = new Set<string>();
  #last: number;
  #noted: number;
  #isStreaming = false;
  #isCompacting = false;
  #cancel: (() => void) | null = null;

  constructor(options: ModelWatchdogOptions) {
    this.#options = options;
    this.#last = options.clock.monotonic();
    this.#noted = this.#last;
  }

  start(): void {
    this.#touch();
    this.#arm();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  /** No output is expected for this time. */
  pause(forMs: number): void {
    this.#touch(forMs);
  }

  onRecord(record: PiRecord): void {
    this.#touch();
    switch (record.type) {
      case "message_update":
        this.#isStreaming = true;
        return;
      case "tool_execution_start":
        this.#tools.add(String(record["toolCallId"]));
        return;
      case "tool_execution_end":
        this.#tools.delete(String(record["toolCallId"]));
        this.#isStreaming = false;
        return;
      case "auto_retry_start":
        this.#isStreaming = false;
        if (typeof record["delayMs"] === "number") this.pause(record["delayMs"]);
        return;
      case "turn_start":
      case "message_end":
        this.#isStreaming = false;
        return;
      case "compaction_start":
      case "compaction_end":
        this.#isCompacting = record.type === "compaction_start";
        this.#isStreaming = false;
    }
  }

  #touch(aheadMs = 0): void {
    this.#last = this.#options.clock.monotonic() + aheadMs;
    this.#noted = this.#last;
  }

  get #limitMs(): number {
    const { firstTokenMs, idleMs } = this.#options.limits;
    if (this.#isCompacting) return Math.max(LIMITS.piCompactMs, firstTokenMs);
    return this.#isStreaming ? idleMs : firstTokenMs;
  }

  #arm(): void {
    const { clock } = this.#options;
    const due = Math.min(this.#last + this.#limitMs, this.#noted + LIMITS.waitEventMs);
    this.#cancel = clock.after(Math.max(due - clock.monotonic(), 0), () => this.#check());
  }

  #check(): void {
    const now = this.#options.clock.monotonic();
    if (this.#tools.size > 0) this.#touch();
    else if (now - this.#last >= this.#limitMs) return this.#options.onTimeout(now - this.#last);
    else if (now - this.#noted >= LIMITS.waitEventMs) {
      this.#noted = now;
      this.#options.onWaiting(Math.round(now - this.#last));
    }
    this.#arm();
  }
}
