/** A protocol v4 client for browsers: one socket, a signed handshake, requests, events in order, calm reconnects. */
import { CLOSE_CODES, isRestartClose } from "../../src/protocol/close-codes.ts";
import { backoffMs } from "./backoff.ts";
import { deviceSignaturePayload } from "./device-identity.ts";
import { toConnectFailure } from "./connect-failure.ts";
import type { CredentialStore, PageCredential } from "./credentials.ts";
import type { PageDeviceIdentity } from "./device-identity.ts";
import type { ConnectFailure } from "./connect-failure.ts";
import type { EventFrame, HelloPayload, ResponseFrame, ServerFrame, ProtocolError } from "./protocol-types.ts";

const CLIENT_ID = "webchat-ui";
const CLIENT_MODE = "webchat";
const ROLE = "operator";
const SCOPES = ["operator.admin", "operator.read", "operator.write", "operator.approvals", "operator.pairing"];
const CAPS = ["tool-events", "session-scoped-events"];
const HANDSHAKE_MS = 15_000;
const REQUEST_MS = 30_000;
const DEFAULT_TICK_MS = 30_000;
const MISSED_TICKS = 2.2;

export type ConnectionStatus =
  | { phase: "connecting"; attempt: number }
  | { phase: "online"; hello: HelloPayload }
  | { phase: "waiting"; attempt: number; retryAtMs: number; failure: ConnectFailure | null; restarting: boolean }
  | { phase: "stopped"; failure: ConnectFailure };

/** A refused request (`code` from the server) or a lost connection (`code` is CONNECTION_LOST). */
export class RequestError extends Error {
  readonly code: string;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  /** What the person can do, in the words of the gateway. */
  readonly fix: string | null;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(error: ProtocolError) {
    super(error.message);
    this.name = "RequestError";
    this.code = error.code;
    this.retryable = error.retryable === true;
    this.retryAfterMs = error.retryAfterMs;
    this.details = error.details ?? {};
    const { fix } = this.details;
    this.fix = typeof fix === "string" ? fix : null;
  }
}

export const isConnectionLost = (error: unknown): boolean => error instanceof RequestError && error.code === "CONNECTION_LOST";
const connectionLostError = (): RequestError =>
  new RequestError({ code: "CONNECTION_LOST", message: "The connection was lost before the answer came." });

export type GatewayClientOptions = {
  url: string;
  version: string;
  instanceId: string;
  identity: PageDeviceIdentity | null;
  access: CredentialStore;
  onLink: (link: ConnectionStatus) => void;
  onEvent: (event: EventFrame) => void;
  /** Events were missed: what is shown must be read again. */
  onGap: () => void;
};

type PendingRequest = { resolve: (payload: unknown) => void; reject: (error: Error) => void; timer: ReturnType<typeof setTimeout> };

export class GatewayClient {
  readonly #options: GatewayClientOptions;
  readonly #waiting = new Map<string, PendingRequest>();
  #socket: WebSocket | null = null;
  #hello: HelloPayload | null = null;
  #attempt = 0;
  #nextId = 1;
  #seq = 0;
  #restarting = false;
  /** The gateway has asked for a break; nothing shortens it. */
  #retryNotBefore = false;
  #lastReceivedAtMs = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setTimeout> | undefined;

  constructor(options: GatewayClientOptions) {
    this.#options = options;
  }

  /** Connects, and stays connected until the gateway says that it is useless or `stop` is called. */
  start(): void {
    this.#attempt = 0;
    this.#open();
  }

