import type { PeerGateRefusal } from "../auth/peer-gate.ts";
import { detailError, GatewayError, reasonOf } from "../core/errors.ts";
import type { RunId } from "../core/ids.ts";
import type { PeerKeyRow } from "../store/peers.ts";
import type { LinkConnection, PeersContext, PeerSettings } from "./context.ts";
import { helloText, signText } from "./envelope.ts";
import type { TaskDesk } from "./a2a/server.ts";
import type { TaskRuns } from "./a2a/desk.ts";
import { Incoming, type IncomingDeps } from "./incoming.ts";
import { fingerprintOf, isPairingToken, keyIdOf, linkToken, PairingCodes, pairingToken, parseCode } from "./keys.ts";
import { PEER_LIMITS } from "./limits.ts";
import { dial, InboundConnection, keepLink, type DialTarget } from "./link.ts";
import { Outgoing } from "./outgoing.ts";
import { OwnKeys, type KeyFiles } from "./own-keys.ts";
import { KeyRotation, type RotationState } from "./rotation.ts";
import type { RemoteRequest, RemoteTurnDeps } from "./remote-turn.ts";
import { refuseCall } from "./rules.ts";

export type PeerServiceDeps = Omit<PeersContext, "keyOf" | "keysOf" | "own"> &
  Omit<IncomingDeps, keyof PeersContext | "outgoing" | "keysUsed" | "rotated"> & {
    /** Where private keys of single links are. */
    keyFiles: KeyFiles;
    /** Names of all configured links, also of those that are not used. */
    names: () => readonly string[];
    /** The channel that the message of a run came from. */
    channelOf: (runId: RunId) => string;
    /** Keys of links were removed or replaced: their connections have to end. */
    onRevoked: (name: string) => void;
    /** A link is up, or down for this cause; null: it is not in use. */
    onState: (name: string, state: { isUp: boolean; cause: string | null } | null) => void;
    random: () => number;
    /** Agent of requests that name none. */
    defaultAgent: () => string;
    /** Whether links that speak A2A are served here. */
    isA2aServed: () => boolean;
  };

type LinkState = "up" | "down" | "off" | "unpaired" | "key-changed";

/** What is known of one link. */
export type LinkReport = {
  name: string;
  transport: PeerSettings["transport"];
  state: LinkState;
  /** Why it is not up. */
  cause: string | null;
  since: number | null;
  direction: "outbound" | "inbound" | null;
  url: string | null;
  fingerprint: string | null;
  pairedAt: number | null;
  /** The fingerprint of this gateway's key for the link, and of one that the other side has not confirmed yet. */
  ownFingerprint: string | null;
  pendingFingerprint: string | null;
  /** The fingerprint of the key of the other side before it changed, while that is accepted. */
  previousFingerprint: string | null;
  /** The fingerprint of a key that was shown and is not the pinned one. */
  shownFingerprint: string | null;
  queued: number;
  unanswered: number;
  oldestAt: number | null;
};

/** A key that another gateway has shown and that is not pinned. */
type SeenKey = { publicKey: string; keyId: string; name: string | null; address: string; at: number };

type Dialing = { abort: AbortController; target: string };

/** The links to other gateways. */
export class PeerService implements RemoteTurnDeps {
  readonly #deps: PeerServiceDeps;
  readonly #outgoing: Outgoing;
  readonly #incoming: Incoming;
  readonly #codes: PairingCodes;
  readonly #own: OwnKeys;
  readonly #rotation: KeyRotation;
  #keys = new Map<string, PeerKeyRow>();
  readonly #connections = new Map<string, LinkConnection[]>();
  readonly #inbound = new Map<string, { name: string; keyId: string; connection: InboundConnection }>();
  readonly #dialing = new Map<string, Dialing>();
  readonly #faults = new Map<string, { cause: string; at: number }>();
  #seen: SeenKey[] = [];
  #isStopped = false;

