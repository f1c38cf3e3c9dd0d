import { GatewayError, detailError, reasonOf } from "../core/errors.ts";
import { seal, toAck, type Envelope, type Packet } from "./envelope.ts";
import type { LinkAnswer, LinkConnection, OutgoingRow, PeerOutcome, PeersContext, StoredEnvelope, UnaddressedEnvelope } from "./context.ts";
import { PEER_LIMITS } from "./limits.ts";
import { openPacket } from "./open-packet.ts";

export type OutgoingDeps = PeersContext & {
  /** The connection over which a link is used now. */
  connectionOf: (name: string) => LinkConnection | null;
  /** A request has ended: what waits for it has to look. */
  onEnded: () => void;
  /** A connection does not do what it should. */
  onFault: (name: string, cause: string) => void;
};

type Sent = "done" | "later" | "lost";

/** A timer is asked again at least this often: the wall clock may jump. */
const TIMER_MS = 3_600_000;

/**
 * What waits for other gateways: on disk before anyone relies on it, sent in order, one message at a time for each link, until the other
 * gateway says that it has stored it, or its time is over.
 */
export class Outgoing {
  readonly #deps: OutgoingDeps;
  readonly #draining = new Set<string>();
  readonly #again = new Set<string>();
  readonly #retries = new Map<string, () => void>();
  readonly #waiters = new Map<string, Set<() => void>>();
  #expiryTimer: (() => void) | null = null;
  #isStopped = false;

  constructor(deps: OutgoingDeps) {
    this.#deps = deps;
  }

