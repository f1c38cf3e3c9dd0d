import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { PeerFacts, Verified } from "../auth/authenticator.ts";
import { OPERATOR_SCOPES, satisfies } from "../auth/scopes.ts";
import { detailError, GatewayError, reasonOf } from "../core/errors.ts";
import { identityProof, NONCE_HEADER, PROOF_HEADER } from "../core/identity-proof.ts";
import { asId, type ConnId, type DeviceId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Secret } from "../core/secret.ts";
import { DISCONNECTS } from "../protocol/disconnects.ts";
import { encodeError, encodeEvent, encodeResult } from "../protocol/frames.ts";
import type { Peer } from "../protocol/hub.ts";
import { readFrame, readHead, readLargeFrame } from "../protocol/scan.ts";
import { BudgetShare, type ByteBudget } from "./budget.ts";
import type { CredentialWatch } from "./credential-watch.ts";
import { type Responder, type Dispatcher, type RpcRequest, toRequest } from "./dispatch.ts";
import { helloOk, performHandshake, toPeer, type HandshakeFailure, type HandshakeSuccess } from "./handshake.ts";
import type { HubClient, ClientHub } from "./hub.ts";
import type { ServerDeps } from "./deps.ts";
import type { Scheduler, RequestQueue } from "./scheduler.ts";
import type { SocketTable } from "./socket-table.ts";
import type { PreAuthConnection, PreAuthPool } from "./pre-auth-connections.ts";
import { WsSocket, type WsHandlers } from "./ws-socket.ts";

/** Of a request in work: whether it has left its place to one that runs. */
type Place = { waits: boolean };

/** What all connections of a server share. */
export type ConnectionContext = {
  deps: ServerDeps;
  hub: ClientHub;
  dispatcher: Dispatcher;
  scheduler: Scheduler;
  preAuthPool: PreAuthPool;
  sockets: SocketTable;
  credentialWatch: CredentialWatch;
  /** Bytes of requests that are held, over all clients. */
  requestBudget: ByteBudget;
  /** Sorted names of the served methods. */
  methodNames: readonly string[];
  /** The presence has changed; tell the others. */
  presenceChanged(): void;
};

/** The line of the answer to an upgrade that proves who listens, for a client that asks for it. */
function identityProofHeader(key: Secret | undefined, { request, socket }: { request: IncomingMessage; socket: Socket }): string {
  if (!key) return "";
  const proof = identityProof(key, request.headers[NONCE_HEADER], { address: socket.localAddress, port: socket.localPort });
  return proof === null ? "" : `${PROOF_HEADER}: ${proof}\r\n`;
}

const nextEventLoopTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One WebSocket from its upgrade to its end: handshake, then a queue of requests that run a few at a time. */
export class ClientConnection implements RequestQueue {
  readonly #context: ConnectionContext;
  readonly #facts: PeerFacts;
  readonly #remote: string;
  readonly #socket: WsSocket;
  readonly #tcpSocket: Socket;
  readonly #preAuth: PreAuthConnection;
  readonly #nonce = randomUUID();
  readonly #closed = new AbortController();
  #state: "challenged" | "connecting" | "open" | "ended" = "challenged";
  #preAuthFrames = 0;
  #earlyMessages: Buffer[] = [];
  #queue: Buffer[] = [];
  #queueHead = 0;
  #queuedBytes = 0;
  #running = 0;
  /** Requests that wait for a run or for a person and hold no place among those that run. */
  #waiting = 0;
  #responder: Responder | null = null;
  #peer: Peer | null = null;
  /** The client has to read before more of its requests are read. */
  #paused = false;
  /** What the requests in the queue and in work hold, and the large one that is arriving. */
  #budgetShare: BudgetShare | null = null;
  #arriving = 0;
  /** The large request that arrives was not refused for its size: there is no room for it. */
  #memoryFull = false;
  #unwatch: (() => void) | null = null;

