import { randomUUID } from "node:crypto";
import WebSocket, { type ClientOptions } from "ws";
import { verifyIdentityProof, NONCE_HEADER, PROOF_HEADER, type Endpoint } from "../core/identity-proof.ts";
import { LIMITS } from "../core/limits.ts";
import type { Secret } from "../core/secret.ts";
import { VERSION } from "../core/version.ts";
import { toSigner, type DeviceIdentity } from "./device.ts";
import { ClientError } from "./errors.ts";
import { certificateProblemOf, connectPinned } from "./pinned-connection.ts";
import { ProtocolClient, type ConnectRequest, type ServerEvent, type Transport, type TransportEvents } from "./protocol-client.ts";

export { ProtocolClient, type ServerEvent } from "./protocol-client.ts";

export type Credentials = {
  /** Shared token, named token or device token. */
  token?: Secret;
  password?: Secret;
  /** A one-time code; the gateway answers it with a device token. */
  bootstrapToken?: Secret;
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
  /** SHA-256 of the certificate that the gateway must show, hex; without it the certificate must be trusted by this system. */
  tlsFingerprint?: string;
  /** Headers of the upgrade, for an access proxy. They are sent over `wss://` only. */
  headers?: Readonly<Record<string, Secret>>;
  /** How the gateway's lists show this client. */
  client?: { id?: string; mode?: string; displayName?: string; instanceId?: string; platform?: string; deviceFamily?: string };
  role?: "operator" | "node" | "peer";
  scopes?: readonly string[];
  caps?: readonly string[];
  /** What a node offers. */
  node?: { commands: readonly string[]; pathEnv: string };
  /** Gets every event, also those that come with hello-ok, before the connection is handed out. */
  onEvent?: (event: ServerEvent) => void;
  /** From the first packet to hello-ok. Default LIMITS.clientConnectMs. */
  connectTimeoutMs?: number;
  /** Default deadline of a request. Default LIMITS.clientRequestMs. */
  requestTimeoutMs?: number;
  signal?: AbortSignal;
  /** Events were missed: what they said has to be read. */
  onGap?: () => void;
};

/**
 * Connects and resolves after hello-ok. Rejects with ClientError: `unreachable`, `unproven`, `auth`, `pairing`, `starting`, `handshake` or
 * `timeout`. The caller closes the connection.
 */
export function openClient(options: ProtocolClientOptions): Promise<ProtocolClient> {
  const connectTimeoutMs = options.connectTimeoutMs ?? LIMITS.clientConnectMs;
  return new Promise((resolve, reject) => {
    const client = new ProtocolClient(
      {
        url: options.url,
        transport: (events) => openSocket(options, connectTimeoutMs, events),
        connect: toConnectRequest(options),
        newId: randomUUID,
        connectTimeoutMs,
        requestTimeoutMs: options.requestTimeoutMs ?? LIMITS.clientRequestMs,
        maxPending: LIMITS.clientPendingRequests,
        signal: options.signal,
        ...(options.onGap && { onGap: options.onGap }),
      },
      (err) => {
        if (err) reject(err);
        else resolve(client);
      },
    );
    if (options.onEvent) client.on(options.onEvent);
  });
}

function toConnectRequest({ client, credentials, device, role, scopes, caps, node }: ProtocolClientOptions): ConnectRequest {
  const bootstrapToken = credentials?.bootstrapToken?.reveal();
  const token = credentials?.token?.reveal();
  const password = credentials?.password?.reveal();
  return {
    client: {
      id: client?.id ?? "cli",
      mode: client?.mode ?? "cli",
      version: VERSION,
      platform: client?.platform ?? process.platform,
      ...(client?.displayName && { displayName: client.displayName }),
      ...(client?.instanceId && { instanceId: client.instanceId }),
      ...(client?.deviceFamily && { deviceFamily: client.deviceFamily }),
    },
    role: role ?? "operator",
    scopes: scopes ?? ["operator.read"],
    caps: caps ?? [],
    auth: { ...(token && { token }), ...(password && { password }), ...(bootstrapToken && { bootstrapToken }) },
    signedToken: token ?? bootstrapToken ?? "",
    device: device ? toSigner(device) : null,
    ...(node && { extra: node }),
  };
}

