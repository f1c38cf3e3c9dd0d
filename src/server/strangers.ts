import type { Clock } from "../core/clock.ts";
import { LIMITS } from "../core/limits.ts";

/** A socket that has proved nothing yet. */
export type Stranger = {
  /** The same for all sockets of one peer. */
  peer: string;
  deadlineMs: number;
  /** Waits for an answer of ours: dropped only when nobody else can be. */
  busy: boolean;
  /** Called when its time is over or its place is needed. */
  drop(why: "timeout" | "crowded"): void;
};

/**
 * Places for sockets without a proven credential. When they are taken the oldest silent one goes, so that a newcomer with a
 * valid credential always gets in, however many sockets somebody holds open.
 */
export class Strangers {
  /** In the order of arrival. */
  readonly #all = new Map<Stranger, number>();
  readonly #perPeer = new Map<string, Set<Stranger>>();
  readonly #clock: Clock;
  readonly #dropped: (why: "timeout" | "crowded") => void;
  #cancelSweep: (() => void) | null = null;

  constructor(clock: Clock, dropped: (why: "timeout" | "crowded") => void) {
    this.#clock = clock;
    this.#dropped = dropped;
  }

  get size(): number {
    return this.#all.size;
  }

  add(stranger: Stranger): void {
    const peers = this.#perPeer.get(stranger.peer) ?? new Set();
    this.#perPeer.set(stranger.peer, peers);
    peers.add(stranger);
    this.#all.set(stranger, this.#clock.monotonic() + stranger.deadlineMs);
    if (peers.size > LIMITS.strangersPerPeer) this.#dropOldest(peers, stranger);
    else if (this.#all.size > LIMITS.strangers) this.#dropOldest(this.#all.keys(), stranger);
    this.#cancelSweep ??= this.#clock.after(1_000, () => this.#sweep());
  }

  /** It waits for an answer of ours from now on: its place is the last to be taken, and its deadline that of the answer. */
  occupy(stranger: Stranger): void {
    stranger.busy = true;
    if (this.#all.has(stranger)) this.#all.set(stranger, this.#clock.monotonic() + LIMITS.preAuthAnswerMs);
  }

  /** It has proved who it is, or it has gone. */
  remove(stranger: Stranger): void {
    if (!this.#all.delete(stranger)) return;
    const peers = this.#perPeer.get(stranger.peer)!;
    peers.delete(stranger);
    if (peers.size === 0) this.#perPeer.delete(stranger.peer);
    if (this.#all.size === 0 && this.#cancelSweep) {
      this.#cancelSweep();
      this.#cancelSweep = null;
    }
  }

  /** Ends all of them, e.g. because the server stops. */
  dropAll(): void {
    for (const stranger of this.#all.keys()) this.#drop(stranger, "crowded");
  }

  #dropOldest(candidates: Iterable<Stranger>, newcomer: Stranger): void {
    let oldestBusy: Stranger | null = null;
    for (const stranger of candidates) {
      if (stranger === newcomer) continue;
      if (!stranger.busy) return this.#drop(stranger, "crowded");
      oldestBusy ??= stranger;
    }
    if (oldestBusy) this.#drop(oldestBusy, "crowded");
  }

  #drop(stranger: Stranger, why: "timeout" | "crowded"): void {
    this.remove(stranger);
    this.#dropped(why);
    stranger.drop(why);
  }

  /** Once a second while there is somebody to watch. */
  #sweep(): void {
    this.#cancelSweep = null;
    const now = this.#clock.monotonic();
    for (const [stranger, deadline] of this.#all) if (deadline <= now) this.#drop(stranger, "timeout");
    if (this.#all.size > 0) this.#cancelSweep ??= this.#clock.after(1_000, () => this.#sweep());
  }
}