  constructor(
    context: ConnectionContext,
    facts: PeerFacts,
    upgrade: { request: IncomingMessage; socket: Socket; head: Buffer; remote: string },
  ) {
    this.#context = context;
    this.#facts = facts;
    this.#remote = upgrade.remote;
    this.#preAuth = {
      peer: facts.address,
      deadlineMs: LIMITS.handshakeMs,
      awaitingAnswer: false,
      drop: (why) =>
        why === "timeout" ? this.#socket.close(DISCONNECTS.handshakeTimeout) : this.#socket.close(DISCONNECTS.tooManyPreAuthConnections),
    };
    this.#tcpSocket = upgrade.socket;
    this.#tcpSocket.on("close", () => context.hub.backlog.forget(this.#socket));
    const handlers: WsHandlers = {
      message: (data) => this.#onMessage(data),
      onError: (err) => this.onError(err),
      closing: () => context.sockets.close(this.#tcpSocket),
      drained: () => this.#onDrained(),
      allowance: (head, declared) => this.#allowance(head, declared),
      oversized: (head) => this.#onOversized(head),
      frame: () => this.#onFrame(),
      ended: (code, reason) => this.#onClosed(code, reason),
    };
    this.#socket = new WsSocket(upgrade.request, upgrade.socket, handlers, identityProofHeader(context.deps.identityKey, upgrade));
    context.preAuthPool.add(this.#preAuth);
    const challenge = { nonce: this.#nonce, ts: context.deps.clock.now(), capabilities: context.deps.capabilities };
    this.#socket.sendText(encodeEvent("connect.challenge", challenge));
    // Last: what the client sent along with its upgrade is handled in here.
    this.#socket.start(upgrade.head);
  }

  /** A defect of ours in handling this connection: it ends, the others go on. */
  onError(err: unknown): void {
    this.#context.deps.log.error("a connection failed unexpectedly", {
      cause: reasonOf(err),
      stack: err instanceof Error ? err.stack : undefined,
    });
    this.#socket.close(DISCONNECTS.internalError);
  }

  startNext(): boolean {
    if (this.#queueHead >= this.#queue.length || this.#running >= LIMITS.connectionConcurrency || !this.#socket.isOpen) return false;
    if (this.#applyBackpressure()) return false;
    const data = this.#queue[this.#queueHead++]!;
    this.#queuedBytes -= data.length;
    if (this.#queueHead === this.#queue.length) {
      this.#queue = [];
      this.#queueHead = 0;
    }
    this.#start(data);
    return this.#queueHead < this.#queue.length && this.#running < LIMITS.connectionConcurrency;
  }

  /** A client that does not read its answers gets no more of them: its requests stay where they are, in the end with the client. */
  #applyBackpressure(): boolean {
    if (!this.#paused && this.#socket.waitingBytes > LIMITS.pausedReadingBytes) {
      this.#paused = true;
      this.#socket.pause();
    }
    return this.#paused;
  }

  #onDrained(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
    this.#context.scheduler.wake(this);
  }

  #onFrame(): void {
    if (this.#state === "open" || this.#state === "ended") return;
    if (++this.#preAuthFrames > LIMITS.preAuthFrames) this.#socket.close(DISCONNECTS.tooManyPreAuthFrames);
  }

  #onMessage(data: Buffer): void {
    switch (this.#state) {
      case "challenged":
        this.#state = "connecting";
        this.#context.preAuthPool.markAwaitingAnswer(this.#preAuth);
        this.#handshake(data).catch((err: unknown) => this.onError(err));
        break;
      case "connecting":
        this.#earlyMessages.push(data);
        break;
      case "open":
        this.#enqueue(data);
        break;
      case "ended":
        break;
    }
  }

