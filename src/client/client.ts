import { randomUUID } from "node:crypto";
import WebSocket from "ws";
import { verifyIdentityProof, NONCE_HEADER, PROOF_HEADER, type Endpoint } from "../core/identity-proof.ts";
import { LIMITS } from "../core/limits.ts";
import type { Secret } from "../core/secret.ts";
import { VERSION } from "../core/version.ts";
import { toSigner, type DeviceIdentity } from "./device.ts";
import { ClientError } from "./errors.ts";
import { ProtocolClient, type ConnectRequest, type Transport, type TransportEvents } from "./protocol-client.ts";

export { ProtocolClient, type ServerEvent } from "./protocol-client.ts";

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
  });
}

function toConnectRequest({ client, credentials, device, role, scopes, caps }: ProtocolClientOptions): ConnectRequest {
  const token = credentials?.token?.reveal();
  const password = credentials?.password?.reveal();
  return {
    client: {
      id: client?.id ?? "cli",
      mode: client?.mode ?? "cli",
      version: VERSION,
      platform: process.platform,
      ...(client?.displayName && { displayName: client.displayName }),
      ...(client?.instanceId && { instanceId: client.instanceId }),
    },
    role: role ?? "operator",
    scopes: scopes ?? ["operator.read"],
    caps: caps ?? [],
    auth: { ...(token && { token }), ...(password && { password }) },
    signedToken: token ?? "",
    device: device ? toSigner(device) : null,
  };
}

/** A WebSocket of `ws`. With `identity` it fails before anything is sent, unless the listener proves that it holds the key. */
function openSocket(options: ProtocolClientOptions, timeoutMs: number, events: TransportEvents): Transport {
  const nonce = randomUUID().replaceAll("-", "");
  const socket = toSocket(options.url, timeoutMs, options.identity ? { [NONCE_HEADER]: nonce } : {});
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
