type Window = { startedAt: number; count: number };
const MINUTE_MS = 60_000;
const SECOND_MS = 1_000;

export type AttemptLimitSettings = {
  /** Requests of one peer in a minute that are not accepted; further ones have to wait. */
  failuresPerMinute: number;
  /** Proofs that are checked in a second for a peer that has reached that limit. */
  checksPerSecond: number;
  /** Peers whose failures are counted; the oldest is forgotten first. */
  peers: number;
};

/** What peers and the names that they call have used of their limits. Times are monotonic. */
export class AttemptLimits {
  readonly #settings: AttemptLimitSettings;
  readonly #failures = new Map<string, Window>();
  readonly #checks = new Map<string, Window>();
  readonly #deliveries = new Map<string, Window>();

  constructor(settings: AttemptLimitSettings) {
    this.#settings = settings;
  }

  /** A request of a peer was refused. Returns how long it has to wait; 0: not yet. */
  fail(peer: string, now: number): number {
    const count = this.#countIn(this.#failures, peer, { now, lengthMs: MINUTE_MS });
    return count > this.#settings.failuresPerMinute ? this.#restOf(this.#failures, peer, now) : 0;
  }

  /** Whether the token or signature of a request may be checked; a peer that failed too often has a few of them in each second. 0: it may. */
  check(peer: string, now: number): number {
    const failed = this.#failures.get(peer);
    if (!failed || failed.count < this.#settings.failuresPerMinute || now - failed.startedAt >= MINUTE_MS) return 0;
    const count = this.#countIn(this.#checks, peer, { now, lengthMs: SECOND_MS });
    return count > this.#settings.checksPerSecond ? this.#restOf(this.#failures, peer, now) : 0;
  }

  /** One more delivery under a name. 0: it is taken. */
  deliver(name: string, perMinute: number, now: number): number {
    return this.#countIn(this.#deliveries, name, { now, lengthMs: MINUTE_MS }) > perMinute ? this.#restOf(this.#deliveries, name, now) : 0;
  }

  #countIn(windows: Map<string, Window>, key: string, { now, lengthMs }: { now: number; lengthMs: number }): number {
    const known = windows.get(key);
    if (known && now - known.startedAt < lengthMs) return ++known.count;
    windows.delete(key);
    if (windows.size >= this.#settings.peers) windows.delete(windows.keys().next().value!);
    windows.set(key, { startedAt: now, count: 1 });
    return 1;
  }

  #restOf(windows: ReadonlyMap<string, Window>, key: string, now: number): number {
    return Math.max(1, (windows.get(key)?.startedAt ?? now) + MINUTE_MS - now);
  }
}
