import { PROTOCOL_VERSION } from "../core/version.ts";
import { CLOSE_CODES } from "../protocol/close-codes.ts";
import { ClientError, kindOfConnectError, type ResponseError } from "./errors.ts";
import { toSignedText } from "./signed-text.ts";
import { Silence } from "./silence.ts";

/** The WebSocket below a client: `ws` in Node, the browser's own on the page. */
export type Transport = {
  isOpen(): boolean;
  send(text: string): void;
  /** Starts the closing handshake. */
  close(code: number): void;
  /** Ends the connection at once and reports `closed`. A transport that can still send a close frame sends `code`. */
  terminate(code?: number): void;
};

/** What a transport reports, never before its constructor has returned. */
export type TransportEvents = {
  message(text: string): void;
  /** A sign of life that is not a message. */
  alive(): void;
  failed(err: ClientError): void;
  /** Once. */
  closed(code: number, reason: string): void;
};

/** Signs for a device key. */
export type DeviceSigner = {
  /** Lower-case hex SHA-256 of the raw public key. */
  readonly id: string;
  /** The raw 32 bytes, base64url. */
  readonly publicKey: string;
  /** The Ed25519 signature, base64url. */
  sign(text: string): string | Promise<string>;
};

export type ConnectRequest = {
  client: { id: string; mode: string; version: string; platform: string } & Readonly<Record<string, string>>;
  role: string;
  scopes: readonly string[];
  caps: readonly string[];
  /** Fields of `auth`; empty without a credential. */
  auth: Readonly<Record<string, string>>;
  /** The credential that the device signature covers; never the password of a person. */
  signedToken: string;
  device: DeviceSigner | null;
  /** Further fields of `connect`, e.g. `locale`. */
  extra?: Readonly<Record<string, unknown>>;
};

export type ProtocolClientSetup = {
  url: string;
  transport: (events: TransportEvents) => Transport;
  connect: ConnectRequest;
  /** Makes request ids unique across connections. */
  newId: () => string;
  /** From the first packet to hello-ok. */
  connectTimeoutMs: number;
  /** Default deadline of a request. */
  requestTimeoutMs: number;
  /** Requests that wait at the same time; more are refused. */
  maxPending: number;
  signal?: AbortSignal | undefined;
  /** The `seq` of an event is not the next one: events were missed. */
  onGap?: () => void;
};

export type ServerEvent = { event: string; payload: unknown; seq?: number; stateVersion?: { presence: number; health: number } };

/** The fields of hello-ok that clients of this project read. */
export type GatewayHello = {
  protocol: number;
  server: { version: string; connId: string; bootId?: string };
  features: { methods: string[]; events: string[] };
  snapshot: { uptimeMs: number; sessionDefaults?: { defaultAgentId?: string; mainSessionKey?: string } } & Record<string, unknown>;
  auth: { role: string; scopes: string[]; method?: string; deviceToken?: string };
  policy: { maxPayload: number; tickIntervalMs: number; attachments?: { maxBytes?: number; maxImageBytes?: number } };
};

