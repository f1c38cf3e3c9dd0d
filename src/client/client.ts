import { randomUUID } from "node:crypto";
import WebSocket from "ws";
import { verifyIdentityProof, NONCE_HEADER, PROOF_HEADER, type Endpoint } from "../core/identity-proof.ts";
import { LIMITS } from "../core/limits.ts";
import type { Secret } from "../core/secret.ts";
import { PROTOCOL_VERSION, VERSION } from "../core/version.ts";
import { CLOSE_CODES } from "../protocol/close-codes.ts";
import { toDeviceProof, type DeviceIdentity } from "./device.ts";
import { ClientError, kindOfConnectError, type ResponseError } from "./errors.ts";

export type Credentials = {
  /** Shared token, named token or device token. */
  token?: Secret;
  password?: Secret;
};

export type ProtocolClientOptions = {
  /** `ws://` or `wss://`. */
  url: string;
  credentials?: Credentials;
  /** Proves a device key besides the credential; a remote gateway asks for it. */
  device?: DeviceIdentity;
  /**
   * The key of the gateway that is meant, asked for at each connection. Nothing is sent to a listener that does not prove that it holds
   * this key; null: to no listener at all.
   */
  identity?: () => Secret | null;
  /** How the gateway's lists show this client. */
  client?: { id?: string; mode?: string; displayName?: string; instanceId?: string };
  role?: "operator" | "node";
  scopes?: readonly string[];
  caps?: readonly string[];
  /** From the first packet to hello-ok. Default LIMITS.clientConnectMs. */
  connectTimeoutMs?: number;
  /** Default deadline of a request. Default LIMITS.clientRequestMs. */
  requestTimeoutMs?: number;
  signal?: AbortSignal;
};

export type ServerEvent = { event: string; payload: unknown; seq?: number; stateVersion?: { presence: number; health: number } };

/** The parts of hello-ok that a client uses; the rest is there as well. */
export type GatewayHello = {
  protocol: number;
  server: { version: string; connId: string; bootId?: string };
  features: { methods: string[]; events: string[] };
  snapshot: { uptimeMs: number; sessionDefaults?: { defaultAgentId?: string; mainSessionKey?: string } } & Record<string, unknown>;
  auth: { role: string; scopes: string[]; method?: string; deviceToken?: string };
  policy: { maxPayload: number; tickIntervalMs: number };
};

export type RequestOptions = {
  /** Deadline of the (last) answer in milliseconds; 0 waits as long as the connection lasts. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Makes the call two-stage: told about the first answer ("accepted"), and the call resolves with the second. */
  onAccepted?: (payload: unknown) => void;
};

type PendingRequest = {
  method: string;
  resolve: (payload: unknown) => void;
  reject: (err: ClientError) => void;
  onAccepted: ((payload: unknown) => void) | undefined;
  release: () => void;
};
type ResponseFrame = { id: string; ok: boolean; payload?: unknown; error?: ResponseError };

/**
 * Connects and resolves after hello-ok. Rejects with ClientError: `unreachable`, `unproven`, `auth`, `pairing`, `starting`, `handshake` or
 * `timeout`. The connection is the caller's to close.
 */
export function openClient(options: ProtocolClientOptions): Promise<ProtocolClient> {
  return new Promise((resolve, reject) => {
    const client = new ProtocolClient(options, (err) => {
      if (err) reject(err);
      else resolve(client);
    });
  });
}

/** One connection to a gateway over protocol v4. */
export class ProtocolClient {
  readonly url: string;
  /** Resolves once, when the connection has ended for whatever reason. */
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #options: ProtocolClientOptions;
  readonly #socket: WebSocket;
  readonly #pending = new Map<string, PendingRequest>();
  readonly #listeners = new Set<(event: ServerEvent) => void>();
  #settle: ((err?: ClientError) => void) | null;
  #hello: GatewayHello | null = null;
  #nextId = 1;
  #lastSeenAt = 0;
  #tickWatch: NodeJS.Timeout | undefined;