  async #handshake(data: Buffer): Promise<void> {
    const { deps, hub } = this.#context;
    const result = await performHandshake(data, { deps, facts: this.#facts, nonce: this.#nonce, clients: hub.size });
    if (!this.#socket.isOpen) return;
    if (result.ok) this.#accept(result);
    else this.#refuse(result);
  }

  #refuse(failed: HandshakeFailure): void {
    const code = String(failed.error?.details?.["code"] ?? failed.error?.code ?? "none");
    this.#context.deps.metrics.count("gateway_server_refused_total", { code });
    this.#context.deps.log.info("a client was refused", { remote: this.#remote, code, reason: failed.close.reason });
    if (failed.error && failed.id !== null) this.#socket.sendText(encodeError(failed.id, failed.error));
    this.#socket.close(failed.close);
  }

  #accept(passed: HandshakeSuccess): void {
    const { deps, hub, preAuthPool } = this.#context;
    const peer = toPeer(passed, asId<ConnId>(randomUUID()), this.#remote, deps.clock.now());
    const caps = new Set(passed.params.caps ?? []);
    // It may have been revoked while the handshake waited for the store.
    this.#unwatch = this.#context.credentialWatch.add(passed.verified, () => this.#socket.close(DISCONNECTS.credentialRevoked));
    if (!this.#unwatch) return this.#socket.close(DISCONNECTS.credentialRevoked);
    this.#state = "open";
    this.#peer = peer;
    this.#budgetShare = new BudgetShare(this.#context.requestBudget, peer.credential);
    preAuthPool.remove(this.#preAuth);
    this.#context.sockets.setState(this.#tcpSocket, "client");
    this.#socket.raiseLimit(LIMITS.frameBytes);
    const held = new Set<string>(OPERATOR_SCOPES.filter((scope) => satisfies(peer.scopes, scope)));
    const may = (scope: string): boolean => held.has(scope);
    const { displayName, platform, instanceId } = peer.client;
    const client = {
      id: peer.client.id,
      mode: peer.client.mode,
      version: peer.client.version,
      ...(displayName === undefined ? {} : { displayName }),
      ...(platform === undefined ? {} : { platform }),
      ...(instanceId === undefined ? {} : { instanceId }),
    };
    const device = peer.device === null ? null : asId<DeviceId>(peer.device);
    this.#responder = {
      base: { conn: peer.conn, role: peer.role, scopes: peer.scopes, client, caps, device, signal: this.#closed.signal },
      hasScope: may,
      send: (text) => this.#send(text),
      sendParts: (head, shared) => this.#sendParts(head, shared),
    };
    const local = this.#socket.isLocal && this.#facts.direct;
    hub.add({ peer, caps, socket: this.#socket, local, seq: 0, topics: new Set(), hasScope: may } satisfies HubClient);
    const isShown = deps.clientConnected(peer);
    this.#sendHello(passed.id, peer, passed.verified);
    if (isShown) this.#context.presenceChanged();
    for (const data of this.#earlyMessages.splice(0)) this.#enqueue(data);
  }

  #sendHello(id: string, peer: Peer, verified: Verified): void {
    const { deps, hub } = this.#context;
    this.#socket.sendText(encodeResult(id, helloOk(deps, peer, verified, this.#context.methodNames)));
    deps.log[logLevelOf(peer)]("client connected", {
      conn: peer.conn,
      client: `${peer.client.id}/${peer.client.mode}`,
      role: peer.role,
      scopes: [...peer.scopes].join(" "),
      credential: verified.method,
      remote: this.#remote,
    });
    if (peer.role !== "peer") hub.publishTo(peer.conn, "health", deps.health(), deps.stateVersion());
  }

  #send(text: string): void {
    if (!this.#socket.isOpen) return;
    this.#socket.sendText(text);
    this.#onSent();
  }

  #sendParts(head: string, shared: Buffer): void {
    if (!this.#socket.isOpen) return;
    this.#socket.sendParts(head, shared);
    this.#onSent();
  }

  #onSent(): void {
    this.#context.hub.enforceBufferLimit(this.#socket);
    this.#applyBackpressure();
  }

  /** The room for a large message is reserved before it is kept. */
  #allowance(head: Buffer, declared: number | null): number {
    const { method } = readHead(head);
    const limit = this.#state === "open" && method !== null ? (this.#context.dispatcher.limitOf(method) ?? 0) : 0;
    const needed = Math.min(declared ?? limit, limit);
    if (limit === 0 || (declared !== null && declared > limit)) return limit;
    this.#memoryFull = !this.#budgetShare!.reserve(needed);
    if (this.#memoryFull) return 0;
    this.#arriving = needed;
    return limit;
  }

  #onOversized(head: Buffer): void {
    const { id, method } = readHead(head);
    this.#releaseArriving();
    if (this.#memoryFull) return this.#context.dispatcher.refuse(id, method, requestMemoryFull(), this.#responder!);
    const limit = method === null ? null : this.#context.dispatcher.limitOf(method);
    const error =
      method === null
        ? new GatewayError("INVALID_REQUEST", "invalid request frame: too large, and no method name at its start")
        : limit === null
          ? new GatewayError("INVALID_REQUEST", `unknown method: ${method.slice(0, LIMITS.methodChars)}`)
          : requestTooLarge(method, limit);
    this.#context.dispatcher.refuse(id, method, error, this.#responder!);
  }

  #releaseArriving(): void {
    this.#budgetShare?.release(this.#arriving);
    this.#arriving = 0;
  }

  #enqueue(data: Buffer): void {
    this.#releaseArriving();
    const waiting = this.#queue.length - this.#queueHead;
    if (waiting >= LIMITS.connectionQueue || this.#queuedBytes + data.length > LIMITS.connectionQueueBytes) {
      const { id, method } = readHead(data);
      const busy = detailError("CONNECTION_QUEUE_FULL", "too many requests are waiting on this connection", {
        retryAfterMs: 1_000,
      });
      return this.#context.dispatcher.refuse(id, method, busy, this.#responder!);
    }
    if (!this.#budgetShare!.reserve(data.length)) {
      const { id, method } = readHead(data);
      return this.#context.dispatcher.refuse(id, method, requestMemoryFull(), this.#responder!);
    }
    this.#queue.push(data);
    this.#queuedBytes += data.length;
    this.#context.scheduler.wake(this);
  }

  #start(data: Buffer): void {
    if (data.length > LIMITS.requestBytes) return void this.#startLarge(data);
    const place = this.#takePlace();
    let running: Promise<void> | void = undefined;
    try {
      running = this.#run(toRequest(readFrame(data)), data.length, place);
    } catch (err) {
      this.#onBadFrame(data, err);
    }
    if (running) void running.then(() => this.#onFinished(data.length, place));
    else this.#free(data.length, place);
  }

  async #startLarge(data: Buffer): Promise<void> {
    const bytes = data.length;
    const place = this.#takePlace();
    try {
      await this.#run(toRequest(await readLargeFrame(data, nextEventLoopTurn)), bytes, place);
    } catch (err) {
      this.#onBadFrame(data, err);
    } finally {
      this.#onFinished(bytes, place);
    }
  }

  #run(request: RpcRequest, bytes: number, place: Place): Promise<void> | void {
    const limit = this.#context.dispatcher.limitOf(request.method);
    if (limit !== null && bytes > limit) {
      return this.#context.dispatcher.refuse(request.id, request.method, requestTooLarge(request.method, limit), this.#responder!);
    }
    return this.#context.dispatcher.run(request, this.#responder!, () => this.#leavePlace(place));
  }

