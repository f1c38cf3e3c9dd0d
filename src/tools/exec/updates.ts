import type { Clock } from "../../core/clock.ts";
import { TOOL_LIMITS } from "../limits.ts";

/** Shows output at most every `updateMs`: at once after a pause, otherwise when the interval is over. */
export class Updates {
  readonly #clock: Pick<Clock, "after" | "monotonic">;
  readonly #show: () => void;
  #lastAt = -Infinity;
  #cancel: (() => void) | null = null;
  #isClosed = false;

  constructor(clock: Pick<Clock, "after" | "monotonic">, show: () => void) {
    this.#clock = clock;
    this.#show = show;
  }

  schedule(): void {
    if (this.#cancel !== null || this.#isClosed) return;
    const wait = this.#lastAt + TOOL_LIMITS.updateMs - this.#clock.monotonic();
    if (wait <= 0) this.#send();
    else this.#cancel = this.#clock.after(wait, () => this.#send());
  }

  /** Nothing is shown any more. */
  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }

  #send(): void {
    this.#cancel = null;
    this.#lastAt = this.#clock.monotonic();
    this.#show();
  }
}
