import type { ReplyTarget, SendResult } from "../channels/channel.ts";
import type { Clock } from "../core/clock.ts";
import { LIMITS } from "../core/limits.ts";
import { conversationOf } from "./outbound.ts";

/** Which conversations and accounts have to wait, and until when (monotonic): what a platform asked for, and the back-off of failed sends. */
export class SendPauses {
  readonly #clock: Clock;
  readonly #until = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether nothing may be sent there now. */
  isPaused(target: ReplyTarget): boolean {
    return this.endOf(target) > this.#clock.monotonic();
  }

  /** Pauses a conversation, or the whole account, when the platform asks to wait. */
  applyRateLimit(target: ReplyTarget, result: SendResult): void {
    if (result.state !== "refused" || result.retryAfterMs === undefined) return;
    const key = result.pauses === "account" ? accountKey(target) : conversationOf(target);
    this.pauseFor(key, Math.min(Math.max(result.retryAfterMs, 0), LIMITS.rateLimitPauseMaxMs));
  }

  /** Pauses a conversation, or an account. A longer pause that it has already stays. */
  pauseFor(key: string, ms: number): void {
    const at = this.#clock.monotonic() + ms;
    if ((this.#until.get(key) ?? 0) < at) this.#until.set(key, at);
  }

  /** When the last pause of a target ends; 0 when there is none. */
  endOf(target: ReplyTarget): number {
    // The usual case costs nothing.
    if (this.#until.size === 0) return 0;
    const now = this.#clock.monotonic();
    let end = 0;
    for (const key of [conversationOf(target), accountKey(target)]) {
      const at = this.#until.get(key) ?? 0;
      if (at <= now) this.#until.delete(key);
      else end = Math.max(end, at);
    }
    return end;
  }
}

const accountKey = ({ channel, account }: ReplyTarget): string => `${channel}|${account}`;