  constructor(deps: PeerServiceDeps) {
    this.#deps = deps;
    const keyOf = (name: string): PeerKeyRow | null => this.#keys.get(name) ?? null;
    this.#own = new OwnKeys({ ...deps, base: deps.identity, files: deps.keyFiles, now: () => deps.clock.now() });
    this.#loadKeys();
    // Without any link the store may be another one, and the files those of the store that comes back.
    if (this.#keys.size > 0) this.#own.removeLeftovers();
    this.#rotation = new KeyRotation({
      ...deps,
      own: this.#own,
      keyOf,
      exchange: (name, envelope) => {
        const connection = this.#connections.get(name)?.at(-1);
        return connection === undefined ? null : this.#outgoing.exchange(name, connection, envelope);
      },
      onChanged: () => {
        this.#loadKeys();
        this.#rotation.reload();
        this.configure();
      },
      onEnded: (name, keyId) => this.#endConnections(name, keyId),
      isTaken: (name, keyId) =>
        this.#own.idIn([keyId]) === keyId || [...this.#keys.values()].some((key) => key.keyId === keyId && key.name !== name),
    });
    const context: PeersContext = { ...deps, own: this.#own, keyOf, keysOf: (name) => this.#rotation.keysOf(name) };
    this.#outgoing = new Outgoing({
      ...context,
      connectionOf: (name) => this.#connections.get(name)?.at(-1) ?? null,
      onEnded: () => void this.#incoming.wake(),
      onFault: (name, cause) => this.#failed(name, cause),
    });
    this.#incoming = new Incoming({
      ...deps,
      ...context,
      outgoing: this.#outgoing,
      keysUsed: (name, used) => this.#rotation.keysUsed(name, used),
      rotated: (name, envelope) => this.#rotation.rotated(name, envelope),
    });
    this.#codes = new PairingCodes(() => deps.clock.now());
  }

  /** Takes up what an earlier process left, and uses the links of the configuration. */
  async start(): Promise<void> {
    this.configure();
    await this.#incoming.wake();
    for (const name of this.#deps.names()) this.#outgoing.wake(name);
  }

  stop(): void {
    this.#isStopped = true;
    this.#outgoing.stop();
    this.#incoming.stop();
    this.#rotation.stop();
    for (const { abort } of this.#dialing.values()) abort.abort();
    this.#dialing.clear();
  }

  get fingerprint(): string {
    return fingerprintOf(this.#deps.identity.id);
  }

  now(): number {
    return this.#deps.clock.now();
  }

  /** The configuration or a key has changed. */
  configure(): void {
    if (this.#isStopped) return;
    const { settings, names } = this.#deps;
    const wanted = new Map<string, string>();
    for (const name of names()) {
      const target = this.#targetOf(name);
      if (target !== null) wanted.set(name, target);
    }
    for (const [name, { abort, target }] of this.#dialing) {
      if (target === wanted.get(name)) continue;
      abort.abort();
      this.#dialing.delete(name);
    }
    for (const [name, target] of wanted) if (!this.#dialing.has(name)) this.#dial(name, target);
    this.#reportStates();
    // A connection of a link that is not used any more is closed by `isLinked`.
    for (const { name } of this.#inbound.values()) if (settings(name) === null) this.#deps.onRevoked(name);
  }

  /** Where a link is connected to, as a text that changes with it; null: this gateway does not connect. */
  #targetOf(name: string): string | null {
    const link = this.#deps.settings(name);
    const key = this.#keys.get(name);
    if (link?.url === undefined || !isUrlOf(link.transport, link.url)) return null;
    if (link.transport === "openclaw" && key === undefined) return null;
    return JSON.stringify([
      link.transport,
      link.url,
      link.tlsFingerprint,
      link.transport === "openclaw" && [key?.keyId, this.#own.of(name).id],
    ]);
  }

  #isA2a = (name: string): boolean => this.#deps.settings(name)?.transport === "a2a";

  /** Whether messages can be meant for the other side: its key is known, or its address. */
  #isReady(name: string): boolean {
    const link = this.#deps.settings(name);
    return link?.transport === "a2a" ? link.url !== undefined : this.#keys.has(name);
  }

  /** What A2A does with the messages of links. */
  async taskDesk(runs: TaskRuns): Promise<TaskDesk> {
    const { createTaskDesk } = await import("./a2a/desk.ts");
    return createTaskDesk({ ...this.#deps, runs, incoming: this.#incoming, outgoing: this.#outgoing });
  }

  /** Whether a connection of this link with this key may go on. */
  isLinked(name: string, keyId: string): boolean {
    return this.#deps.settings(name) !== null && this.#rotation.keysOf(name).some((key) => key.keyId === keyId);
  }

  /** Whether the turn of a run has ended that a link waits for. */
  onTurnEnded(runId: string): void {
    if (this.#incoming.isWatched(runId)) void this.#incoming.wake();
  }

  // Requests of this gateway

  async ask({ id, peer, agent, runId, conversation, isNew, text }: RemoteRequest): Promise<{ expiresAt: number; isUp: boolean }> {
    const { settings, clock, store, rows, channelOf } = this.#deps;
    const known = rows.outgoing(id);
    if (known !== undefined) {
      this.#outgoing.wake(peer);
      return { expiresAt: known.expiresAt, isUp: this.#isUp(peer) };
    }
    const link = settings(peer);
    if (link === null) throw detailError("PEER_NOT_LINKED", `this gateway has no link ${peer} that is in use`);
    if (!this.#isReady(peer))
      throw detailError("PEER_NOT_LINKED", `the link to ${peer} ${link.transport === "a2a" ? "has no url" : "is not paired"}`);
    const channel = channelOf(runId);
    const refusal = refuseCall(link.send, { method: "agent", agent, channel });
    if (refusal !== null) throw detailError("PEER_REFUSED", `peers.${peer}.send: ${refusal}`);
    if (text.length > PEER_LIMITS.textChars)
      throw detailError("PEER_REFUSED", `the text is longer than ${PEER_LIMITS.textChars} characters`);
    const sentAt = clock.now();
    const expiresAt = sentAt + link.expireMinutes * 60_000;
    const path = [this.#own.of(peer).id];
    const request = { kind: "request" as const, id, sentAt, expiresAt, path, maxHops: link.maxHops, agent, channel };
    await store.write(() => this.#outgoing.addRequest(peer, { ...request, conversation, isNew, text }));
    this.#deps.crashPoint("peer-queued");
    this.#outgoing.wake(peer);
    return { expiresAt, isUp: this.#isUp(peer) };
  }

  waitFor = (id: string, signal: AbortSignal): ReturnType<Outgoing["waitFor"]> => this.#outgoing.waitFor(id, signal);
  cancel = (...args: Parameters<Outgoing["cancel"]>): Promise<void> => this.#outgoing.cancel(...args);

  /** Asks the other gateway whether it is there; resolves to how long that took, and to the agents that it names. */
  async test(name: string): Promise<{ roundTripMs: number; agents: readonly string[] | null }> {
    this.#requireName(name);
    const connection = this.#connections.get(name)?.at(-1);
    const { cause, state } = this.#reportOf(name, null);
    if (!connection) throw new GatewayError("UNAVAILABLE", `the link to ${name} is ${state}: ${cause ?? "it was not connected yet"}`);
    const began = this.#deps.clock.monotonic();
    const { agents } = await this.#outgoing.exchange(name, connection, { kind: "ping", id: this.#deps.newId() });
    return { roundTripMs: Math.round(this.#deps.clock.monotonic() - began), agents: agents ?? null };
  }

  // Connections that other gateways make

  /** Whether a gateway may connect: the link that it is, or why not. A pairing code is used up, and the key is pinned. */
  async admit(claim: {
    keyId: string;
    publicKey: string;
    token: string;
    address: string;
  }): Promise<{ name: string } | { refused: PeerGateRefusal }> {
    const { identity } = this.#deps;
    if (isPairingToken(claim.token)) {
      const name = this.#codes.take(claim.token, claim.keyId, identity.id);
      if (name === null) return { refused: { kind: "code" } };
      await this.#pin(name, claim.publicKey);
      await this.#own.reset(name);
      return { name };
    }
    const name = this.#nameOf(claim.keyId);
    const meant = this.#ownKeyIn(claim.token, name);
    if (meant === null) return { refused: { kind: "other-key", publicKey: (name === null ? identity : this.#own.of(name)).publicKey } };
    if (name === null) {
      this.#see({ publicKey: claim.publicKey, name: null, address: claim.address });
      return { refused: { kind: "unknown", fingerprint: fingerprintOf(claim.keyId) } };
    }
    await this.#rotation.keysUsed(name, { from: claim.keyId, to: meant });
    return { name };
  }

  /** The key of this gateway that a token is meant for; null: none that it has. */
  #ownKeyIn(token: string, name: string | null): string | null {
    const own = name === null ? [this.#deps.identity] : [this.#own.of(name), this.#own.pendingOf(name)];
    return own.find((key) => key !== null && token === linkToken(key.id))?.id ?? null;
  }

  connected(conn: string, keyId: string, send: (event: string, payload: unknown) => void, end: () => void): void {
    const name = this.#nameOf(keyId);
    if (name === null) return end();
    const connection = new InboundConnection({ clock: this.#deps.clock, newId: this.#deps.newId, send, end });
    this.#inbound.set(conn, { name, keyId, connection });
    this.#opened(name, connection);
  }

  disconnected(conn: string): void {
    const found = this.#inbound.get(conn);
    if (!found) return;
    this.#inbound.delete(conn);
    found.connection.closed();
    this.#closed(found.name, found.connection);
  }

  /** `peer.hello` */
  hello(nonce: string, keyId: string): { publicKey: string; signature: string } {
    const identity = this.#own.of(this.#nameOf(keyId) ?? "");
    return { publicKey: identity.publicKey, signature: signText(identity, helloText(nonce, keyId, identity.id)) };
  }

  /** `peer.push`: a packet over a connection with this key. */
  receive(keyId: string, packet: unknown): Promise<unknown> {
    const name = this.#nameOf(keyId);
    if (name === null) throw new GatewayError("FORBIDDEN", "this link is not in use");
    return this.#incoming.receive(name, packet);
  }

  /** `peer.ack` */
  acknowledge(conn: string, id: string, packet: unknown): void {
    this.#inbound.get(conn)?.connection.acknowledge(id, packet);
  }

  // Pairing

  makeCode(name: string): { code: string; expiresAt: number } {
    this.#requireName(name);
    this.#refuseA2a(name);
    const { code, endsAt } = this.#codes.make(name, this.#deps.identity.id);
    return { code: code.reveal(), expiresAt: endsAt };
  }

  /** Pairs with the gateway that made the code: each of the two then has the key of the other. */
  async pairWith(name: string, text: string): Promise<{ fingerprint: string }> {
    this.#requireName(name);
    this.#refuseA2a(name);
    const { settings, identity } = this.#deps;
    const code = parseCode(text.trim());
    if (code === null) throw detailError("PEER_CODE_INVALID", "this is not a pairing code of a gateway");
    if (code.keyId === identity.id) throw detailError("PEER_CODE_INVALID", "this pairing code was made by this gateway itself");
    const link = settings(name);
    if (link?.url === undefined)
      throw new GatewayError("INVALID_REQUEST", `peers.${name} has no url, or is not enabled`, {
        fix: `openclaw peers add ${name} <address>`,
      });
    const abort = new AbortController();
    try {
      const { client, publicKey } = await dial(identity, link, {
        token: pairingToken(code, identity.id),
        signal: abort.signal,
        onEvent: () => {},
      });
      await client.close();
      if (keyIdOf(publicKey) !== code.keyId)
        throw detailError("PEER_CODE_INVALID", "another gateway answered than the one that made the code; nothing was paired");
      await this.#pin(name, publicKey);
      await this.#own.reset(name);
      this.configure();
      return { fingerprint: fingerprintOf(keyIdOf(publicKey)) };
    } catch (err) {
      if (err instanceof GatewayError) throw err;
      throw new GatewayError("UNAVAILABLE", `pairing with ${name} failed: ${reasonOf(err)}`, { cause: err, retryable: false });
    }
  }

  /** Pins a key that another gateway has shown, which a person has compared. */
  async approve(name: string, fingerprint: string): Promise<{ fingerprint: string }> {
    this.#requireName(name);
    this.#refuseA2a(name);
    const found = this.#seen.filter((each) => fingerprintOf(each.keyId) === fingerprint.toLowerCase() && (each.name ?? name) === name);
    const key = found.at(-1);
    if (!key)
      throw new GatewayError("NOT_FOUND", "no gateway has shown a key with this fingerprint since this one started", {
        fix: "openclaw peers status shows the keys that were shown.",
      });
    await this.#pin(name, key.publicKey);
    this.#seen = this.#seen.filter((each) => each.keyId !== key.keyId);
    return { fingerprint: fingerprintOf(key.keyId) };
  }

  /** Replaces this gateway's key for a link; the other side accepts both for a while. */
  async rotate(name: string): Promise<RotationState> {
    this.#requireName(name);
    this.#refuseA2a(name);
    return await this.#rotation.rotate(name);
  }

  #endConnections(name: string, keyId: string): void {
    for (const each of this.#inbound.values()) if (each.name === name && each.keyId === keyId) each.connection.close();
  }

  /** Ends a link: its key is forgotten, its connections are closed, and what waits for it comes back to its senders. */
  async revoke(name: string): Promise<{ wasPaired: boolean; bounced: number }> {
    const { rows, store } = this.#deps;
    const wasPaired = await store.write(() => rows.removeKey(name));
    this.#codes.forget(name);
    this.#loadKeys();
    this.#rotation.reload();
    await this.#own.reset(name);
    this.#dropLink(name);
    this.#reportStates();
    const bounced = await this.#outgoing.bounceAll(name, `the link to ${name} was removed`);
    return { wasPaired, bounced };
  }

  reports(): LinkReport[] {
    const queues = new Map(this.#deps.rows.queues().map((queue) => [queue.peer, queue]));
    const names = new Set([...this.#deps.names(), ...queues.keys()]);
    return [...names].toSorted().map((name) => this.#reportOf(name, queues.get(name) ?? null));
  }

  /** Keys that gateways have shown to this one that it does not know. */
  unknownKeys(): { fingerprint: string; address: string; at: number }[] {
    return this.#seen
      .filter(({ name }) => name === null)
      .map(({ keyId, address, at }) => ({ fingerprint: fingerprintOf(keyId), address, at }));
  }

  #reportOf(name: string, queue: { queued: number; unanswered: number; oldestAt: number | null } | null): LinkReport {
    const link = this.#deps.settings(name);
    const key = this.#keys.get(name);
    const connection = this.#connections.get(name)?.at(-1);
    const fault = this.#faults.get(name);
    const shown = this.#seen.findLast((each) => each.name === name);
    const isA2a = link?.transport === "a2a";
    const isPaired = isA2a || key !== undefined;
    // Who only asks this gateway needs no connection.
    const isAwaited = isA2a && link.url === undefined && link.token !== undefined;
    const isOpen = connection !== undefined || (isAwaited && this.#deps.isA2aServed());
    const state: LinkState = link === null ? "off" : isOpen ? "up" : !isPaired ? "unpaired" : shown !== undefined ? "key-changed" : "down";
    return {
      name,
      transport: link?.transport ?? "openclaw",
      state,
      cause: causeOf(state, { fault: fault?.cause ?? null, link, name }),
      since: connection?.since ?? fault?.at ?? null,
      direction: connection?.direction ?? (isOpen ? "inbound" : null),
      url: link?.url === undefined ? null : withoutCredentials(link.url),
      fingerprint: key ? fingerprintOf(key.keyId) : null,
      ...this.#ownReport(name, key !== undefined),
      pairedAt: key?.pairedAt ?? null,
      shownFingerprint: shown ? fingerprintOf(shown.keyId) : null,
      queued: queue?.queued ?? 0,
      unanswered: queue?.unanswered ?? 0,
      oldestAt: queue?.oldestAt ?? null,
    };
  }

  #ownReport(name: string, isPaired: boolean): Pick<LinkReport, "ownFingerprint" | "pendingFingerprint" | "previousFingerprint"> {
    const [pending, previous] = [this.#own.pendingOf(name), this.#rotation.previousOf(name)];
    return {
      ownFingerprint: isPaired ? fingerprintOf(this.#own.of(name).id) : null,
      pendingFingerprint: pending && fingerprintOf(pending.id),
      previousFingerprint: previous && fingerprintOf(previous.keyId),
    };
  }

  /** Which links are reported to the health. */
  readonly #reported = new Set<string>();

  #reportStates(): void {
    const { names, settings, onState } = this.#deps;
    for (const name of new Set([...names(), ...this.#reported])) {
      const isUsed = settings(name) !== null && (this.#isA2a(name) || this.#keys.has(name));
      if (isUsed) this.#reported.add(name);
      else this.#reported.delete(name);
      const { state, cause } = this.#reportOf(name, null);
      onState(name, isUsed ? { isUp: state === "up", cause } : null);
    }
  }

  #isUp = (name: string): boolean => (this.#connections.get(name)?.length ?? 0) > 0;

  #nameOf(keyId: string): string | null {
    return [...this.#keys.keys()].find((name) => this.isLinked(name, keyId)) ?? null;
  }

  #requireName(name: string): void {
    if (this.#deps.names().includes(name)) return;
    throw detailError("PEER_NOT_LINKED", `the configuration has no link ${JSON.stringify(name.slice(0, 64))}`, {
      fix: `openclaw peers add ${name.slice(0, 64)}`,
    });
  }

  #refuseA2a(name: string): void {
    if (!this.#isA2a(name)) return;
    throw new GatewayError("INVALID_REQUEST", `the link ${name} speaks A2A, which has tokens instead of keys`, {
      fix: `Set peers.${name}.token and peers.${name}.outboundToken.`,
    });
  }

  #loadKeys(): void {
    this.#keys = new Map(this.#deps.rows.keys().map((key) => [key.name, key]));
  }

  async #pin(name: string, publicKey: string): Promise<void> {
    const { rows, store, clock, identity } = this.#deps;
    const keyId = keyIdOf(publicKey);
    if (keyId === identity.id) throw new GatewayError("INVALID_REQUEST", "this is the key of this gateway itself");
    const other = [...this.#keys.values()].find((key) => key.keyId === keyId && key.name !== name);
    if (other) throw new GatewayError("CONFLICT", `this gateway is linked as ${other.name} already`);
    const isReplaced = this.#keys.has(name) && this.#keys.get(name)!.keyId !== keyId;
    await store.write(() => rows.saveKey({ name, keyId, publicKey, pairedAt: clock.now() }));
    this.#loadKeys();
    this.#rotation.reload();
    this.#faults.delete(name);
    this.#seen = this.#seen.filter((each) => each.name !== name && each.keyId !== keyId);
    if (isReplaced) this.#dropLink(name);
    this.configure();
  }

  #dropLink(name: string): void {
    this.#dialing.get(name)?.abort.abort();
    this.#dialing.delete(name);
    for (const connection of this.#connections.get(name) ?? []) connection.close();
    this.#deps.onRevoked(name);
  }

  #dial(name: string, target: string): void {
    const abort = new AbortController();
    this.#dialing.set(name, { abort, target });
    this.#keep(name, abort.signal).catch((err: unknown) =>
      this.#deps.log.error("a link is not kept up any more", { peer: name, error: err }),
    );
  }

  async #keep(name: string, signal: AbortSignal): Promise<void> {
    const { settings } = this.#deps;
    const shared = {
      ...this.#deps,
      own: this.#own,
      opened: (each: string, connection: LinkConnection) => this.#opened(each, connection),
      closed: (each: string, connection: LinkConnection) => this.#closed(each, connection),
      failed: (each: string, cause: string) => this.#failed(each, cause),
    };
    if (this.#isA2a(name)) {
      const { keepA2aLink } = await import("./a2a/link.ts");
      return await keepA2aLink({ ...shared, outgoing: this.#outgoing }, name, signal);
    }
    const link: DialTarget = settings(name) ?? {};
    const keys = {
      keyOf: (each: string) => this.#keys.get(each) ?? null,
      keyChanged: (each: string, publicKey: string) => this.#keyChanged(each, publicKey),
      receive: (each: string, packet: unknown) => this.#incoming.receive(each, packet),
    };
    await keepLink({ ...shared, ...keys }, name, link, signal);
  }

  #opened(name: string, connection: LinkConnection): void {
    const connections = [...(this.#connections.get(name) ?? []), connection];
    this.#connections.set(name, connections);
    if (connections.length > PEER_LIMITS.connections) connections[0]!.close();
    this.#faults.delete(name);
    this.#deps.log.info("the link to another gateway is up", { peer: name, direction: connection.direction });
    this.#reportStates();
    this.#outgoing.wake(name);
    // The handshake of a new connection is answered before anything is sent over it.
    void Promise.resolve().then(() => this.#rotation.announce(name));
  }

  #closed(name: string, connection: LinkConnection): void {
    const left = (this.#connections.get(name) ?? []).filter((each) => each !== connection);
    if (left.length > 0) this.#connections.set(name, left);
    else this.#connections.delete(name);
    if (left.length === 0 && !this.#isStopped) this.#failed(name, this.#faults.get(name)?.cause ?? "the connection has ended");
  }

  #failed(name: string, cause: string): void {
    const known = this.#faults.get(name);
    if (known?.cause === cause) return;
    this.#faults.set(name, { cause, at: known?.at ?? this.#deps.clock.now() });
    if (!this.#isStopped) this.#reportStates();
    if (!this.#isStopped) this.#deps.log.warn("the link to another gateway is down; messages wait", { peer: name, cause });
  }

  #keyChanged(name: string, publicKey: string): void {
    this.#see({ publicKey, name, address: "" });
    this.#failed(name, `it shows another key, with the fingerprint ${fingerprintOf(keyIdOf(publicKey))}`);
  }

  #see({ publicKey, name, address }: Pick<SeenKey, "publicKey" | "name" | "address">): void {
    const keyId = keyIdOf(publicKey);
    const others = this.#seen.filter((each) => each.keyId !== keyId || each.name !== name);
    this.#seen = [...others, { publicKey, keyId, name, address, at: this.#deps.clock.now() }].slice(-PEER_LIMITS.seenKeys);
  }
}

/** Credentials in an address are for the connection, not for those who may look at it. */
function withoutCredentials(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? url : `${parsed.protocol}//${parsed.host}${parsed.pathname === "/" ? "" : parsed.pathname}`;
}

const isUrlOf = (transport: PeerSettings["transport"], url: string): boolean => (transport === "a2a" ? /^https?:/i : /^wss?:/i).test(url);

type CauseFacts = { fault: string | null; link: PeerSettings | null; name: string };

function causeOf(state: LinkState, { fault, link, name }: CauseFacts): string | null {
  switch (state) {
    case "up":
      return null;
    case "off":
      return "it is not enabled, or not in the configuration";
    case "unpaired":
      return `it is not paired: openclaw peers pair ${name}`;
    default:
      return fault ?? whyDown(link);
  }
}

function whyDown(link: PeerSettings | null): string {
  const isA2a = link?.transport === "a2a";
  if (link?.url === undefined && !isA2a) return "the other gateway has not connected";
  if (link?.url === undefined)
    return link?.token === undefined
      ? "it has neither a url nor a token that can be read"
      : "gateway.http.endpoints.a2a.enabled is false, and the link has no url";
  if (!isUrlOf(link.transport, link.url)) return `its url has to begin with ${isA2a ? "https:// or http://" : "wss:// or ws://"}`;
  return "it was not connected yet";
}
