import { createServer as createHttpServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { contain } from "../core/contain.ts";
import { OFFICIAL_PATH } from "../core/control-ui-root.ts";
import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { DISCONNECTS } from "../protocol/disconnects.ts";
import type { Hub } from "../protocol/hub.ts";
import { hasValidator } from "../protocol/validate.ts";
import { ByteBudget } from "./budget.ts";
import { ClientConnection, type ConnectionContext } from "./connection.ts";
import { CredentialWatch } from "./credential-watch.ts";
import { Dispatcher } from "./dispatch.ts";
import { stripBasePath } from "./exchange.ts";
import type { HttpRoute } from "./http-route.ts";
import { HttpRouter } from "./http.ts";
import type { Listener } from "../auth/trusted-proxy.ts";
import type { ClientHub } from "./hub.ts";
import { portHolder, portTakenError } from "./listen.ts";
import type { ServerDeps } from "./deps.ts";
import { Scheduler, type RequestQueue } from "./scheduler.ts";
import { SocketTable } from "./socket-table.ts";
import { PreAuthPool, type PreAuthConnection } from "./pre-auth-connections.ts";
import { secureContextOf, TlsHandshakes, type TlsMaterial } from "./tls-handshakes.ts";
import { invalidUpgradeReason } from "./ws-socket.ts";

export type ListenResult = {
  /** Addresses that are listened on; the first is the one to tell. */
  addresses: readonly string[];
  port: number;
};

export type Server = {
  /** Publishes the presence list soon; changes in quick succession are published together. */
  presenceChanged(): void;
  /** How events reach the clients. */
  readonly hub: Hub;
  /** The table of HTTP routes. */
  readonly routes: readonly HttpRoute[];
  /** Opens the port on every address (port 0: a free one), with `tls` for TLS only. Throws GatewayError CONFLICT when it is taken. */
  listen(addresses: readonly string[], port: number, tls?: TlsMaterial | null): Promise<ListenResult>;
  /** New connections get this certificate; those that are open stay. */
  swapTls(tls: TlsMaterial): void;
  /** Opens a port of loopback that only Tailscale on this machine may use, until `close`; WebSockets on it end with Tailscale. */
  listenForTailscale(isTailscale: (socket: Socket) => boolean): Promise<{ port: number; close: () => Promise<void> }>;
  /** Ends connections and running requests whose credential has ended (close code 4001). Returns how many. */
  closeRevoked(): number;
  /** Tells the clients, closes everything within LIMITS.stopMs. `restartExpectedMs`: when they may come back. */
  stop(reason: string, restartExpectedMs?: number): Promise<void>;
};

/** The health event comes with every so many ticks, i.e. every minute. */
const HEALTH_TICKS = 2;
/** WebSocket paths. */
const WS_PATHS: ReadonlySet<string> = new Set(["/", "/ws"]);
/** Its Control UI connects where it is served. */
const OFFICIAL_WS_PATHS: ReadonlySet<string> = new Set([OFFICIAL_PATH, `${OFFICIAL_PATH}/`]);

/** An accepted connection as HTTP sees it. */
type HttpSocket = {
  preAuth: PreAuthConnection;
  /** Requests on it that are not answered yet, and those of them that showed a good credential. */
  running: number;
  authenticated: number;
  queue: HttpRequestQueue;
};

/** The requests of one HTTP connection, one after the other: a peer that pipelines thousands, or does not read, delays no other. */
class HttpRequestQueue implements RequestQueue {
  readonly onError: (err: unknown) => void;
  readonly #scheduler: Scheduler;
  readonly #waiting: (() => void)[] = [];
  #busy = false;

  constructor(scheduler: Scheduler, broken: (err: unknown) => void) {
    this.#scheduler = scheduler;
    this.onError = broken;
  }

  add(work: () => void): void {
    this.#waiting.push(work);
    if (!this.#busy) this.#scheduler.wake(this);
  }

  /** The answer to the request that ran is over. */
  finish(): void {
    this.#busy = false;
    if (this.#waiting.length > 0) this.#scheduler.wake(this);
  }

  startNext(): boolean {
    const work = this.#busy ? undefined : this.#waiting.shift();
    if (work) {
      this.#busy = true;
      work();
    }
    return false;
  }

  forget(): void {
    this.#waiting.length = 0;
    this.#scheduler.forget(this);
  }
}

/** Builds the server; nothing happens before `listen`. */
export function createServer(deps: ServerDeps): Server {
  return new GatewayServer(deps);
}

class GatewayServer implements Server {
  readonly hub: ClientHub;
  readonly #deps: ServerDeps;
  readonly #router: HttpRouter;
  readonly #preAuthPool: PreAuthPool;
  readonly #scheduler = new Scheduler();
  #listeners: readonly HttpServer[] = [];
  readonly #tlsListeners: HttpsServer[] = [];
  readonly #tlsHandshakes: TlsHandshakes;
  /** Those that came in at the listener for Tailscale. */
  readonly #tailscaleSockets = new WeakSet<Socket>();
  readonly #timers: NodeJS.Timeout[] = [];
  /** Every accepted socket until it is destroyed. */
  readonly #sockets: SocketTable;
  /** Those that speak HTTP: not upgraded, and not told goodbye. */
  readonly #httpSockets = new Map<Socket, HttpSocket>();
  readonly #credentialWatch: CredentialWatch;
  readonly #requestBudget = new ByteBudget(LIMITS.heldRequestBytes, LIMITS.heldRequestBytesPerCredential);
  #context: ConnectionContext | null = null;
  #cancelPresence: (() => void) | null = null;
  #stopping = false;

  constructor(deps: ServerDeps) {
    this.#deps = deps;
    this.hub = deps.hub;
    this.#credentialWatch = new CredentialWatch(deps);
    this.#router = new HttpRouter(deps, {
      credentialWatch: this.#credentialWatch,
      requestBudget: this.#requestBudget,
      backlog: this.hub.backlog,
      listenerOf: (socket) => this.#listenerOf(socket),
    });
    this.#sockets = new SocketTable(deps.clock, (why) => deps.metrics.count("gateway_server_sockets_destroyed_total", { reason: why }));
    deps.metrics.sample("gateway_server_sockets", () => this.#sockets.counts());
    this.#preAuthPool = new PreAuthPool(deps.clock, (why) =>
      deps.metrics.count("gateway_server_preauth_connections_dropped_total", { reason: why }),
    );
    deps.metrics.sample("gateway_server_preauth_connections", () => this.#preAuthPool.size);
    this.#tlsHandshakes = new TlsHandshakes(this.#preAuthPool);
  }

  get routes(): readonly HttpRoute[] {
    return this.#router.routes;
  }

  async listen(addresses: readonly string[], port: number, tls: TlsMaterial | null = null): Promise<ListenResult> {
    this.#createContext();
    let bound = port;
    const opened: string[] = [];
    for (const address of addresses) {
      const listener = tls === null ? this.#createListener() : await this.#createTlsListener(tls);
      try {
        bound = await listenOn(listener, address, bound);
      } catch (err) {
        const code = String((err as { code?: unknown }).code);
        // A machine without IPv6 still has its other loopback address; and a free port may be free on the first address only.
        const dispensable =
          opened.length > 0 && (["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes(code) || (port === 0 && code === "EADDRINUSE"));
        if (dispensable) continue;
        await this.#closeListeners();
        if (code === "EADDRINUSE") throw portTakenError(address, bound, await portHolder(address, bound));
        throw err;
      }
      this.#listeners = [...this.#listeners, listener];
      opened.push(address);
    }
    this.#startTimers();
    return { addresses: opened, port: bound };
  }

  swapTls(tls: TlsMaterial): void {
    for (const listener of this.#tlsListeners) listener.setSecureContext(secureContextOf(tls));
  }

  async listenForTailscale(isTailscale: (socket: Socket) => boolean): Promise<{ port: number; close: () => Promise<void> }> {
    const listener = this.#createListener((socket) => {
      if (!isTailscale(socket)) return void socket.destroy();
      this.#tailscaleSockets.add(socket);
      this.#onConnection(socket);
    });
    const port = await listenOn(listener, "127.0.0.1", 0);
    this.#listeners = [...this.#listeners, listener];
    return { port, close: () => this.#closeListeners([listener]) };
  }

  #listenerOf(socket: Socket): Listener {
    return this.#tailscaleSockets.has(socket) ? "tailscale" : "gateway";
  }

  closeRevoked(): number {
    return this.#credentialWatch.recheck();
  }

  async stop(reason: string, restartExpectedMs?: number): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const timer of this.#timers) clearInterval(timer);
    this.#cancelPresence?.();
    this.#credentialWatch.stop();
    this.hub.publish("shutdown", { reason, ...(restartExpectedMs === undefined ? {} : { restartExpectedMs }) }, {});
    this.hub.close(() => true, DISCONNECTS.serviceRestart);
    this.#preAuthPool.dropAll();
    await this.#closeListeners();
  }

  #createContext(): void {
    const methods = this.#deps.methods();
    for (const name of Object.keys(methods)) if (!hasValidator(name)) throw new Error(`no validator for the method ${name}`);
    const { log, metrics, requestAnswered } = this.#deps;
    const dispatch = new Dispatcher({ methods, log, metrics, ...(requestAnswered && { onAnswered: requestAnswered }) });
    this.#context = {
      deps: this.#deps,
      hub: this.hub,
      dispatcher: dispatch,
      scheduler: this.#scheduler,
      preAuthPool: this.#preAuthPool,
      sockets: this.#sockets,
      credentialWatch: this.#credentialWatch,
      requestBudget: this.#requestBudget,
      methodNames: Object.keys(methods).toSorted(),
      presenceChanged: () => this.presenceChanged(),
    };
  }

  #createListener(accept = (socket: Socket): void => this.#onConnection(socket)): HttpServer {
    const listener = createHttpServer(HTTP_OPTIONS);
    listener.on("connection", (socket: Socket) => this.#withErrorBoundary(socket, () => accept(socket)));
    this.#serveHttp(listener);
    return listener;
  }

  /** TLS is loaded here, by the first listener that needs it. */
  async #createTlsListener(tls: TlsMaterial): Promise<HttpServer> {
    const { createServer: createHttpsServer } = await import("node:https");
    const listener = createHttpsServer({ ...HTTP_OPTIONS, ...secureContextOf(tls), handshakeTimeout: LIMITS.httpHeadMs });
    listener.on("connection", (socket: Socket) => this.#withErrorBoundary(socket, () => this.#tlsHandshakes.begin(socket)));
    listener.on("secureConnection", (socket: TLSSocket) =>
      this.#withErrorBoundary(socket, () => {
        this.#tlsHandshakes.finish(socket);
        this.#onConnection(socket);
      }),
    );
    this.#serveHttp(listener);
    this.#tlsListeners.push(listener);
    return listener;
  }

  #serveHttp(listener: HttpServer): void {
    listener.maxHeadersCount = LIMITS.httpHeaders;
    listener.on("request", (request, response) => this.#withErrorBoundary(request.socket, () => this.#onRequest(request, response)));
    listener.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) =>
      this.#withErrorBoundary(socket, () => this.#onUpgrade(request, socket, head)),
    );
    // Without a listener Node destroys these sockets silently.
    listener.on("connect", (_request: IncomingMessage, socket: Socket) =>
      this.#withErrorBoundary(socket, () => this.#refuseHttpConnect(socket)),
    );
    listener.on("clientError", (err: Error & { code?: string }, socket) =>
      this.#withErrorBoundary(socket as Socket, () => this.#onClientError(err, socket as Socket)),
    );
  }

  /** A defect of ours in handling one socket ends that socket and nothing else. */
  #withErrorBoundary(socket: Socket, work: () => void): void {
    contain((err) => this.#onSocketError(socket, err), work)();
  }

  #onSocketError(socket: Socket, err: unknown): void {
    this.#deps.log.error("a connection failed unexpectedly", { cause: reasonOf(err), stack: err instanceof Error ? err.stack : undefined });
    socket.destroy();
  }

  #refuseHttpConnect(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    this.#respondAndClose(socket, 405, { error: { message: "this is not a proxy", type: "method_not_allowed" } });
  }

  /** A TCP connection is pre-auth until a request on it has a valid credential. */
  #onConnection(socket: Socket): void {
    const preAuth: PreAuthConnection = {
      peer: socket.remoteAddress ?? "",
      deadlineMs: LIMITS.httpHeadMs,
      awaitingAnswer: false,
      drop: () => socket.destroy(),
    };
    this.#sockets.accept(socket);
    const lane = new HttpRequestQueue(this.#scheduler, (err) => this.#onSocketError(socket, err));
    this.#httpSockets.set(socket, { preAuth, running: 0, authenticated: 0, queue: lane });
    this.#preAuthPool.add(preAuth);
    socket.on("close", () => {
      lane.forget();
      this.#removeHttpSocket(socket);
    });
  }

  /** The socket left the pre-auth state of HTTP: it was upgraded, closed, or destroyed. */
  #removeHttpSocket(socket: Socket): HttpSocket | undefined {
    const http = this.#httpSockets.get(socket);
    if (http) this.#preAuthPool.remove(http.preAuth);
    this.#httpSockets.delete(socket);
    return http;
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const http = this.#httpSockets.get(socket);
    // Pipelined behind our last word.
    if (!http) return void socket.destroy();
    http.running++;
    if (http.authenticated === 0) this.#preAuthPool.markAwaitingAnswer(http.preAuth);
    let proved = false;
    response.on("close", () => this.#onAnswered(socket, http, proved));
    const prove = (): void => {
      proved = true;
      http.authenticated++;
      this.#preAuthPool.remove(http.preAuth);
      this.#sockets.setState(socket, "exchange");
    };
    http.queue.add(() => void this.#router.handle(request, response, prove));
  }

  /** When nothing is running on it any more, the socket starts over, as the newest pre-auth connection. */
  #onAnswered(socket: Socket, http: HttpSocket, proved: boolean): void {
    http.running--;
    if (proved) http.authenticated--;
    http.queue.finish();
    if (socket.destroyed || !this.#httpSockets.has(socket) || http.authenticated > 0) return;
    this.#sockets.setState(socket, "pre-auth");
    this.#preAuthPool.remove(http.preAuth);
    http.preAuth.awaitingAnswer = false;
    this.#preAuthPool.add(http.preAuth);
    if (http.running > 0) this.#preAuthPool.markAwaitingAnswer(http.preAuth);
  }

  #onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const before = this.#removeHttpSocket(socket);
    socket.on("error", () => socket.destroy());
    const refuse = (status: number, type: string, message: string): void =>
      this.#respondAndClose(socket, status, { error: { message, type } });
    if ((before?.running ?? 0) > 0) return refuse(400, "bad_upgrade", "an upgrade must not follow a request that is not answered yet");
    if (this.#stopping || !this.#context) return refuse(503, "unavailable", "the gateway is not serving");
    const screened = this.#router.screen(request, refuse);
    if (!screened) return;
    const fault = invalidUpgradeReason(request);
    if (fault !== null) return refuse(400, "bad_upgrade", fault);
    const path = stripBasePath(request.url ?? "", this.#deps.basePath).split("?")[0]!;
    if (!WS_PATHS.has(path) && !(this.#deps.official !== null && OFFICIAL_WS_PATHS.has(path)))
      return refuse(404, "not_found", "this path takes no WebSocket connections");
    // eslint-disable-next-line no-new -- it lives by its socket
    new ClientConnection(this.#context, screened.facts, { request, socket, head, remote: screened.peer });
  }

  #onClientError(err: Error & { code?: string }, socket: Socket): void {
    // Without a place it has not finished its TLS handshake.
    if (!socket.writable || !this.#httpSockets.has(socket)) return void socket.destroy();
    const status = err.code === "HPE_HEADER_OVERFLOW" ? 431 : err.code === "ERR_HTTP_REQUEST_TIMEOUT" ? 408 : 400;
    this.#respondAndClose(socket, status, { error: { message: "invalid HTTP request", type: "bad_request" } });
  }

  /** Answers on a socket that has no response object, and lets it go: after a grace it is destroyed, whatever the peer does. */
  #respondAndClose(socket: Socket, status: number, body: unknown): void {
    this.#removeHttpSocket(socket);
    socket.end(rawResponse(status, body));
    socket.resume();
    this.#sockets.close(socket);
  }

  /** One timer each for all sockets; they do nothing while no client is connected. */
  #startTimers(): void {
    const late = (err: unknown): void => this.#deps.log.error("a regular task of the server failed", { cause: reasonOf(err) });
    let ticks = 0;
    const tellTime = (): void => {
      if (this.hub.size === 0) return;
      const withHealth = ++ticks % HEALTH_TICKS === 0;
      this.hub.publish("tick", { ts: this.#deps.clock.now() }, { droppable: true, alone: !withHealth });
      const stateVersion = this.#deps.stateVersion();
      if (withHealth) this.hub.publish("health", this.#deps.health(), { scope: "operator.read", droppable: true, stateVersion });
    };
    const tick = setInterval(contain(late, tellTime), LIMITS.tickMs);
    const ping = setInterval(
      contain(late, () => this.hub.pingRemote()),
      LIMITS.pingMs,
    );
    for (const timer of [tick, ping]) {
      timer.unref();
      this.#timers.push(timer);
    }
  }

  presenceChanged(): void {
    if (this.#stopping) return;
    // What a change costs grows with the square of the clients: the more there are, the more changes are published together.
    const delayMs = Math.min(LIMITS.presenceMs * Math.max(1, this.hub.peers().length / 8), LIMITS.presenceMaxMs);
    this.#cancelPresence ??= this.#deps.clock.after(delayMs, () => {
      this.#cancelPresence = null;
      const stateVersion = this.#deps.stateVersion();
      this.hub.publish("presence", this.#deps.presence(), { scope: "operator.read", droppable: true, stateVersion });
    });
  }

  async #closeListeners(listeners: readonly HttpServer[] = this.#listeners): Promise<void> {
    const closing = listeners.map(async (listener) => {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      listener.closeIdleConnections();
      let late: NodeJS.Timeout | undefined;
      await Promise.race([closed, new Promise((resolve) => (late = setTimeout(resolve, LIMITS.stopMs)))]);
      clearTimeout(late);
      listener.closeAllConnections();
    });
    await Promise.all(closing);
    this.#listeners = this.#listeners.filter((listener) => !listeners.includes(listener));
  }
}

const HTTP_OPTIONS = {
  maxHeaderSize: LIMITS.httpHeadBytes,
  headersTimeout: LIMITS.httpHeadMs,
  requestTimeout: 0,
  connectionsCheckingInterval: LIMITS.httpHeadMs,
  keepAliveTimeout: 5_000,
  noDelay: true,
  insecureHTTPParser: false,
};

function listenOn(listener: HttpServer, address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    listener.once("error", reject);
    listener.listen({ host: address, port, ipv6Only: address.includes(":") }, () => {
      listener.off("error", reject);
      resolve((listener.address() as AddressInfo).port);
    });
  });
}

const STATUS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
  503: "Service Unavailable",
};

function rawResponse(status: number, body: unknown): string {
  const text = JSON.stringify(body);
  return `HTTP/1.1 ${status} ${STATUS[status]}\r\nContent-Type: application/json; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
}