export type RequestOptions = {
  /** Deadline of the (last) answer in milliseconds; 0 waits as long as the connection lasts. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** W3C trace context of the caller, which the gateway continues. */
  traceparent?: string;
  /** Makes the call two-stage: called with the first answer ("accepted"); the call resolves with the second. */
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

/** Ticks of the gateway that may be missing before the connection counts as dead. */
const MISSED_TICKS = 2.2;

/** One connection to a gateway over protocol v4: handshake, requests, events and the check for signs of life. Runs in Node and in browsers. */
export class ProtocolClient {
  readonly url: string;
  /** Resolves once, when the connection has ended for whatever reason. */
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #setup: ProtocolClientSetup;
  readonly #transport: Transport;
  readonly #pending = new Map<string, PendingRequest>();
  readonly #listeners = new Set<(event: ServerEvent) => void>();
  #settle: ((err?: ClientError) => void) | null;
  #hello: GatewayHello | null = null;
  #nextId = 1;
  #seq = 0;
  readonly #silence = new Silence();
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #tickWatch: ReturnType<typeof setTimeout> | undefined;

  /** `settle` is called once: without an error after hello-ok, with one when the connection failed before it. */
  constructor(setup: ProtocolClientSetup, settle: (err?: ClientError) => void) {
    this.url = setup.url;
    this.#setup = setup;
    this.#settle = settle;
    const { connectTimeoutMs: timeoutMs, signal } = setup;
    const onAbort = (): void => this.#fail(new ClientError("closed", "cancelled"));
    const ended = Promise.withResolvers<{ code: number; reason: string }>();
    this.closed = ended.promise;
    this.#transport = setup.transport({
      message: (text) => {
        this.#silence.end();
        this.#onFrame(text);
      },
      alive: () => this.#silence.end(),
      failed: (err) => this.#fail(err),
      closed: (code, reason) => {
        clearTimeout(this.#deadline);
        clearTimeout(this.#tickWatch);
        signal?.removeEventListener("abort", onAbort);
        this.#onClose(code, reason);
        ended.resolve({ code, reason });
      },
    });
    this.#deadline = setTimeout(() => this.#fail(new ClientError("timeout", `no handshake within ${timeoutMs} ms`)), timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
  }

  /** What the gateway said about itself and about this connection. */
  get hello(): GatewayHello {
    if (!this.#hello) throw new ClientError("closed", "not connected yet");
    return this.#hello;
  }

  /** For how long the gateway was not heard. */
  get silentMs(): number {
    return this.#silence.ms;
  }

  /** Whether the gateway serves `method`. */
  serves(method: string): boolean {
    return this.hello.features.methods.includes(method);
  }

  /** Calls a method. Rejects with ClientError `request`, `timeout` or `closed`. */
  request<T = unknown>(method: string, params: unknown = {}, options: RequestOptions = {}): Promise<T> {
    if (!this.#hello || !this.#transport.isOpen()) return Promise.reject(new ClientError("closed", "the connection is closed"));
    return this.#send(method, params, options) as Promise<T>;
  }

  /** Returns the function that ends the subscription. Events that come before the first listener are lost. */
  on(listener: (event: ServerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Ends the connection; waiting requests reject with `closed`. Resolves when it is down. */
  async close(): Promise<void> {
    this.#transport.close(CLOSE_CODES.normal);
    await this.closed;
  }

  /** Ends the connection without the closing handshake, for one that no longer answers. */
  terminate(code?: number): void {
    this.#transport.terminate(code);
  }

  #send(method: string, params: unknown, options: RequestOptions): Promise<unknown> {
    if (this.#pending.size >= this.#setup.maxPending) return Promise.reject(new ClientError("closed", "too many requests are waiting"));
    const id = `${this.#nextId++}:${this.#setup.newId()}`;
    const timeoutMs = options.timeoutMs ?? this.#setup.requestTimeoutMs;
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
      this.#transport.send(JSON.stringify({ type: "req", id, method, params, traceparent: options.traceparent }));
      if (options.signal?.aborted) onAbort();
    });
  }

  #takePending(id: string): PendingRequest | undefined {
    const waiting = this.#pending.get(id);
    this.#pending.delete(id);
    waiting?.release();
    return waiting;
  }

  #onFrame(text: string): void {
    const frame = parseFrame(text);
    if (!frame) return this.#fail(new ClientError("handshake", "the answer is not protocol v4"));
    if (frame.type === "res") return this.#onResponse(frame as unknown as ResponseFrame);
    if (frame.type !== "event") return;
    if (frame.event === "connect.challenge") return void this.#handshake(frame.payload as { nonce: string; ts: number });
    const { seq } = frame as Partial<ServerEvent>;
    if (seq !== undefined) {
      const missed = seq > this.#seq + 1;
      this.#seq = seq;
      if (missed) this.#setup.onGap?.();
    }
    for (const listener of this.#listeners) listener(frame as ServerEvent);
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

  async #handshake(challenge: { nonce: string; ts: number }): Promise<void> {
    try {
      const params = await toConnectParams(this.#setup.connect, challenge);
      const hello = (await this.#send("connect", params, { timeoutMs: 0 })) as GatewayHello;
      clearTimeout(this.#deadline);
      this.#hello = hello;
      this.#watchTicks(hello.policy.tickIntervalMs);
      this.#settle?.();
      this.#settle = null;
    } catch (err) {
      if (err instanceof ClientError && err.response) this.#fail(toConnectError(err, err.response));
      else if (err instanceof ClientError) this.#fail(err);
      else this.#fail(new ClientError("handshake", "the handshake failed", { cause: err }));
    }
  }

  /** A gateway that is silent for two ticks is gone, even when the system still reports the connection as open. */
  #watchTicks(tickMs: number): void {
    const allowedMs = tickMs * MISSED_TICKS;
    const check = (): void => {
      const { silentMs } = this;
      if (silentMs >= allowedMs) return this.#transport.terminate();
      this.#tickWatch = setTimeout(check, allowedMs - silentMs + 50);
      // Node: the check keeps no process alive.
      (this.#tickWatch as { unref?: () => void }).unref?.();
    };
    check();
  }

  #fail(err: ClientError): void {
    this.#settle?.(err);
    this.#settle = null;
    this.#transport.terminate();
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

/** The params of `connect`: client, requested role and scopes, credential, device proof. */
async function toConnectParams(
  { client, role, scopes, caps, auth, signedToken, device, extra }: ConnectRequest,
  { nonce, ts: signedAt }: { nonce: string; ts: number },
): Promise<Record<string, unknown>> {
  const signature = await device?.sign(
    toSignedText(device.id, {
      clientId: client.id,
      clientMode: client.mode,
      role,
      scopes,
      signedAt,
      token: signedToken,
      nonce,
      platform: client.platform,
      ...(client["deviceFamily"] !== undefined && { deviceFamily: client["deviceFamily"] }),
    }),
  );
  return {
    minProtocol: PROTOCOL_VERSION,
    maxProtocol: PROTOCOL_VERSION,
    client,
    role,
    scopes,
    caps,
    ...(Object.keys(auth).length > 0 && { auth }),
    ...(device && { device: { id: device.id, publicKey: device.publicKey, signature, signedAt, nonce } }),
    ...extra,
  };
}

function toRequestError(method: string, response: ResponseError | undefined): ClientError {
  const error = response ?? { code: "UNAVAILABLE", message: "the gateway gave no reason" };
  return new ClientError("request", method === "connect" ? error.message : `${method}: ${error.message}`, { response: error });
}

const toConnectError = (err: ClientError, response: ResponseError): ClientError =>
  new ClientError(kindOfConnectError(response), err.message, { response, cause: err });