/** A WebSocket of `ws`. With `identity` it fails before anything is sent, unless the listener proves that it holds the key. */
function openSocket(options: ProtocolClientOptions, timeoutMs: number, events: TransportEvents): Transport {
  const nonce = randomUUID().replaceAll("-", "");
  const socket = toSocket(options, timeoutMs, options.identity ? { [NONCE_HEADER]: nonce } : {});
  socket.on("upgrade", (answer: Upgrade) => {
    const key = options.identity?.();
    if (key === undefined) return;
    if (key !== null && verifyIdentityProof(answer.headers[PROOF_HEADER], key, nonce, remoteEnd(answer.socket))) return;
    events.failed(new ClientError("unproven", "the program that listens there did not prove that it is this gateway"));
  });
  socket.on("error", (err: NodeJS.ErrnoException) => events.failed(toUnreachableError(err)));
  socket.on("message", (data: Buffer) => events.message(data.toString()));
  socket.on("ping", () => events.alive());
  socket.on("close", (code: number, reason: Buffer) => events.closed(code, reason.toString()));
  return {
    isOpen: () => socket.readyState === WebSocket.OPEN,
    send: (text) => socket.send(text),
    close: (code) => {
      socket.close(code);
      // A peer that does not answer the close frame must not keep a command alive.
      setTimeout(() => socket.terminate(), LIMITS.clientCloseMs).unref();
    },
    terminate: () => socket.terminate(),
  };
}

/** The parts of the answer to an upgrade that are looked at. */
type Upgrade = { headers: Readonly<Record<string, unknown>>; socket: { remoteAddress?: string; remotePort?: number } };

const remoteEnd = ({ remoteAddress, remotePort }: Upgrade["socket"]): Endpoint => ({ address: remoteAddress, port: remotePort });

function toSocket(
  { url, tlsFingerprint, headers: extra = {} }: ProtocolClientOptions,
  timeoutMs: number,
  headers: Readonly<Record<string, string>>,
): WebSocket {
  const isEncrypted = /^wss:/i.test(url);
  // The credentials would go to anyone who answers.
  if (tlsFingerprint && !isEncrypted)
    throw new ClientError("unreachable", "a fingerprint of a certificate is given, and only a wss:// address shows one; nothing was sent");
  const secret = isEncrypted ? Object.fromEntries(Object.entries(extra).map(([name, value]) => [name, value.reveal()])) : {};
  try {
    return new WebSocket(url, {
      headers: { ...secret, ...headers },
      ...(isEncrypted && tlsFingerprint
        ? { createConnection: connectPinned(tlsFingerprint) as unknown as NonNullable<ClientOptions["createConnection"]> }
        : {}),
      perMessageDeflate: false,
      maxPayload: LIMITS.frameBytes,
      handshakeTimeout: timeoutMs,
      followRedirects: false,
    });
  } catch (err) {
    throw new ClientError("unreachable", "this is not a WebSocket URL", { cause: err });
  }
}

function toUnreachableError(err: NodeJS.ErrnoException): ClientError {
  if (err instanceof ClientError) return err;
  const certificate = certificateProblemOf(err);
  if (certificate !== null) return new ClientError("untrusted", certificate, { cause: err });
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
    case "HPE_INVALID_CONSTANT":
      return "it does not answer in HTTP; if it speaks TLS, the address begins with wss://";
    case "EPROTO":
    case "ERR_SSL_WRONG_VERSION_NUMBER":
    case "ERR_SSL_PACKET_LENGTH_TOO_LONG":
      return "it does not speak TLS; the address of a gateway without TLS begins with ws://";
    case "ECONNRESET":
      return "the connection was cut";
    default:
      return err.message;
  }
}