  stop(): void {
    this.#isStopped = true;
    this.#expiryTimer?.();
    for (const cancel of this.#retries.values()) cancel();
    this.#retries.clear();
  }

  /** Adds a request to the queue of a link, once for each id; inside a `store.write`. Throws when it cannot wait there. */
  addRequest(peer: string, envelope: Extract<StoredEnvelope, { kind: "request" }>): void {
    const { rows, settings, clock } = this.#deps;
    if (rows.outgoing(envelope.id) !== undefined) return;
    const max = settings(peer)?.maxQueued ?? 0;
    const queue = rows.queues().find((each) => each.peer === peer);
    if (queue && queue.queued + queue.unanswered >= max)
      throw detailError("PEER_QUEUE_FULL", `${max} messages wait for the link to ${peer} already`, {
        retryAfterMs: PEER_LIMITS.dialMaxMs,
        fix: `See what is wrong with the link: openclaw peers test ${peer}`,
      });
    const { id, kind, expiresAt } = envelope;
    rows.addOutgoing({ peer, id, kind, envelope, createdAt: clock.now(), expiresAt });
  }

  /** Adds a reply; inside a `store.write`. */
  addReply(peer: string, envelope: Extract<StoredEnvelope, { kind: "reply" }>): void {
    const { rows, clock } = this.#deps;
    const { id, kind, expiresAt } = envelope;
    rows.addOutgoing({ peer, id, kind, envelope, createdAt: clock.now(), expiresAt });
  }

  /** Rows were added, or a connection is there. */
  wake(peer: string): void {
    if (this.#isStopped) return;
    this.#setExpiryTimer();
    if (this.#draining.has(peer)) return void this.#again.add(peer);
    this.#draining.add(peer);
    this.#drain(peer)
      .catch((err: unknown) => {
        if (this.#isStopped) return;
        this.#deps.log.warn("messages for another gateway could not be sent; it is tried again", { peer, cause: reasonOf(err) });
        this.#retryLater(peer);
      })
      .finally(() => {
        this.#draining.delete(peer);
        if (this.#again.delete(peer)) this.wake(peer);
      });
  }

  /** How a request ended; null: it has not. */
  outcomeOf(id: string): PeerOutcome | null {
    const row = this.#deps.rows.outgoing(id);
    if (row === undefined) return { status: "bounced", text: "", reason: "the message is not in the store any more" };
    return row.endedAt === null ? null : row.outcome;
  }

  /** Resolves when the request has ended, or when the signal aborts: then to null. */
  async waitFor(id: string, signal: AbortSignal): Promise<PeerOutcome | null> {
    for (;;) {
      const outcome = this.outcomeOf(id);
      if (outcome !== null) return outcome;
      if (signal.aborted) return null;
      await this.#nextChange(id, signal);
    }
  }

  /** Ends a request before it was answered. Does nothing for one that has ended, and while the gateway stops: it goes on with the next start. */
  async cancel(id: string, outcome: PeerOutcome): Promise<void> {
    if (this.#isStopped) return;
    await this.#end([id], () => outcome);
  }

  /** Ends everything that waits for a link. */
  async bounceAll(peer: string, reason: string): Promise<number> {
    const ids = this.#deps.rows.openOutgoing(peer).map(({ id }) => id);
    await this.#end(ids, () => ({ status: "bounced", text: "", reason }));
    return ids.length;
  }

  /** A reply has come; inside a `store.write`. False: its request had ended, or is not one to this link. */
  answer(peer: string, replyTo: string, outcome: PeerOutcome): boolean {
    const { rows, clock } = this.#deps;
    const row = rows.outgoing(replyTo);
    if (row?.peer !== peer || row.kind !== "request") return false;
    return rows.endOutgoing(replyTo, outcome.status === "bounced" ? "bounced" : "answered", outcome, clock.now());
  }

  /** Tells those who wait for a request. */
  settled(id: string): void {
    for (const wake of this.#waiters.get(id) ?? []) wake();
    this.#deps.onEnded();
  }

  /** Sends an envelope over a connection and resolves to its acknowledgement, which the other gateway has signed. */
  async exchange(peer: string, connection: LinkConnection, envelope: UnaddressedEnvelope): Promise<LinkAnswer> {
    if (connection.deliver !== undefined) return await connection.deliver(envelope);
    const { own, keyOf } = this.#deps;
    const key = keyOf(peer);
    if (key === null) throw new GatewayError("UNAVAILABLE", `the link to ${peer} is not paired`);
    const identity = own.of(peer);
    // A request that was stored under an earlier key is sent by the gateway as it is now.
    const way = envelope.kind === "request" ? { path: [...envelope.path.slice(0, -1), identity.id] } : {};
    const whole: Envelope = { v: 1, from: identity.id, to: key.keyId, ...envelope, ...way } as Envelope;
    const answer: unknown = await connection.send(seal(identity, whole) satisfies Packet);
    const ack = toAck(openPacket(this.#deps, peer, answer)?.content ?? {}, envelope.id);
    if (ack === null) throw new GatewayError("UNAVAILABLE", "the acknowledgement was not signed by the other gateway");
    return ack;
  }

  async #drain(peer: string): Promise<void> {
    const { rows, clock, connectionOf } = this.#deps;
    // The handshake of a new connection is answered before anything is sent over it.
    await Promise.resolve();
    while (!this.#isStopped) {
      const connection = connectionOf(peer);
      const row = connection && rows.nextOutgoing(peer);
      if (!row) return;
      if (row.expiresAt <= clock.now()) {
        await this.#expire();
        continue;
      }
      const sent = await this.#send(peer, connection, row);
      if (sent === "later") return this.#retryLater(peer);
      if (sent === "lost") return connection.close();
    }
  }

  async #send(peer: string, connection: LinkConnection, row: OutgoingRow): Promise<Sent> {
    const { rows, store, clock, crashPoint, metrics, onFault } = this.#deps;
    let ack: LinkAnswer;
    try {
      crashPoint("peer-sending");
      ack = await this.exchange(peer, connection, row.envelope);
    } catch (err) {
      onFault(peer, reasonOf(err));
      return "lost";
    }
    metrics.count("gateway_peers_sent_total", { peer, kind: row.kind, outcome: ack.status });
    if (ack.status === "busy") return "later";
    if (ack.status === "stored") {
      const { task } = ack;
      const outcome = task?.outcome ?? null;
      const isEnded = await store.write(() => {
        rows.setDelivered(row.id, clock.now(), task?.id ?? null);
        return outcome !== null && this.answer(peer, row.id, outcome);
      });
      crashPoint("peer-delivered");
      if (isEnded) this.settled(row.id);
      else connection.delivered?.(row.id);
      return "done";
    }
    const reason = `${peer} refused the message: ${ack.reason ?? "no reason given"}`;
    await this.#end([row.id], () => ({ status: "bounced", text: "", reason }));
    return "done";
  }

  #retryLater(peer: string): void {
    if (this.#isStopped || this.#retries.has(peer)) return;
    const cancel = this.#deps.clock.after(PEER_LIMITS.busyMs, () => {
      this.#retries.delete(peer);
      this.wake(peer);
    });
    this.#retries.set(peer, cancel);
  }

  #nextChange(id: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(id) ?? new Set();
      this.#waiters.set(id, waiters);
      const done = (): void => {
        waiters.delete(done);
        if (waiters.size === 0) this.#waiters.delete(id);
        signal.removeEventListener("abort", done);
        resolve();
      };
      waiters.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  /** One timer, and only while something waits. */
  #setExpiryTimer(): void {
    this.#expiryTimer?.();
    this.#expiryTimer = null;
    const { rows, clock, log } = this.#deps;
    const at = this.#isStopped ? null : rows.nextExpiry();
    if (at === null) return;
    const delay = Math.min(Math.max(0, at - clock.now()), TIMER_MS);
    this.#expiryTimer = clock.after(delay, () => {
      this.#expire()
        .catch((err: unknown) => log.warn("messages whose time is over could not be ended", { cause: reasonOf(err) }))
        .finally(() => this.#setExpiryTimer());
    });
  }

  async #expire(): Promise<void> {
    const { rows, clock, metrics } = this.#deps;
    const expired = rows.expiredOutgoing(clock.now(), PEER_LIMITS.expiredAtOnce);
    if (expired.length === 0) return;
    const byId = new Map(expired.map((row) => [row.id, row]));
    await this.#end([...byId.keys()], (id) => ({ status: "bounced", text: "", reason: expiryReason(byId.get(id)!) }));
    for (const { peer } of expired) metrics.count("gateway_peers_expired_total", { peer });
  }

  async #end(ids: readonly string[], outcomeOf: (id: string) => PeerOutcome): Promise<void> {
    const { rows, store, clock } = this.#deps;
    const ended = await store.write(() => {
      const now = clock.now();
      return ids.filter((id) => {
        const outcome = outcomeOf(id);
        return rows.endOutgoing(id, outcome.status === "ok" || outcome.status === "error" ? "answered" : "bounced", outcome, now);
      });
    });
    for (const id of ended) this.settled(id);
  }
}

const expiryReason = ({ peer, state }: OutgoingRow): string =>
  state === "queued"
    ? `the message did not reach ${peer} in time: the link was down`
    : `${peer} has the message and did not answer in time`;
