import type { ConnId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Metrics } from "../core/metrics.ts";
import { DISCONNECTS, type Disconnect } from "../protocol/disconnects.ts";
import { encodeBroadcast, encodeEvent } from "../protocol/frames.ts";
import type { Audience, Hub, Peer } from "../protocol/hub.ts";
import { Backlog } from "./backlog.ts";
import { textFrame, type WsSocket } from "./ws-socket.ts";

/** A connection after its handshake, as the hub needs it. */
export type HubClient = {
  readonly peer: Peer;
  readonly caps: ReadonlySet<string>;
  readonly socket: WsSocket;
  /** The client itself is a process of this machine; behind a proxy of this machine it is somewhere else. */
  readonly local: boolean;
  /** Sequence number of the last broadcast event. */
  seq: number;
  readonly topics: Set<string>;
  /** Scopes with what they include, so that a broadcast needs one look-up. */
  hasScope(scope: string): boolean;
};

/** Events below this size are one piece for each sequence number; larger ones are shared without it. */
const COPY_BYTES = 2_048;

/** An event as its recipients get it: they differ in the sequence number only. */
class EncodedEvent {
  readonly #head: string;
  readonly #tail: string;
  /** The part behind the sequence number, when it is large. */
  readonly #shared: Buffer | null;
  /** Whole frames by sequence number: clients that only wait have the same one. */
  readonly #frames = new Map<number, Buffer>();

  constructor({ head, tail }: { head: string; tail: string }) {
    this.#head = head;
    this.#tail = tail;
    this.#shared = tail.length > COPY_BYTES ? Buffer.from(tail) : null;
  }

  sendTo(member: HubClient, isAlone: boolean): void {
    const seq = ++member.seq;
    if (this.#shared) return member.socket.sendParts(`${this.#head}${seq}`, this.#shared);
    let frame = this.#frames.get(seq);
    if (!frame) {
      frame = textFrame(`${this.#head}${seq}${this.#tail}`);
      this.#frames.set(seq, frame);
    }
    member.socket.sendFrame(frame, isAlone);
  }
}

/** Who is connected and who watches what. A payload is encoded once; per client only the sequence number is spliced in. */
export class ClientHub implements Hub {
  readonly #clients = new Map<ConnId, HubClient>();
  readonly #topics = new Map<string, Set<HubClient>>();
  readonly #metrics: Metrics;
  /** What waits to be read, of all. */
  readonly backlog: Backlog;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    this.backlog = new Backlog(metrics);
    metrics.sample("gateway_server_clients", () => this.#clients.size);
  }

  get size(): number {
    return this.#clients.size;
  }

  add(member: HubClient): void {
    this.#clients.set(member.peer.conn, member);
  }

  remove(conn: ConnId): void {
    const member = this.#clients.get(conn);
    if (!member) return;
    this.#clients.delete(conn);
    for (const topic of member.topics) this.#removeFromTopic(member, topic);
    member.topics.clear();
  }

  publish(event: string, payload: unknown, audience: Audience): void {
    let encoded: EncodedEvent | null = null;
    let delivered = 0;
    let dropped = 0;
    for (const member of this.#candidates(audience.topics)) {
      if (member.peer.conn === audience.except || !this.#isRecipient(member, event, audience)) continue;
      const waiting = member.socket.waitingBytes;
      if (audience.droppable && waiting > LIMITS.clientBufferBytes / 2) {
        dropped++;
        continue;
      }
      encoded ??= new EncodedEvent(encodeBroadcast(event, payload, audience.stateVersion));
      encoded.sendTo(member, audience.alone === true);
      delivered++;
      this.enforceBufferLimit(member.socket);
    }
    if (delivered > 0) this.#metrics.count("gateway_server_events_total", { event }, delivered);
    if (dropped > 0) this.#metrics.count("gateway_server_events_dropped_total", { event }, dropped);
  }

  send(conn: ConnId, event: string, payload: unknown): void {
    const member = this.#clients.get(conn);
    if (!member) return;
    member.socket.sendText(encodeEvent(event, payload));
    this.enforceBufferLimit(member.socket);
  }

  /** A broadcast event, with `seq`, to one connection only. */
  publishTo(conn: ConnId, event: string, payload: unknown, stateVersion: { presence: number; health: number }): void {
    const member = this.#clients.get(conn);
    if (!member) return;
    const { head, tail } = encodeBroadcast(event, payload, stateVersion);
    member.socket.sendText(`${head}${++member.seq}${tail}`);
    this.enforceBufferLimit(member.socket);
  }

  watch(conn: ConnId, topic: string): void {
    const member = this.#clients.get(conn);
    if (!member || member.topics.has(topic)) return;
    if (member.topics.size >= LIMITS.clientTopics) this.unwatch(conn, member.topics.values().next().value!);
    member.topics.add(topic);
    const watchers = this.#topics.get(topic) ?? new Set();
    this.#topics.set(topic, watchers);
    watchers.add(member);
  }

  unwatch(conn: ConnId, topic: string): void {
    const member = this.#clients.get(conn);
    if (member?.topics.delete(topic)) this.#removeFromTopic(member, topic);
  }

  watches(conn: ConnId, topic: string): boolean {
    return this.#clients.get(conn)?.topics.has(topic) ?? false;
  }

  isWatched(topics: readonly string[]): boolean {
    return topics.some((topic) => this.#topics.has(topic));
  }

  close(match: (peer: Peer) => boolean, why: Disconnect): number {
    let closed = 0;
    for (const member of this.#clients.values()) {
      if (!match(member.peer)) continue;
      member.socket.close(why);
      closed++;
    }
    return closed;
  }

  peers(): readonly Peer[] {
    return Array.from(this.#clients.values(), (member) => member.peer);
  }

  /**
   * Pings the clients on other machines and cuts those that gave no sign of life since the last time. On this machine the
   * system itself tells when the other end is gone.
   */
  pingRemote(): void {
    for (const { socket, local } of this.#clients.values()) {
      if (local) continue;
      if (socket.isAlive) socket.ping();
      else socket.destroy();
    }
  }

  /** Ends a client that does not read what it asked for: by its own limit, or because it holds the most of what all may hold. */
  enforceBufferLimit(socket: WsSocket): void {
    if (socket.waitingBytes > LIMITS.clientBufferBytes && socket.isOpen) {
      this.#metrics.count("gateway_server_slow_clients_ended_total", { limit: "client" });
      socket.close(DISCONNECTS.slowConsumer);
    }
    this.backlog.update(socket);
  }

  #isRecipient(member: HubClient, event: string, audience: Audience): boolean {
    // Another gateway learns nothing of what happens here; the tick tells it that the connection lives.
    if (member.peer.role === "peer" && event !== "tick") return false;
    if (audience.scope !== undefined && !member.hasScope(audience.scope)) return false;
    return audience.cap === undefined || member.caps.has(audience.cap);
  }

  /** Each connection once, even when it watches several of the topics. */
  #candidates(topics: readonly string[] | undefined): Iterable<HubClient> {
    if (topics === undefined) return this.#clients.values();
    if (topics.length === 1) return this.#topics.get(topics[0]!) ?? [];
    const union = new Set<HubClient>();
    for (const topic of topics) for (const member of this.#topics.get(topic) ?? []) union.add(member);
    return union;
  }

  #removeFromTopic(member: HubClient, topic: string): void {
    const watchers = this.#topics.get(topic);
    watchers?.delete(member);
    if (watchers?.size === 0) this.#topics.delete(topic);
  }
}
