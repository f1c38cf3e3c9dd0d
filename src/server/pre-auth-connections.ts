import type { Clock } from "../core/clock.ts";
import { LIMITS } from "../core/limits.ts";

/** A socket that has proved nothing yet. */
export type PreAuthConnection = {
  /** The same for all sockets of one peer. */
  peer: string;
  deadlineMs: number;
  /** Waits for an answer of the gateway: dropped only when no other can be. */
  awaitingAnswer: boolean;
  /** Called when its time is over or its place is needed. */
  drop(why: "timeout" | "evicted"): void;
};

/**
 * Places for sockets without a proven credential. When they are taken the oldest silent one goes, so that a newcomer with a
 * valid credential always gets in, however many sockets someone holds open.
 */
export class PreAuthPool {
  /** In the order of arrival. */
  readonly #deadlines = new Map<PreAuthConnection, number>();
  readonly #perPeer = new Map<string, Set<PreAuthConnection>>();
  readonly #clock: Clock;
  readonly #onDropped: (why: "timeout" | "evicted") => void;
  #cancelSweep: (() => void) | null = null;

  constructor(clock: Clock, dropped: (why: "timeout" | "evicted") => void) {
    this.#clock = clock;
    this.#onDropped = dropped;
  }

  get size(): number {
    return this.#deadlines.size;
  }

  add(connection: PreAuthConnection): void {
    const peers = this.#perPeer.get(connection.peer) ?? new Set();
    this.#perPeer.set(connection.peer, peers);
    peers.add(connection);
    this.#deadlines.set(connection, this.#clock.monotonic() + connection.deadlineMs);
    if (peers.size > LIMITS.preAuthConnectionsPerPeer) this.#dropOldest(peers, connection);
    else if (this.#deadlines.size > LIMITS.preAuthConnections) this.#dropOldest(this.#deadlines.keys(), connection);
    this.#cancelSweep ??= this.#clock.after(1_000, () => this.#sweep());
  }

  /** It waits for an answer of ours from now on: its place is the last to be taken, and its deadline that of the answer. */
  markAwaitingAnswer(connection: PreAuthConnection): void {
    connection.awaitingAnswer = true;
    if (this.#deadlines.has(connection)) this.#deadlines.set(connection, this.#clock.monotonic() + LIMITS.preAuthAnswerMs);
  }

  /** It has proved who it is, or it has gone. */
  remove(connection: PreAuthConnection): void {
    if (!this.#deadlines.delete(connection)) return;
    const peers = this.#perPeer.get(connection.peer)!;
    peers.delete(connection);
    if (peers.size === 0) this.#perPeer.delete(connection.peer);
    if (this.#deadlines.size === 0 && this.#cancelSweep) {
      this.#cancelSweep();
      this.#cancelSweep = null;
    }
  }

  /** Ends all of them, e.g. because the server stops. */
  dropAll(): void {
    for (const connection of this.#deadlines.keys()) this.#drop(connection, "evicted");
  }

  #dropOldest(candidates: Iterable<PreAuthConnection>, newcomer: PreAuthConnection): void {
    let oldestBusy: PreAuthConnection | null = null;
    for (const connection of candidates) {
      if (connection === newcomer) continue;
      if (!connection.awaitingAnswer) return this.#drop(connection, "evicted");
      oldestBusy ??= connection;
    }
    if (oldestBusy) this.#drop(oldestBusy, "evicted");
  }

  #drop(connection: PreAuthConnection, why: "timeout" | "evicted"): void {
    this.remove(connection);
    this.#onDropped(why);
    connection.drop(why);
  }

  /** Once a second while there is someone to watch. */
  #sweep(): void {
    this.#cancelSweep = null;
    const now = this.#clock.monotonic();
    for (const [connection, deadline] of this.#deadlines) if (deadline <= now) this.#drop(connection, "timeout");
    if (this.#deadlines.size > 0) this.#cancelSweep ??= this.#clock.after(1_000, () => this.#sweep());
  }
}
