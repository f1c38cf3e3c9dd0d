import type { ConnectClaims, PeerFacts, Verified } from "../auth/authenticator.ts";
import { GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { PROTOCOL_VERSION } from "../core/version.ts";
import { DISCONNECTS, withReason, type Disconnect } from "../protocol/disconnects.ts";
import { toErrorPayload, type WireError } from "../protocol/errors.ts";
import type { ConnectParams } from "../protocol/frames.ts";
import type { Peer, PeerClaims } from "../protocol/hub.ts";
import { mismatchDetails, negotiate } from "../protocol/negotiate.ts";
import { readFrame } from "../protocol/scan.ts";
import { checkParams } from "../protocol/validate.ts";
import { toRequest } from "./dispatch.ts";
import type { ServerDeps } from "./deps.ts";

/** How a handshake failed: what is answered (nothing when the peer does not speak the protocol) and how the socket closes. */
export type HandshakeFailure = { ok: false; id: string | null; error: WireError | null; close: Disconnect };
export type HandshakeSuccess = { ok: true; id: string; params: ConnectParams; verified: Verified };

const fail = (id: string | null, error: WireError | null, close: Disconnect): HandshakeFailure => ({ ok: false, id, error, close });

/** Why no client can connect right now, or null. */
function refuseIfNotServing(deps: ServerDeps, clients: number): WireError | null {
  const phase = deps.phase();
  if (phase === "serving" && clients < LIMITS.clients) return null;
  const [text, why, retryAfterMs] =
    phase === "starting"
      ? ["gateway starting", "startup-sidecars", 500]
      : phase === "stopping"
        ? ["gateway restarting", "gateway-restarting", 1_000]
        : ["too many clients", "too-many-clients", 5_000];
  return { code: "UNAVAILABLE", message: text, details: { reason: why }, retryable: true, retryAfterMs };
}

/** Judges the first frame of a connection. Rejects only for a bug. */
export async function performHandshake(
  frame: Buffer,
  context: { deps: ServerDeps; facts: PeerFacts; nonce: string; clients: number },
): Promise<HandshakeSuccess | HandshakeFailure> {
  const { deps, facts, nonce } = context;
  let request;
  try {
    request = toRequest(readFrame(frame));
  } catch (err) {
    if (!(err instanceof GatewayError)) throw err;
    return fail(null, null, DISCONNECTS.invalidRequestFrame);
  }
  const refuse = (error: WireError, close: Disconnect = DISCONNECTS.refused, reason = error.message) =>
    fail(request.id, error, withReason(close, reason));
  if (request.method !== "connect") return refuse({ code: "INVALID_REQUEST", message: "invalid handshake: first request must be connect" });
  const closed = refuseIfNotServing(deps, context.clients);
  if (closed) return refuse(closed, DISCONNECTS.notServing);
  let params: ConnectParams;
  try {
    params = checkParams("connect", request.params);
  } catch (err) {
    return refuse(toErrorPayload(err, deps.log, "connect"));
  }
  if (negotiate(params, params.client, params.role ?? "operator") === null)
    return refuse(
      { code: "INVALID_REQUEST", message: "protocol mismatch", details: mismatchDetails(params) },
      DISCONNECTS.protocolMismatch,
    );
  const verified = await deps.auth.authenticator.authenticateConnect(params as ConnectClaims, facts, nonce);
  if (!("refused" in verified)) return { ok: true, id: request.id, params, verified };
  const details = Object.keys(verified.details).length > 0 ? { details: verified.details } : {};
  const later = verified.retryAfterMs === undefined ? {} : { retryable: true, retryAfterMs: Math.ceil(verified.retryAfterMs) };
  return refuse({ code: verified.code, message: verified.message, ...details, ...later }, DISCONNECTS.refused, verified.closeReason);
}

/** The peer as the rest of the gateway sees it: from the verified credential and what the client said about itself. */
export function toPeer(passed: HandshakeSuccess, conn: Peer["conn"], remote: string, now: number): Peer {
  const { client } = passed.params;
  const { verified } = passed;
  const optional = Object.fromEntries(
    (["displayName", "platform", "instanceId", "deviceFamily"] as const)
      .filter((key) => client[key] !== undefined)
      .map((key) => [key, client[key]!.slice(0, 256)]),
  );
  return {
    conn,
    role: verified.role,
    scopes: verified.scopes,
    client: { id: client.id, mode: client.mode, version: client.version.slice(0, 128), ...optional },
    device: verified.device,
    credential: verified.credential,
    connectedAt: now,
    remote,
    ...(verified.role === "node" && { claims: toClaims(passed) }),
  };
}

const toClaims = ({ params: { caps, commands, permissions, pathEnv, client }, verified }: HandshakeSuccess): PeerClaims => ({
  caps: caps ?? [],
  commands: commands ?? [],
  permissions: permissions ?? {},
  pathEnv: pathEnv ?? null,
  modelIdentifier: client.modelIdentifier ?? null,
  hasCode: verified.method === "bootstrap-token",
});

const PEER_FEATURES = { methods: ["peer.ack", "peer.hello", "peer.push"], events: ["peer.push", "tick"], capabilities: [] };
const PEER_SNAPSHOT = { presence: [], health: {}, stateVersion: { presence: 0, health: 0 }, uptimeMs: 0 };

/** Payload of a successful `connect`. */
export function helloOk(deps: ServerDeps, peer: Peer, verified: Verified, methods: readonly string[]): Record<string, unknown> {
  // Another gateway learns of this one what its link needs.
  const isPeer = peer.role === "peer";
  return {
    type: "hello-ok",
    protocol: PROTOCOL_VERSION,
    server: { version: deps.version, bootId: deps.bootId, connId: peer.conn },
    features: isPeer ? PEER_FEATURES : { methods, events: deps.events, capabilities: deps.capabilities },
    snapshot: isPeer ? PEER_SNAPSHOT : deps.snapshot(peer),
    auth: {
      method: verified.method,
      role: verified.role,
      scopes: [...verified.scopes],
      // The one place where the text of a device token leaves the gateway.
      ...(verified.issuedDeviceToken
        ? { deviceToken: verified.issuedDeviceToken.token.reveal(), issuedAtMs: verified.issuedDeviceToken.issuedAt }
        : {}),
    },
    policy: {
      maxPayload: LIMITS.frameBytes,
      maxBufferedBytes: LIMITS.clientBufferBytes,
      tickIntervalMs: LIMITS.tickMs,
      attachments: { maxBytes: LIMITS.attachmentBytes, maxImageBytes: LIMITS.imageBytes },
    },
  };
}
