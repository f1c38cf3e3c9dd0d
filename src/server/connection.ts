import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { PeerFacts, Verified } from "../auth/admission.ts";
import { OPERATOR_SCOPES, satisfies } from "../auth/scopes.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { identityProof, NONCE_HEADER, PROOF_HEADER } from "../core/identity-proof.ts";
import { asId, type ConnId, type DeviceId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import type { Secret } from "../core/secret.ts";
import { encodeError, encodeEvent, encodeResult } from "../protocol/frames.ts";
import type { Peer } from "../protocol/hub.ts";
import { NOT_JSON, readFrame, readHead, readLargeFrame } from "../protocol/scan.ts";
import { Share, type ByteBudget } from "./budget.ts";
import type { CredentialWatch } from "./credential-watch.ts";
import { type Asker, type Dispatch, type Request, toRequest } from "./dispatch.ts";
import { helloOk, shakeHands, toPeer, type Failed, type Passed } from "./handshake.ts";
import type { Member, Members } from "./hub.ts";
import type { ServerDeps } from "./ports.ts";
import type { Scheduler, Waiting } from "./scheduler.ts";
import type { SocketTable } from "./socket-table.ts";
import type { Stranger, Strangers } from "./strangers.ts";
import { WsSocket, type WsHandlers } from "./ws-socket.ts";

/** What all connections of a server share. */
export type ConnectionContext = {
  deps: ServerDeps;
  members: Members;
  dispatch: Dispatch;
  scheduler: Scheduler;
  strangers: Strangers;
  sockets: SocketTable;
  watch: CredentialWatch;
  /** Bytes of requests that are held, over all clients. */
  held: ByteBudget;
  /** Sorted names of the served methods. */
  methodNames: readonly string[];
  /** The presence has changed; tell the others. */
  presenceChanged(): void;
};

/** The line of the answer to an upgrade that proves who listens, for a client that asks for it. */
function proofLine(key: Secret | undefined, { request, socket }: { request: IncomingMessage; socket: Socket }): string {
  if (!key) return "";
  const proof = identityProof(key, request.headers[NONCE_HEADER], { address: socket.localAddress, port: socket.localPort });
  return proof === null ? "" : `${PROOF_HEADER}: ${proof}\r\n`;
}

const turnOfTheLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One WebSocket from its upgrade to its end: handshake, then a queue of requests that run a few at a time. */
export class Connection implements Waiting {
  readonly #context: ConnectionContext;
  readonly #facts: PeerFacts;
  readonly #remote: string;
  readonly #socket: WsSocket;
  readonly #raw: Socket;
  readonly #stranger: Stranger;
  readonly #nonce = randomUUID();
  readonly #closed = new AbortController();
  #state: "challenged" | "connecting" | "open" | "ended" = "challenged";
  #preAuthFrames = 0;
  #early: Buffer[] = [];
  #queue: Buffer[] = [];
  #queueHead = 0;
  #queuedBytes = 0;
  #running = 0;
  #asker: Asker | null = null;
  #peer: Peer | null = null;
  /** The client has to read before more of its requests are read. */
  #paused = false;
  /** What the requests in the queue and in work hold, and the large one that is arriving. */
  #share: Share | null = null;
  #arriving = 0;
  /** The large request that arrives was not refused for its size: there is no room for it. */
  #noRoom = false;
  #unwatch: (() => void) | null = null;

  constructor(
    context: ConnectionContext,
    facts: PeerFacts,
    upgrade: { request: IncomingMessage; socket: Socket; head: Buffer; remote: string },
  ) {
    this.#context = context;
    this.#facts = facts;
    this.#remote = upgrade.remote;
    this.#stranger = {
      peer: facts.address,
      deadlineMs: LIMITS.handshakeMs,
      busy: false,
      drop: (why) =>
        why === "timeout"
          ? this.#socket.close(1008, "handshake timeout")
          : this.#socket.close(1013, "too many connections that have not signed in"),
    };
    this.#raw = upgrade.socket;
    this.#raw.on("close", () => context.members.backlog.forget(this.#socket));
    const handlers: WsHandlers = {
      message: (data) => this.#message(data),
      broken: (err) => this.broken(err),
      closing: () => context.sockets.close(this.#raw),
      drained: () => this.#drained(),
      allowance: (head, declared) => this.#allowance(head, declared),
      oversized: (head) => this.#oversized(head),
      frame: () => this.#frame(),
      ended: (code, reason) => this.#ended(code, reason),
    };
    this.#socket = new WsSocket(upgrade.request, upgrade.socket, handlers, proofLine(context.deps.identityKey, upgrade));
    context.strangers.add(this.#stranger);
    const challenge = { nonce: this.#nonce, ts: context.deps.clock.now(), capabilities: context.deps.capabilities };
    this.#socket.sendText(encodeEvent("connect.challenge", challenge));
    // Last: what the client sent along with its upgrade is handled in here.
    this.#socket.start(upgrade.head);
  }

  /** A defect of ours in handling this connection: it ends, the others go on. */
  broken(err: unknown): void {
    this.#context.deps.log.error("a connection failed unexpectedly", {
      cause: reasonOf(err),
      stack: err instanceof Error ? err.stack : undefined,
    });
    this.#socket.close(1011, "internal error");
  }

  startNext(): boolean {
    if (this.#queueHead >= this.#queue.length || this.#running >= LIMITS.connectionConcurrency || !this.#socket.open) return false;
    if (this.#mustRead()) return false;
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
  #mustRead(): boolean {
    if (!this.#paused && this.#socket.waitingBytes > LIMITS.pausedReadingBytes) {
      this.#paused = true;
      this.#socket.pause();
    }
    return this.#paused;
  }

  #drained(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
    this.#context.scheduler.wake(this);
  }

  #frame(): void {
    if (this.#state === "open" || this.#state === "ended") return;
    if (++this.#preAuthFrames > LIMITS.preAuthFrames) this.#socket.close(1008, "too many frames before the handshake ended");
  }

  #message(data: Buffer): void {
    switch (this.#state) {
      case "challenged":
        this.#state = "connecting";
        this.#context.strangers.occupy(this.#stranger);
        this.#shakeHands(data).catch((err: unknown) => this.broken(err));
        break;
      case "connecting":
        this.#early.push(data);
        break;
      case "open":
        this.#enqueue(data);
        break;
      case "ended":
        break;
    }
  }

  async #shakeHands(data: Buffer): Promise<void> {
    const { deps, members } = this.#context;
    const result = await shakeHands(data, { deps, facts: this.#facts, nonce: this.#nonce, clients: members.size });
    if (!this.#socket.open) return;
    if (result.ok) this.#open(result);
    else this.#refuse(result);
  }

  #refuse(failed: Failed): void {
    const code = String(failed.error?.details?.["code"] ?? failed.error?.code ?? "none");
    this.#context.deps.metrics.count("gateway_server_refused_total", { code });
    this.#context.deps.log.info("a client was refused", { remote: this.#remote, code, reason: failed.closeReason });
    if (failed.error && failed.id !== null) this.#socket.sendText(encodeError(failed.id, failed.error));
    this.#socket.close(failed.closeCode, failed.closeReason);
  }

  #open(passed: Passed): void {
    const { deps, members, strangers } = this.#context;
    const peer = toPeer(passed, asId<ConnId>(randomUUID()), this.#remote, deps.clock.now());
    const caps = new Set(passed.params.caps ?? []);
    // It may have been revoked while the handshake waited for the store.
    this.#unwatch = this.#context.watch.add(passed.verified, () => this.#socket.close(4001, "credential ended"));
    if (!this.#unwatch) return this.#socket.close(4001, "credential ended");
    this.#state = "open";
    this.#peer = peer;
    this.#share = new Share(this.#context.held, peer.credential);
    strangers.remove(this.#stranger);
    this.#context.sockets.move(this.#raw, "member");
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
    this.#asker = {
      base: { conn: peer.conn, role: peer.role, scopes: peer.scopes, client, caps, device, signal: this.#closed.signal },
      may,
      answer: (text) => this.#answer(text),
    };
    const local = this.#socket.local && this.#facts.direct;
    members.add({ peer, caps, socket: this.#socket, local, seq: 0, topics: new Set(), may } satisfies Member);
    const isShown = deps.joined(peer);
    this.#greet(passed.id, peer, passed.verified);
    if (isShown) this.#context.presenceChanged();
    for (const data of this.#early.splice(0)) this.#enqueue(data);
  }

  #greet(id: string, peer: Peer, verified: Verified): void {
    const { deps, members } = this.#context;
    this.#socket.sendText(encodeResult(id, helloOk(deps, peer, verified, this.#context.methodNames)));
    deps.log[logLevelOf(peer)]("client connected", {
      conn: peer.conn,
      client: `${peer.client.id}/${peer.client.mode}`,
      role: peer.role,
      scopes: [...peer.scopes].join(" "),
      credential: verified.method,
      remote: this.#remote,
    });
    members.publishTo(peer.conn, "health", deps.health(), deps.stateVersion());
  }

  #answer(text: string): void {
    if (!this.#socket.open) return;
    this.#socket.sendText(text);
    this.#context.members.limit(this.#socket);
    this.#mustRead();
  }

  /** The room for a large message is reserved before it is kept. */
  #allowance(head: Buffer, declared: number | null): number {
    const { method } = readHead(head);
    const limit = this.#state === "open" && method !== null ? (this.#context.dispatch.limitOf(method) ?? 0) : 0;
    const needed = Math.min(declared ?? limit, limit);
    if (limit === 0 || (declared !== null && declared > limit)) return limit;
    this.#noRoom = !this.#share!.take(needed);
    if (this.#noRoom) return 0;
    this.#arriving = needed;
    return limit;
  }

  #oversized(head: Buffer): void {
    const { id, method } = readHead(head);
    this.#arrived();
    if (this.#noRoom) return this.#context.dispatch.refuse(id, method, noRoom(), this.#asker!);
    const limit = method === null ? null : this.#context.dispatch.limitOf(method);
    const text =
      method === null
        ? "invalid request frame: too large, and no method name at its start"
        : limit === null
          ? `unknown method: ${method.slice(0, LIMITS.methodChars)}`
          : `invalid ${method} request: larger than ${limit} bytes`;
    const details = limit === null ? {} : { details: { code: "REQUEST_TOO_LARGE", limitBytes: limit } };
    this.#context.dispatch.refuse(id, method, new GatewayError("INVALID_REQUEST", text, details), this.#asker!);
  }

  #arrived(): void {
    this.#share?.give(this.#arriving);
    this.#arriving = 0;
  }

  #enqueue(data: Buffer): void {
    this.#arrived();
    const waiting = this.#queue.length - this.#queueHead;
    if (waiting >= LIMITS.connectionQueue || this.#queuedBytes + data.length > LIMITS.connectionQueueBytes) {
      const { id, method } = readHead(data);
      const busy = new GatewayError("UNAVAILABLE", "too many requests are waiting on this connection", {
        retryAfterMs: 1_000,
        details: { code: "CONNECTION_QUEUE_FULL" },
      });
      return this.#context.dispatch.refuse(id, method, busy, this.#asker!);
    }
    if (!this.#share!.take(data.length)) {
      const { id, method } = readHead(data);
      return this.#context.dispatch.refuse(id, method, noRoom(), this.#asker!);
    }
    this.#queue.push(data);
    this.#queuedBytes += data.length;
    this.#context.scheduler.wake(this);
  }

  #start(data: Buffer): void {
    if (data.length > LIMITS.requestBytes) {
      this.#running++;
      void this.#startLarge(data);
      return;
    }
    let running: Promise<void> | void = undefined;
    try {
      running = this.#run(toRequest(readFrame(data)), data.length);
    } catch (err) {
      this.#badFrame(data, err);
    }
    if (running) this.#running++;
    if (running) void running.then(() => this.#finished(data.length));
    else this.#share?.give(data.length);
  }

  async #startLarge(data: Buffer): Promise<void> {
    const bytes = data.length;
    try {
      await this.#run(toRequest(await readLargeFrame(data, turnOfTheLoop)), bytes);
    } catch (err) {
      this.#badFrame(data, err);
    } finally {
      this.#finished(bytes);
    }
  }

  #run(request: Request, bytes: number): Promise<void> | void {
    const limit = this.#context.dispatch.limitOf(request.method);
    if (limit !== null && bytes > limit) {
      const error = new GatewayError("INVALID_REQUEST", `invalid ${request.method} request: larger than ${limit} bytes`, {
        details: { code: "REQUEST_TOO_LARGE", limitBytes: limit },
      });
      return this.#context.dispatch.refuse(request.id, request.method, error, this.#asker!);
    }
    return this.#context.dispatch.run(request, this.#asker!);
  }

  #finished(bytes: number): void {
    this.#running--;
    this.#share?.give(bytes);
    if (this.#queueHead < this.#queue.length) this.#context.scheduler.wake(this);
  }

  /** A frame that is no request: answered by id where there is one; text that is not JSON ends the connection. */
  #badFrame(data: Buffer, err: unknown): void {
    if (!(err instanceof GatewayError)) {
      this.#context.dispatch.refuse(readHead(data).id, null, err, this.#asker!);
      return;
    }
    if (err.details?.["code"] === NOT_JSON) return this.#socket.close(1008, err.message);
    const id = typeof err.details?.["id"] === "string" ? err.details["id"] : readHead(data).id;
    this.#context.dispatch.refuse(id, null, new GatewayError("INVALID_REQUEST", err.message), this.#asker!);
  }

  #ended(code: number, reason: string): void {
    const { deps, members, scheduler, strangers } = this.#context;
    const wasOpen = this.#state === "open";
    this.#state = "ended";
    strangers.remove(this.#stranger);
    scheduler.forget(this);
    this.#unwatch?.();
    this.#share?.give();
    this.#queue = [];
    this.#queueHead = 0;
    this.#early = [];
    this.#closed.abort();
    if (!wasOpen || !this.#peer) return;
    members.remove(this.#peer.conn);
    const wasShown = deps.left(this.#peer);
    deps.log[logLevelOf(this.#peer)]("client disconnected", { conn: this.#peer.conn, code, reason });
    if (wasShown) this.#context.presenceChanged();
  }
}

const noRoom = (): GatewayError =>
  new GatewayError("UNAVAILABLE", "the gateway holds too many large requests right now; send it again", {
    retryAfterMs: 1_000,
    details: { code: "REQUEST_MEMORY_FULL" },
  });

/** A command of the CLI connects for one request; a line for each would bury the others. */
const logLevelOf = (peer: Peer): "debug" | "info" => (["cli", "probe"].includes(peer.client.mode) ? "debug" : "info");