  constructor(options: ProtocolClientOptions, settle: (err?: ClientError) => void) {
    this.url = options.url;
    this.#options = options;
    this.#settle = settle;
    const timeoutMs = options.connectTimeoutMs ?? LIMITS.clientConnectMs;
    const nonce = randomUUID().replaceAll("-", "");
    this.#socket = toSocket(options.url, timeoutMs, options.identity ? { [NONCE_HEADER]: nonce } : {});
    this.#socket.on("upgrade", ({ headers, socket }: Upgrade) => {
      const key = options.identity?.();
      if (key === undefined || (key !== null && verifyIdentityProof(headers[PROOF_HEADER], key, nonce, remoteEnd(socket)))) return;
      this.#fail(new ClientError("unproven", "the program that listens there did not prove that it is this gateway"));
    });
    const deadline = setTimeout(() => this.#fail(new ClientError("timeout", `no handshake within ${timeoutMs} ms`)), timeoutMs);
    const onAbort = (): void => this.#fail(new ClientError("closed", "cancelled"));
    options.signal?.addEventListener("abort", onAbort, { once: true });
    this.closed = new Promise((resolve) => {
      this.#socket.on("close", (code: number, reason: Buffer) => {
        clearTimeout(deadline);
        clearInterval(this.#tickWatch);
        options.signal?.removeEventListener("abort", onAbort);
        this.#onClose(code, reason.toString());
        resolve({ code, reason: reason.toString() });
      });
    });
    this.#socket.on("error", (err: NodeJS.ErrnoException) => this.#fail(toUnreachableError(err)));
    this.#socket.on("message", (data: Buffer) => {
      this.#lastSeenAt = Date.now();
      this.#onFrame(data.toString(), () => clearTimeout(deadline));
    });
    this.#socket.on("ping", () => (this.#lastSeenAt = Date.now()));
    if (options.signal?.aborted) onAbort();
  }

  /** What the gateway said about itself and about this connection. */
  get hello(): GatewayHello {
    if (!this.#hello) throw new ClientError("closed", "not connected yet");
    return this.#hello;
  }

  /** Whether the gateway serves `method`. */
  serves(method: string): boolean {
    return this.hello.features.methods.includes(method);
  }

  /** Calls a method. Rejects with ClientError `request`, `timeout` or `closed`. */
  request<T = unknown>(method: string, params: unknown = {}, options: RequestOptions = {}): Promise<T> {
    if (!this.#hello || this.#socket.readyState !== WebSocket.OPEN)
      return Promise.reject(new ClientError("closed", "the connection is closed"));
    return this.#send(method, params, options) as Promise<T>;
  }

  /** Returns the function that ends the subscription. Events that come before the first listener are gone. */
  on(listener: (event: ServerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Ends the connection; waiting requests reject with `closed`. Resolves when it is down. */
  async close(): Promise<void> {
    this.#socket.close(CLOSE_CODES.normal);
    // A peer that does not answer the close frame must not keep a command alive.
    setTimeout(() => this.#socket.terminate(), LIMITS.clientCloseMs).unref();
    await this.closed;
  }

  #send(method: string, params: unknown, options: RequestOptions): Promise<unknown> {
    if (this.#pending.size >= LIMITS.clientPendingRequests)
      return Promise.reject(new ClientError("closed", "too many requests are waiting"));
    const id = `${this.#nextId++}:${randomUUID()}`;
    const timeoutMs = options.timeoutMs ?? this.#options.requestTimeoutMs ?? LIMITS.clientRequestMs;
    return new Promise((resolve, reject) => {
      const drop = (err: ClientError): void => {
        this.#takePending(id);
        reject(err);
      };
      const timer =
        timeoutMs > 0
          ? setTimeout(() => drop(new ClientError("timeout", `${method}: no answer within ${timeoutMs} ms`)), timeoutMs)
          : undefined;
      const onAbort = (): void => drop(new ClientError("closed", `${method}: cancelled`));
      options.signal?.addEventListener("abort", onAbort, { once: true });
      const release = (): void => {
        clearTimeout(timer);
        options.signal?.removeEventListener("abort", onAbort);
      };
      this.#pending.set(id, { method, resolve, reject, onAccepted: options.onAccepted, release });
      this.#socket.send(JSON.stringify({ type: "req", id, method, params }));
      if (options.signal?.aborted) onAbort();
    });
  }

  #takePending(id: string): PendingRequest | undefined {
    const waiting = this.#pending.get(id);
    this.#pending.delete(id);
    waiting?.release();
    return waiting;
  }

  #onFrame(text: string, onHello: () => void): void {
    const frame = parseFrame(text);
    if (!frame) return this.#fail(new ClientError("handshake", "the answer is not protocol v4"));
    if (frame.type === "event") {
      if (frame.event === "connect.challenge") return void this.#handshake(frame.payload as { nonce: string; ts: number }, onHello);
      for (const listener of this.#listeners) listener(frame as ServerEvent);
      return;
    }
    if (frame.type === "res") this.#onResponse(frame as unknown as ResponseFrame);
  }

  #onResponse(answer: ResponseFrame): void {
    const waiting = this.#pending.get(answer.id);
    if (!waiting) return;
    const accepted = answer.ok && (answer.payload as { status?: unknown } | null | undefined)?.status === "accepted";
    if (accepted && waiting.onAccepted) return waiting.onAccepted(answer.payload);
    this.#takePending(answer.id);
    if (answer.ok) waiting.resolve(answer.payload);
    else waiting.reject(toRequestError(waiting.method, answer.error));
  }

  async #handshake(challenge: { nonce: string; ts: number }, onHello: () => void): Promise<void> {
    try {
      const hello = (await this.#send("connect", toConnectParams(this.#options, challenge), { timeoutMs: 0 })) as GatewayHello;
      onHello();
      this.#hello = hello;
      this.#startTickWatch(hello.policy.tickIntervalMs);
      this.#settle?.();
      this.#settle = null;
    } catch (err) {
      if (err instanceof ClientError && err.kind === "request") this.#fail(toConnectError(err));
      else if (err instanceof ClientError) this.#fail(err);
      else this.#fail(new ClientError("handshake", "the handshake failed", { cause: err }));
    }
  }

  /** A gateway that is silent for two ticks is gone even when the system still thinks the connection is up. */
  #startTickWatch(tickMs: number): void {
    this.#tickWatch = setInterval(() => {
      if (Date.now() - this.#lastSeenAt > 2 * tickMs) this.#socket.terminate();
    }, tickMs);
    this.#tickWatch.unref();
  }

  #fail(err: ClientError): void {
    this.#settle?.(err);
    this.#settle = null;
    this.#socket.terminate();
  }

  #onClose(code: number, reason: string): void {
    const said = reason ? `${reason} (${code})` : `code ${code}`;
    const kind = code === CLOSE_CODES.tryAgainLater ? "starting" : this.#hello ? "closed" : "unreachable";
    this.#settle?.(new ClientError(kind, `the gateway closed the connection: ${said}`, { closeCode: code }));
    this.#settle = null;
    for (const id of this.#pending.keys()) {
      const waiting = this.#takePending(id);
      waiting?.reject(
        new ClientError("closed", `${waiting.method}: the connection closed before the answer, ${said}`, { closeCode: code }),
      );
    }
  }
}

