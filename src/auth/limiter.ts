import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { SignInRate } from "./credentials.ts";
import { loadSignInFailures, saveSignInFailures, type SignInFailureRow } from "../store/sign-in-failures.ts";
import type { Store } from "../store/open.ts";

/** Kinds of credentials; each is counted separately. */
export type CredentialKind = "token" | "password" | "device-token" | "link" | "signature" | "proxy";

/** Key of the count of all peers; not a valid address. */
const ALL_PEERS = "*";

/** Delay before failures are written to disk, so that a burst is one write. */
const SAVE_MS = 1_000;

const DEFAULT_RATE: SignInRate = {
  maxAttempts: LIMITS.signInFailures,
  windowMs: LIMITS.signInWindowMs,
  lockoutMs: LIMITS.signInLockMs,
};

/** One key per attacker: an IPv6 host owns its whole /64, and every loopback address is the same machine. */
export function peerKey(address: string): string {
  const plain = address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
  if (plain === "::1" || plain.startsWith("127.")) return "loopback";
  if (!plain.includes(":")) return plain;
  const [left = "", right] = plain.split("%")[0]!.split("::");
  const head = left === "" ? [] : left.split(":");
  const tail = right === undefined || right === "" ? [] : right.split(":");
  const filled = right === undefined ? head : [...head, ...Array<string>(Math.max(0, 8 - head.length - tail.length)).fill("0"), ...tail];
  return `${filled.slice(0, 4).join(":")}::/64`;
}

/**
 * Failures of every kind of credential on every interface, including loopback. It decides about lockouts; during one, the caller refuses
 * guessable credentials unchecked and still checks the others. A success does not reset the count: on a shared
 * machine a legitimate client would help an attacker.
 */
export class SignInLimiter {
  readonly #failures = new Map<string, SignInFailureRow>();
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #rate: () => SignInRate;
  #cancelSave: (() => void) | null = null;

  constructor(options: { store: Store; clock: Clock; log: Log; rate?: () => SignInRate | undefined }) {
    this.#rate = () => options.rate?.() ?? DEFAULT_RATE;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
    for (const row of loadSignInFailures(this.#store, this.#clock.now(), this.#rate().windowMs))
      this.#failures.set(`${row.kind} ${row.peer}`, row);
  }

  /** Milliseconds until a guessable credential of this kind is checked again; 0: now. */
  lockedMs(address: string, kind: CredentialKind): number {
    const now = this.#clock.now();
    return Math.max(this.#remainingMs(`${kind} ${peerKey(address)}`, now), this.#remainingMs(`${kind} ${ALL_PEERS}`, now));
  }

  /** Counts one failed check. Refusals without a check are not counted, so a lock always ends. */
  recordFailure(address: string, kind: CredentialKind): void {
    const now = this.#clock.now();
    const rate = this.#rate();
    this.#count(peerKey(address), kind, now, rate);
    this.#count(ALL_PEERS, kind, now, { ...rate, maxAttempts: LIMITS.signInFailuresTotal, lockoutMs: 0 });
    this.#cancelSave ??= this.#clock.after(SAVE_MS, () => void this.#save());
  }

  /** Writes pending changes. */
  flush(): void {
    if (!this.#cancelSave) return;
    this.#cancelSave();
    this.#cancelSave = null;
    const now = this.#clock.now();
    this.#store.writeNow(() => saveSignInFailures(this.#store, [...this.#failures.values()], now, this.#rate().windowMs));
  }

  /** A lockout never exceeds its configured time, even if the clock was set back since it began. */
  #remainingMs(key: string, now: number): number {
    const { lockoutMs, windowMs } = this.#rate();
    const longest = Math.max(lockoutMs, windowMs);
    return Math.min(longest, Math.max(0, (this.#failures.get(key)?.lockedUntil ?? 0) - now));
  }

  #count(peer: string, kind: CredentialKind, now: number, { maxAttempts, windowMs, lockoutMs }: SignInRate): void {
    const key = `${kind} ${peer}`;
    let row = this.#failures.get(key);
    const past = row !== undefined && now - row.windowStart >= windowMs && row.lockedUntil <= now;
    if (!row || past || row.windowStart > now) {
      row = { peer, kind, failures: 0, windowStart: now, lockedUntil: 0 };
    }
    row.failures++;
    // Without a configured lockout time, the lockout lasts for the rest of the window.
    if (row.failures >= maxAttempts) row.lockedUntil = lockoutMs > 0 ? now + lockoutMs : row.windowStart + windowMs;
    this.#failures.delete(key);
    this.#failures.set(key, row);
    if (this.#failures.size > LIMITS.signInPeers) this.#failures.delete(this.#failures.keys().next().value!);
  }

  async #save(): Promise<void> {
    this.#cancelSave = null;
    const now = this.#clock.now();
    const rows = [...this.#failures.values()];
    try {
      await this.#store.write(() => saveSignInFailures(this.#store, rows, now, this.#rate().windowMs));
    } catch (err) {
      this.#log.warn("failed sign-ins were not stored; a restart resets them", { cause: reasonOf(err) });
    }
  }
}
