import type { Socket } from "node:net";
import type { Clock } from "../core/clock.ts";
import { LIMITS } from "../core/limits.ts";

/**
 * What a socket is right now. `pre-auth`: nothing was proved; its deadline is that of the pre-auth pool. `exchange`: a request with a
 * good credential runs; it ends when its answer is not read for too long. `client`: a WebSocket after its handshake, watched by
 * pings. `closing`: our last word was sent; it is destroyed after a grace, whatever the peer does.
 */
export type SocketState = "pre-auth" | "exchange" | "client" | "closing";

const STATES = ["pre-auth", "exchange", "client", "closing"] as const;

type Entry = { state: SocketState; since: number; flushed: number };

/** Every accepted socket, from its arrival until it is destroyed, in exactly one state. None is without a deadline. */
export class SocketTable {
  readonly #entries = new Map<Socket, Entry>();
  /** In the order in which they began to close. */
  readonly #closing = new Set<Socket>();
  /** Those of them that had proved nothing: anyone can make them, so their number is bounded. */
  readonly #closingPreAuth = new Set<Socket>();
  readonly #counts: Record<SocketState, number> = { "pre-auth": 0, exchange: 0, client: 0, closing: 0 };
  readonly #clock: Clock;
  readonly #onDestroyed: (why: "closing" | "evicted" | "stalled") => void;
  #cancelClosing: (() => void) | null = null;
  #cancelStalled: (() => void) | null = null;

  /** `ended` is called with the reason when the table destroys a socket. */
  constructor(clock: Clock, ended: (why: "closing" | "evicted" | "stalled") => void) {
    this.#clock = clock;
    this.#onDestroyed = ended;
  }

  get size(): number {
    return this.#entries.size;
  }

  counts(): { labels: { state: SocketState }; value: number }[] {
    return STATES.map((state) => ({ labels: { state }, value: this.#counts[state] }));
  }

  stateOf(socket: Socket): SocketState | null {
    return this.#entries.get(socket)?.state ?? null;
  }

  /** Takes a socket that was just accepted. It leaves by being destroyed, and in no other way. */
  accept(socket: Socket): void {
    this.#entries.set(socket, { state: "pre-auth", since: this.#clock.monotonic(), flushed: 0 });
    this.#counts["pre-auth"]++;
    socket.on("close", () => this.#forget(socket));
  }

  /** Nothing leads out of `closing`. */
  setState(socket: Socket, state: SocketState): void {
    const entry = this.#entries.get(socket);
    if (!entry || entry.state === state || entry.state === "closing") return;
    if (state === "closing" && entry.state === "pre-auth") this.#closingPreAuth.add(socket);
    this.#counts[entry.state]--;
    this.#counts[state]++;
    entry.state = state;
    entry.since = this.#clock.monotonic();
    entry.flushed = flushedBytes(socket);
    if (state === "closing") this.#close(socket);
    if (state === "exchange") this.#cancelStalled ??= this.#clock.after(LIMITS.unreadAnswerMs / 4, () => this.#sweepStalled());
  }

  /** Our last word is written: what the peer does not take within the grace is lost, and the socket with it. */
  close(socket: Socket): void {
    this.setState(socket, "closing");
  }

  #close(socket: Socket): void {
    this.#closing.add(socket);
    if (this.#closingPreAuth.size > LIMITS.closingSockets) this.#destroy(this.#closingPreAuth.values().next().value!, "evicted");
    this.#cancelClosing ??= this.#clock.after(LIMITS.socketCloseMs, () => this.#sweepClosing());
  }

  #sweepClosing(): void {
    this.#cancelClosing = null;
    const now = this.#clock.monotonic();
    for (const socket of this.#closing) {
      const leftMs = this.#entries.get(socket)!.since + LIMITS.socketCloseMs - now;
      if (leftMs > 0) {
        this.#cancelClosing = this.#clock.after(leftMs, () => this.#sweepClosing());
        return;
      }
      this.#destroy(socket, "closing");
    }
  }

  /** Ends requests whose answer waits and has not moved for the whole time: the peer does not read, or is gone without closing. */
  #sweepStalled(): void {
    this.#cancelStalled = null;
    if (this.#counts.exchange === 0) return;
    const now = this.#clock.monotonic();
    for (const [socket, entry] of this.#entries) {
      if (entry.state !== "exchange") continue;
      const flushed = flushedBytes(socket);
      if (socket.writableLength === 0 || flushed !== entry.flushed) {
        entry.since = now;
        entry.flushed = flushed;
      } else if (now - entry.since >= LIMITS.unreadAnswerMs) this.#destroy(socket, "stalled");
    }
    this.#cancelStalled = this.#clock.after(LIMITS.unreadAnswerMs / 4, () => this.#sweepStalled());
  }

  #destroy(socket: Socket, why: "closing" | "evicted" | "stalled"): void {
    this.#forget(socket);
    this.#onDestroyed(why);
    socket.destroy();
  }

  #forget(socket: Socket): void {
    const entry = this.#entries.get(socket);
    if (!entry) return;
    this.#entries.delete(socket);
    this.#closing.delete(socket);
    this.#closingPreAuth.delete(socket);
    this.#counts[entry.state]--;
    if (this.#closing.size === 0) {
      this.#cancelClosing?.();
      this.#cancelClosing = null;
    }
    if (this.#counts.exchange === 0) {
      this.#cancelStalled?.();
      this.#cancelStalled = null;
    }
  }
}

/** Bytes that have left for the peer. */
const flushedBytes = (socket: Socket): number => socket.bytesWritten - socket.writableLength;