  #takePlace(): Place {
    this.#running++;
    return { waits: false };
  }

  /** A client that waits for many runs still has its other requests answered, first of all the one that stops them. */
  #leavePlace(place: Place): void {
    if (place.waits || this.#waiting >= LIMITS.connectionWaiting) return;
    place.waits = true;
    this.#waiting++;
    this.#running--;
    this.#wakeForQueue();
  }

  #onFinished(bytes: number, place: Place): void {
    this.#free(bytes, place);
    this.#wakeForQueue();
  }

  #free(bytes: number, place: Place): void {
    if (place.waits) this.#waiting--;
    else this.#running--;
    this.#budgetShare?.release(bytes);
  }

  #wakeForQueue(): void {
    if (this.#queueHead < this.#queue.length) this.#context.scheduler.wake(this);
  }

  /** A frame that is not a request: answered by id where it has one; text that is not JSON ends the connection. */
  #onBadFrame(data: Buffer, err: unknown): void {
    if (!(err instanceof GatewayError)) {
      this.#context.dispatcher.refuse(readHead(data).id, null, err, this.#responder!);
      return;
    }
    if (err.details?.["code"] === "FRAME_NOT_JSON") return this.#socket.close(DISCONNECTS.notJson);
    const id = typeof err.details?.["id"] === "string" ? err.details["id"] : readHead(data).id;
    this.#context.dispatcher.refuse(id, null, new GatewayError("INVALID_REQUEST", err.message), this.#responder!);
  }

  #onClosed(code: number, reason: string): void {
    const { deps, hub, scheduler, preAuthPool } = this.#context;
    const wasOpen = this.#state === "open";
    this.#state = "ended";
    preAuthPool.remove(this.#preAuth);
    scheduler.forget(this);
    this.#unwatch?.();
    this.#budgetShare?.release();
    this.#queue = [];
    this.#queueHead = 0;
    this.#earlyMessages = [];
    this.#closed.abort();
    if (!wasOpen || !this.#peer) return;
    hub.remove(this.#peer.conn);
    const wasShown = deps.clientDisconnected(this.#peer);
    deps.log[logLevelOf(this.#peer)]("client disconnected", { conn: this.#peer.conn, code, reason });
    if (wasShown) this.#context.presenceChanged();
  }
}

const requestTooLarge = (method: string, limitBytes: number): GatewayError =>
  detailError("REQUEST_TOO_LARGE", `invalid ${method} request: larger than ${limitBytes} bytes`, { details: { limitBytes } });

const requestMemoryFull = (): GatewayError =>
  detailError("REQUEST_MEMORY_FULL", "the gateway holds too many large requests right now; send it again", {
    retryAfterMs: 1_000,
  });

/** A command of the CLI connects for one request; a line for each would bury the others. */
const logLevelOf = (peer: Peer): "debug" | "info" => (["cli", "probe"].includes(peer.client.mode) ? "debug" : "info");
