import type { Auth } from "../auth/open.ts";
import type { Verified } from "../auth/authenticator.ts";
import type { Clock } from "../core/clock.ts";
import { contain } from "../core/contain.ts";
import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";

/** Something that lives by a credential: a WebSocket after its handshake, or a running HTTP request. */
type Holder = { verified: Verified; end: () => void };

/**
 * Ends connections and running requests whose credential has ended. It asks `Auth.isStillValid` for every one of them whenever
 * something has changed, and by a timer at the nearest expiry.
 */
export class CredentialWatch {
  readonly #holders = new Set<Holder>();
  readonly #deps: { auth: Pick<Auth, "isStillValid">; clock: Clock; log: Log };
  #next: { at: number; cancel: () => void } | null = null;

  constructor(deps: { auth: Pick<Auth, "isStillValid">; clock: Clock; log: Log }) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#holders.size;
  }

  /**
   * Watches one. Returns how to stop watching, or null when the credential has ended since it was checked; `end` is called once, when
   * it ends later.
   */
  add(verified: Verified, end: () => void): (() => void) | null {
    if (!this.#deps.auth.isStillValid(verified.basis)) return null;
    const holder: Holder = { verified, end };
    this.#holders.add(holder);
    const expiresAt = expiryOf(verified);
    if (expiresAt !== null) this.#scheduleRecheck(expiresAt);
    return () => void this.#holders.delete(holder);
  }

  /** Ends everything whose credential would not be accepted any more. Returns how many. */
  recheck(): number {
    let ended = 0;
    for (const holder of this.#holders) {
      if (this.#deps.auth.isStillValid(holder.verified.basis)) continue;
      this.#holders.delete(holder);
      holder.end();
      ended++;
    }
    return ended;
  }

  stop(): void {
    this.#next?.cancel();
    this.#next = null;
  }

  #scheduleRecheck(at: number): void {
    if (this.#next && this.#next.at <= at) return;
    this.#next?.cancel();
    // Expiry is wall time, which may jump: a far one is looked at again on the way.
    const delayMs = Math.min(Math.max(0, at - this.#deps.clock.now()), LIMITS.credentialCheckMs);
    const failed = (err: unknown): void => this.#deps.log.error("ended credentials could not be looked for", { cause: reasonOf(err) });
    this.#next = {
      at,
      cancel: this.#deps.clock.after(
        delayMs,
        contain(failed, () => this.#onExpiry()),
      ),
    };
  }

  #onExpiry(): void {
    this.#next = null;
    try {
      this.recheck();
    } finally {
      const now = this.#deps.clock.now();
      const nearest = [...this.#holders].map(({ verified }) => expiryOf(verified)).filter((at) => at !== null && at > now) as number[];
      if (nearest.length > 0) this.#scheduleRecheck(nearest.reduce((a, b) => Math.min(a, b)));
    }
  }
}

function expiryOf({ basis: { proof } }: Verified): number | null {
  return proof.kind === "service" ? proof.expiresAt : null;
}
