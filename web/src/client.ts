/** The page's connection: the shared protocol client on the browser's WebSocket, with reconnects and the choice of a credential. */
import { ClientError } from "../../src/client/errors.ts";
import { ProtocolClient } from "../../src/client/protocol-client.ts";
import { CLOSE_CODES, isRestartClose } from "../../src/protocol/close-codes.ts";
import { backoffMs } from "./backoff.ts";
import { toConnectFailure } from "./connect-failure.ts";
import type { ConnectRequest, DeviceSigner, Transport, TransportEvents } from "../../src/client/protocol-client.ts";
import type { CredentialStore, PageCredential } from "./credentials.ts";
import type { ConnectFailure } from "./connect-failure.ts";
import type { EventFrame, HelloPayload, ProtocolError } from "../../src/client/conversation/protocol-types.ts";

const SCOPES = ["operator.admin", "operator.read", "operator.write", "operator.approvals", "operator.pairing"];
const CAPS = ["tool-events", "session-scoped-events"];
const HANDSHAKE_MS = 15_000;
const REQUEST_MS = 30_000;
const MAX_PENDING = 4_096;

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
  identity: DeviceSigner | null;
  access: CredentialStore;
  onLink: (link: ConnectionStatus) => void;
  onEvent: (event: EventFrame) => void;
  /** Events were missed: what is shown must be read again. */
  onGap: () => void;
};

export class GatewayClient {
  readonly #options: GatewayClientOptions;
  /** Set from the first packet to the end of the connection. */
  #client: ProtocolClient | null = null;
  #online = false;
  #attempt = 0;
  #restarting = false;
  /** The gateway asked for a pause; nothing shortens it. */
  #retryNotBefore = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(options: GatewayClientOptions) {
    this.#options = options;
  }

  /** Connects, and reconnects until the gateway refuses for good or `stop` is called. */
  start(): void {
    this.#attempt = 0;
    this.#open();
  }

  stop(): void {
    clearTimeout(this.#retry);
    this.#drop();
  }

  /** The network is back or the page became visible: reconnects at once, or checks whether the connection still works. */
  wake(): void {
    if (this.#retry !== undefined) {
      if (this.#retryNotBefore) return;
      this.#attempt = 0;
      this.#open();
    } else if (this.#client !== null && this.#online && this.#client.silentMs > this.#client.hello.policy.tickIntervalMs) {
      this.#probe(this.#client);
    }
  }

  /** Resolves to the payload; rejects with RequestError. */
  request<T>(method: string, params: unknown, timeoutMs = REQUEST_MS): Promise<T> {
    if (this.#client === null || !this.#online) return Promise.reject(connectionLostError());
    return this.#client.request<T>(method, params, { timeoutMs }).catch((error: unknown) => {
      throw toRequestError(error);
    });
  }

  #open(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#drop();
    this.#options.onLink({ phase: "connecting", attempt: this.#attempt });
    const { access, instanceId, url } = this.#options;
    const secret = access.current();
    const client = new ProtocolClient(
      {
        url,
        transport: (events) => openBrowserSocket(url, events),
        connect: this.#toConnectRequest(secret),
        newId: () => instanceId,
        connectTimeoutMs: HANDSHAKE_MS,
        requestTimeoutMs: REQUEST_MS,
        maxPending: MAX_PENDING,
        onGap: () => {
          if (client === this.#client) this.#options.onGap();
        },
      },
      (error) => void this.#onSettled(client, secret, error),
    );
    this.#client = client;
    client.on((event) => {
      if (client !== this.#client) return;
      if (event.event === "shutdown") this.#restarting = true;
      this.#options.onEvent({ type: "event", ...event });
    });
    void client.closed.then(({ code }) => {
      if (client === this.#client) this.#onClose(code);
    });
  }

  async #onSettled(client: ProtocolClient, secret: PageCredential, error: ClientError | undefined): Promise<void> {
    if (client !== this.#client) return;
    if (error?.response) return await this.#onConnectRejected(error.response, secret);
    if (error) {
      // Not a refusal: the connection failed, and its end starts the next attempt.
      if (error.kind === "handshake") console.error("The handshake failed.", error);
      return;
    }
    try {
      await this.#options.access.onAccepted(client.hello.auth.deviceToken);
    } catch (failure) {
      console.error("The handshake failed.", failure);
      return client.terminate();
    }
    if (client !== this.#client) return;
    this.#online = true;
    this.#attempt = 0;
    this.#restarting = false;
    this.#options.onLink({ phase: "online", hello: client.hello });
  }

  #toConnectRequest(secret: PageCredential): ConnectRequest {
    const { identity, version, instanceId } = this.#options;
    return {
      client: {
        id: "webchat-ui",
        version,
        platform: navigator.platform || "browser",
        mode: "webchat",
        instanceId,
        timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      },
      role: "operator",
      scopes: SCOPES,
      caps: CAPS,
      auth: toAuth(secret),
      signedToken: secret.value,
      device: identity,
      extra: { locale: navigator.language, userAgent: navigator.userAgent },
    };
  }

  async #onConnectRejected(response: ProtocolError, secret: PageCredential): Promise<void> {
    const failure = toConnectFailure(response, { origin: location.origin, kind: secret.kind });
    this.#drop();
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

  #onClose(code: number): void {
    if (isRestartClose(code)) this.#restarting = true;
    this.#drop();
    this.#scheduleReconnect(null);
  }

  /** Gives up the connection; open requests fail as lost. */
  #drop(): void {
    const client = this.#client;
    this.#client = null;
    this.#online = false;
    client?.terminate(CLOSE_CODES.normal);
  }

  /** Asks for a sign of life; reconnects when none comes. */
  #probe(client: ProtocolClient): void {
    client.request("health", {}, { timeoutMs: 4_000 }).catch((error: unknown) => {
      if (error instanceof ClientError && error.kind === "timeout") client.terminate();
    });
  }
}

/** The browser's WebSocket. `terminate` reports the end itself: on a dead network the close event never comes. */
function openBrowserSocket(url: string, events: TransportEvents): Transport {
  const socket = new WebSocket(url);
  let ended = false;
  const end = (code: number, reason: string): void => {
    if (ended) return;
    ended = true;
    events.closed(code, reason);
  };
  socket.addEventListener("message", ({ data }) => {
    if (!ended && typeof data === "string") events.message(data);
  });
  socket.addEventListener("close", ({ code, reason }) => end(code, reason));
  return {
    isOpen: () => !ended && socket.readyState === WebSocket.OPEN,
    send: (text) => socket.send(text),
    close: (code) => socket.close(code),
    terminate: (code = CLOSE_CODES.unresponsive) => {
      socket.close(code);
      end(code, "");
    },
  };
}

function toRequestError(error: unknown): unknown {
  if (!(error instanceof ClientError)) return error;
  if (error.response) return new RequestError(error.response);
  if (error.kind !== "timeout") return connectionLostError();
  return new RequestError({ code: "TIMEOUT", message: "The gateway did not answer in time.", retryable: true });
}

function toAuth(secret: PageCredential): Record<string, string> {
  if (secret.kind === "link") return { bootstrapToken: secret.value };
  if (secret.kind === "device") return { token: secret.value, deviceToken: secret.value };
  // One field takes both: the gateway compares with the one that it is configured for.
  if (secret.kind === "token") return { token: secret.value, password: secret.value };
  return {};
}
