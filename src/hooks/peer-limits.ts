import { HOOK_LIMITS } from "./limits.ts";

type Window = { startedAt: number; count: number };
const MINUTE_MS = 60_000;
const SECOND_MS = 1_000;

function countIn(windows: Map<string, Window>, key: string, { now, lengthMs }: { now: number; lengthMs: number }): number {
  const known = windows.get(key);
  if (known && now - known.startedAt < lengthMs) return ++known.count;
  windows.delete(key);
  if (windows.size >= HOOK_LIMITS.peers) windows.delete(windows.keys().next().value!);
  windows.set(key, { startedAt: now, count: 1 });
  return 1;
}

/** What peers and hooks have used of their limits. Times are monotonic. */
export class PeerLimits {
  readonly #failures = new Map<string, Window>();
  readonly #checks = new Map<string, Window>();
  readonly #deliveries = new Map<string, Window>();

  /** A request of a peer was refused. Returns how long it has to wait; 0: not yet. */
  fail(peer: string, now: number): number {
    const count = countIn(this.#failures, peer, { now, lengthMs: MINUTE_MS });
    return count > HOOK_LIMITS.failuresPerMinute ? this.#restOf(this.#failures, peer, now) : 0;
  }

  /** Whether the token or signature of a request may be checked; a peer that failed too often has a few of them in each second. 0: it may. */
  check(peer: string, now: number): number {
    const failed = this.#failures.get(peer);
    if (!failed || failed.count < HOOK_LIMITS.failuresPerMinute || now - failed.startedAt >= MINUTE_MS) return 0;
    const count = countIn(this.#checks, peer, { now, lengthMs: SECOND_MS });
    return count > HOOK_LIMITS.checksPerSecond ? this.#restOf(this.#failures, peer, now) : 0;
  }

  /** One more delivery of a hook. 0: it is taken. */
  deliver(hook: string, perMinute: number, now: number): number {
    return countIn(this.#deliveries, hook, { now, lengthMs: MINUTE_MS }) > perMinute ? this.#restOf(this.#deliveries, hook, now) : 0;
  }

  #restOf(windows: ReadonlyMap<string, Window>, key: string, now: number): number {
    return Math.max(1, (windows.get(key)?.startedAt ?? now) + MINUTE_MS - now);
  }
}