  stop(): void {
    clearTimeout(this.#retry);
    this.#closeSocket(CLOSE_CODES.normal);
  }

  /** A hint that the network is back, or that somebody looks at the page: do not wait for the timer. */
  wake(): void {
    if (this.#retry !== undefined) {
      if (this.#retryNotBefore) return;
      this.#attempt = 0;
      this.#open();
    } else if (this.#hello !== null && Date.now() - this.#lastReceivedAtMs > this.#tickMs()) {
      this.#probe();
    }
  }

  /** Resolves to the payload; rejects with RequestError. */
  request<T>(method: string, params: unknown, timeoutMs = REQUEST_MS): Promise<T> {
    if (this.#hello === null) return Promise.reject(connectionLostError());
    return this.#send(method, params, timeoutMs) as Promise<T>;
  }

  #open(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#closeSocket(CLOSE_CODES.normal);
    this.#options.onLink({ phase: "connecting", attempt: this.#attempt });
    const socket = new WebSocket(this.#options.url);
    this.#socket = socket;
    const deadline = setTimeout(() => this.#rejectPending(socket), HANDSHAKE_MS);
    socket.addEventListener("message", (message) => {
      if (socket !== this.#socket || typeof message.data !== "string") return;
      this.#lastReceivedAtMs = Date.now();
      const frame = JSON.parse(message.data) as ServerFrame;
      if (frame.type === "event" && frame.event === "connect.challenge") void this.#connect(socket, frame, deadline);
      else if (frame.type === "event") this.#receive(frame);
      else this.#settle(frame);
    });
    socket.addEventListener("close", (event) => {
      clearTimeout(deadline);
      if (socket === this.#socket) this.#onClose(event);
    });
  }

  async #connect(socket: WebSocket, challenge: EventFrame, deadline: ReturnType<typeof setTimeout>): Promise<void> {
    const secret = this.#options.access.current();
    try {
      const params = await this.#toConnectParams(secret, challenge.payload as { nonce: string; ts: number });
      const hello = (await this.#send("connect", params, HANDSHAKE_MS)) as HelloPayload;
      clearTimeout(deadline);
      await this.#options.access.onAccepted(hello.auth.deviceToken);
      if (socket !== this.#socket) return;
      this.#hello = hello;
      this.#attempt = 0;
      this.#restarting = false;
      this.#checkHeartbeat();
      this.#options.onLink({ phase: "online", hello });
    } catch (error) {
      if (socket !== this.#socket) return;
      if (error instanceof ConnectRejectedError) await this.#onConnectRejected(error.wire, secret);
      else if (!isConnectionLost(error)) {
        console.error("The handshake failed.", error);
        this.#rejectPending(socket);
      }
    }
  }

  async #toConnectParams(secret: PageCredential, challenge: { nonce: string; ts: number }): Promise<unknown> {
    const { identity, version, instanceId } = this.#options;
    const platform = navigator.platform || "browser";
    const fields = {
      clientId: CLIENT_ID,
      clientMode: CLIENT_MODE,
      role: ROLE,
      scopes: SCOPES,
      signedAt: challenge.ts,
      nonce: challenge.nonce,
    };
    const device = identity && {
      id: identity.id,
      publicKey: identity.publicKey,
      signedAt: challenge.ts,
      nonce: challenge.nonce,
      signature: await identity.sign(deviceSignaturePayload(identity.id, { ...fields, token: secret.value, platform })),
    };
    return {
      minProtocol: 4,
      maxProtocol: 4,
      client: {
        id: CLIENT_ID,
        version,
        platform,
        mode: CLIENT_MODE,
        instanceId,
        timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      },
      role: ROLE,
      scopes: SCOPES,
      caps: CAPS,
      auth: toAuth(secret),
      ...(device === null ? {} : { device }),
      locale: navigator.language,
      userAgent: navigator.userAgent,
    };
  }

  async #onConnectRejected(wire: ProtocolError, secret: PageCredential): Promise<void> {
    const failure = toConnectFailure(wire, { origin: location.origin, kind: secret.kind });
    this.#closeSocket(CLOSE_CODES.normal);
    if (failure.action === "signin") {
      const another = await this.#options.access.onRefused(secret.kind, failure.clearDevice);
      if (another) return this.#open();
      return this.#options.onLink({ phase: "stopped", failure });
    }
    if (failure.action === "stop") return this.#options.onLink({ phase: "stopped", failure });
    this.#scheduleReconnect(failure);
  }

  #scheduleReconnect(failure: ConnectFailure | null): void {
    this.#retryNotBefore = failure?.code === "AUTH_RATE_LIMITED";
    const delayMs = failure?.retryMs ?? backoffMs(this.#attempt, Math.random());
    this.#options.onLink({
      phase: "waiting",
      attempt: this.#attempt,
      retryAtMs: Date.now() + delayMs,
      failure,
      restarting: this.#restarting,
    });
    this.#attempt += 1;
    this.#retry = setTimeout(() => this.#open(), delayMs);
  }

  #onClose(event: CloseEvent): void {
    if (isRestartClose(event.code)) this.#restarting = true;
    this.#closeSocket(CLOSE_CODES.normal);
    this.#scheduleReconnect(null);
  }

  /** Gives up on a socket that no longer answers, without waiting for its close event: a dead network never sends one. */
  #rejectPending(socket: WebSocket | null): void {
    if (socket === null || socket !== this.#socket) return;
    this.#closeSocket(CLOSE_CODES.unresponsive);
    this.#scheduleReconnect(null);
  }

  /** Lets go of the socket; every open request fails as lost. */
  #closeSocket(code: number): void {
    clearTimeout(this.#watch);
    const socket = this.#socket;
    this.#socket = null;
    this.#hello = null;
    this.#seq = 0;
    socket?.close(code);
    const open = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const waiting of open) {
      clearTimeout(waiting.timer);
      waiting.reject(connectionLostError());
    }
  }

  #send(method: string, params: unknown, timeoutMs: number): Promise<unknown> {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return Promise.reject(connectionLostError());
    const id = `${this.#nextId++}:${this.#options.instanceId}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new RequestError({ code: "TIMEOUT", message: "The gateway did not answer in time.", retryable: true }));
      }, timeoutMs);
      this.#waiting.set(id, { resolve, reject, timer });
      socket.send(JSON.stringify({ type: "req", id, method, params }));
    });
  }

  #settle(frame: ResponseFrame): void {
    const waiting = this.#waiting.get(frame.id);
    if (waiting === undefined) return;
    this.#waiting.delete(frame.id);
    clearTimeout(waiting.timer);
    const error = frame.error ?? { code: "UNAVAILABLE", message: "The gateway refused without a reason." };
    if (frame.ok) waiting.resolve(frame.payload);
    else waiting.reject(this.#hello === null ? new ConnectRejectedError(error) : new RequestError(error));
  }

  #receive(frame: EventFrame): void {
    if (frame.seq !== undefined) {
      const missed = frame.seq > this.#seq + 1;
      this.#seq = frame.seq;
      if (missed) this.#options.onGap();
    }
    if (frame.event === "shutdown") this.#restarting = true;
    this.#options.onEvent(frame);
  }

  #tickMs(): number {
    return this.#hello?.policy.tickIntervalMs ?? DEFAULT_TICK_MS;
  }

  /** The gateway ticks; when it has been silent for two ticks, the connection is dead even if nobody said so. */
  #checkHeartbeat(): void {
    clearTimeout(this.#watch);
    const allowedMs = this.#tickMs() * MISSED_TICKS;
    const silentMs = Date.now() - this.#lastReceivedAtMs;
    if (silentMs >= allowedMs) return this.#rejectPending(this.#socket);
    this.#watch = setTimeout(() => this.#checkHeartbeat(), allowedMs - silentMs + 50);
  }

  /** Asks for a sign of life and reconnects when none comes. */
  #probe(): void {
    const socket = this.#socket;
    this.request("health", {}, 4_000).catch((error: unknown) => {
      if (error instanceof RequestError && error.code === "TIMEOUT") this.#rejectPending(socket);
    });
  }
}

class ConnectRejectedError extends RequestError {
  readonly wire: ProtocolError;

  constructor(wire: ProtocolError) {
    super(wire);
    this.wire = wire;
  }
}

function toAuth(secret: PageCredential): Record<string, string> {
  if (secret.kind === "link") return { bootstrapToken: secret.value };
  if (secret.kind === "device") return { token: secret.value, deviceToken: secret.value };
  // One field takes both: the gateway compares with whichever it is configured for.
  if (secret.kind === "token") return { token: secret.value, password: secret.value };
  return {};
}