/** The parts of the answer to an upgrade that are looked at. */
type Upgrade = { headers: Readonly<Record<string, unknown>>; socket: { remoteAddress?: string; remotePort?: number } };

const remoteEnd = ({ remoteAddress, remotePort }: Upgrade["socket"]): Endpoint => ({ address: remoteAddress, port: remotePort });

function toSocket(url: string, timeoutMs: number, headers: Readonly<Record<string, string>>): WebSocket {
  try {
    return new WebSocket(url, {
      headers,
      perMessageDeflate: false,
      maxPayload: LIMITS.frameBytes,
      handshakeTimeout: timeoutMs,
      followRedirects: false,
    });
  } catch (err) {
    throw new ClientError("unreachable", "this is not a WebSocket URL", { cause: err });
  }
}

type Frame = { type: string; event?: string; payload?: unknown };

function parseFrame(text: string): Frame | null {
  try {
    const frame: unknown = JSON.parse(text);
    return typeof frame === "object" && frame !== null && "type" in frame ? (frame as Frame) : null;
  } catch (err) {
    if (err instanceof SyntaxError) return null;
    throw err;
  }
}

/** The params of `connect`: who asks, for what, and the proof. */
function toConnectParams(options: ProtocolClientOptions, challenge: { nonce: string; ts: number }): Record<string, unknown> {
  const role = options.role ?? "operator";
  const scopes = options.scopes ?? ["operator.read"];
  const client = {
    id: options.client?.id ?? "cli",
    mode: options.client?.mode ?? "cli",
    version: VERSION,
    platform: process.platform,
    ...(options.client?.displayName && { displayName: options.client.displayName }),
    ...(options.client?.instanceId && { instanceId: options.client.instanceId }),
  };
  const token = options.credentials?.token?.reveal();
  const password = options.credentials?.password?.reveal();
  const signed = {
    clientId: client.id,
    clientMode: client.mode,
    role,
    scopes,
    signedAtMs: challenge.ts,
    nonce: challenge.nonce,
    token: token ?? "",
    platform: client.platform,
    deviceFamily: "",
  };
  return {
    minProtocol: PROTOCOL_VERSION,
    maxProtocol: PROTOCOL_VERSION,
    client,
    role,
    scopes,
    caps: options.caps ?? [],
    ...((token || password) && { auth: { ...(token && { token }), ...(password && { password }) } }),
    ...(options.device && { device: toDeviceProof(options.device, signed) }),
  };
}

function toUnreachableError(err: NodeJS.ErrnoException): ClientError {
  const status = /Unexpected server response: (\d+)/.exec(err.message);
  if (status)
    return new ClientError("unreachable", `something answers there with HTTP ${status[1]}, but it is not a gateway`, { cause: err });
  return new ClientError("unreachable", reasonOfCode(err), { cause: err });
}

function reasonOfCode(err: NodeJS.ErrnoException): string {
  switch (err.code) {
    case "ECONNREFUSED":
      return "nothing listens there";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "the host name is not known";
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return "there is no way to that host";
    case "ETIMEDOUT":
      return "the host does not answer";
    case "ECONNRESET":
      return "the connection was cut";
    default:
      return err.message;
  }
}

function toRequestError(method: string, wire: ResponseError | undefined): ClientError {
  const error = wire ?? { code: "UNAVAILABLE", message: "the gateway gave no reason" };
  return new ClientError("request", method === "connect" ? error.message : `${method}: ${error.message}`, { wire: error });
}

function toConnectError(err: ClientError): ClientError {
  const wire: ResponseError = {
    code: err.code ?? "UNAVAILABLE",
    message: err.message,
    details: err.details,
    retryable: err.retryable,
    ...(err.retryAfterMs !== undefined && { retryAfterMs: err.retryAfterMs }),
  };
  return new ClientError(kindOfConnectError(wire), err.message, { wire, cause: err });
}
