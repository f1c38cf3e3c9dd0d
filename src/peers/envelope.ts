import { createPublicKey, sign, verify, createPrivateKey } from "node:crypto";
import type { DeviceIdentity } from "../client/device.ts";
import { asNumber, asString, asStrings, fieldsOf, isObject, tryParseJson, type JsonObject } from "../core/json.ts";
import { PEER_LIMITS } from "./limits.ts";

/** What goes over a link: a text and the signature of the gateway that sends it. */
export type Packet = { body: string; signature: string };

/** `from` and `to` are ids of keys: a packet is for one gateway only, and no other one could have made it. */
type Addressed = { v: 1; from: string; to: string };

/** A message to an agent of the other gateway. */
export type RequestEnvelope = Addressed & {
  kind: "request";
  id: string;
  sentAt: number;
  expiresAt: number;
  /** Ids of the gateways that the message has been at, the first is where it began; the sender is the last. */
  path: readonly string[];
  maxHops: number;
  agent: string;
  /** Where the message came from on the gateway where it began. */
  channel: string;
  /** Names the conversation among those of the sender; the same for all of its messages. */
  conversation: string;
  /** The sender's side begins a new conversation under this name. */
  isNew: boolean;
  text: string;
};

export type ReplyStatus = "ok" | "error" | "aborted" | "bounced";

/** How a request ended. */
export type ReplyEnvelope = Addressed & {
  kind: "reply";
  id: string;
  /** The id of the request. */
  replyTo: string;
  expiresAt: number;
  status: ReplyStatus;
  text: string;
  /** Why there is no answer; null for an answer. */
  reason: string | null;
};

/** Asks whether the other side is there. */
export type PingEnvelope = Addressed & { kind: "ping"; id: string };

/** The sender has another key: signed with the one that it has had, and inside with the new one. */
export type RotateEnvelope = Addressed & { kind: "rotate"; id: string; publicKey: string; proof: string };

export type Envelope = RequestEnvelope | ReplyEnvelope | PingEnvelope | RotateEnvelope;

/** What a gateway says about a packet. `stored`: it is on disk. `busy`: it may be sent again. */
export type Ack = Addressed & {
  kind: "ack";
  id: string;
  status: "stored" | "refused" | "busy" | "pong";
  reason: string | null;
  /** Agents that may be asked, in the answer to a ping that allows it. */
  agents?: readonly string[];
};

/** What a gateway signs to show which key it has; `nonce` is the one of the side that asks. */
export const helloText = (nonce: string, asker: string, signer: string): string => `openclaw-peer-hello|1|${nonce}|${asker}|${signer}`;

/** What the new key of a gateway signs: it takes the place of the old one, for this gateway only. */
export const rotateText = (oldId: string, newId: string, to: string): string => `openclaw-peer-rotate|1|${oldId}|${newId}|${to}`;

export const signText = ({ privateKey }: DeviceIdentity, text: string): string =>
  sign(null, Buffer.from(text), createPrivateKey(privateKey.reveal())).toString("base64url");

/** Whether the text was signed with the key. False for a key that cannot be one. */
export function verifyText(publicKey: string, text: string, signature: string): boolean {
  const raw = Buffer.from(publicKey, "base64url");
  if (raw.length !== 32) return false;
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") }, format: "jwk" });
  return verify(null, Buffer.from(text), key, Buffer.from(signature, "base64url"));
}

export function seal(identity: DeviceIdentity, envelope: Envelope | Ack): Packet {
  const body = JSON.stringify(envelope);
  return { body, signature: signText(identity, body) };
}

export type Parties = { publicKey: string; from: string; to: string };

/** The content of a packet of `from` for `to`; null when it is not one, or the signature is of another key. */
export function unseal(packet: unknown, { publicKey, from, to }: Parties): JsonObject | null {
  const { body, signature } = fieldsOf(packet);
  if (typeof body !== "string" || typeof signature !== "string" || body.length > PEER_LIMITS.envelopeChars) return null;
  if (!verifyText(publicKey, body, signature)) return null;
  const content = tryParseJson(body);
  if (!isObject(content) || content["v"] !== 1 || content["from"] !== from || content["to"] !== to) return null;
  return content;
}

const ID = /^[A-Za-z0-9_-]{8,128}$/;
/** They become parts of session keys, log lines and metrics here. */
const AGENT = /^[a-z0-9@_-]{1,320}$/;
const CHANNEL = /^[a-z0-9_-]{1,64}$/;
const CONVERSATION = /^[a-z0-9._-]{1,200}$/;
const REPLY_STATUS: readonly string[] = ["ok", "error", "aborted", "bounced"] satisfies ReplyStatus[];

/** The envelope in the content of a packet; null when a field is missing or wrong. */
export function toEnvelope(content: JsonObject): Envelope | null {
  const addressed = { v: 1, from: asString(content["from"]), to: asString(content["to"]) } as const;
  const id = asString(content["id"]);
  if (!ID.test(id)) return null;
  const expiresAt = asNumber(content["expiresAt"]);
  switch (content["kind"]) {
    case "ping":
      return { ...addressed, kind: "ping", id };
    case "rotate": {
      const { publicKey, proof } = content;
      return { ...addressed, kind: "rotate", id, publicKey: asString(publicKey), proof: asString(proof) };
    }
    case "reply": {
      const { status, replyTo, text, reason } = content;
      if (!REPLY_STATUS.includes(asString(status)) || typeof text !== "string" || expiresAt === null) return null;
      return {
        ...addressed,
        kind: "reply",
        id,
        replyTo: asString(replyTo),
        expiresAt,
        status: status as ReplyStatus,
        text,
        reason: typeof reason === "string" ? reason : null,
      };
    }
    case "request":
      return toRequest(content, addressed, id, expiresAt);
    default:
      return null;
  }
}

function toRequest(content: JsonObject, addressed: Addressed, id: string, expiresAt: number | null): RequestEnvelope | null {
  const { agent, channel, conversation, text, isNew } = content;
  const sentAt = asNumber(content["sentAt"]);
  const maxHops = asNumber(content["maxHops"]);
  const path = asStrings(content["path"]);
  const isNamed = AGENT.test(asString(agent)) && CHANNEL.test(asString(channel)) && CONVERSATION.test(asString(conversation));
  if (!isNamed || asString(text) === "" || sentAt === null || maxHops === null || expiresAt === null || path.length === 0) return null;
  if (path.length > PEER_LIMITS.pathLength) return null;
  return {
    ...addressed,
    kind: "request",
    id,
    sentAt,
    expiresAt,
    path,
    maxHops,
    agent: asString(agent),
    channel: asString(channel),
    conversation: asString(conversation),
    isNew: isNew === true,
    text: asString(text),
  };
}

/** The acknowledgement of `id` in the content of a packet; null when it is another one. */
export function toAck(content: JsonObject, id: string): Ack | null {
  const { kind, status, reason, agents } = content;
  if (kind !== "ack" || content["id"] !== id) return null;
  if (status !== "stored" && status !== "refused" && status !== "busy" && status !== "pong") return null;
  return {
    v: 1,
    from: asString(content["from"]),
    to: asString(content["to"]),
    kind: "ack",
    id,
    status,
    reason: typeof reason === "string" ? reason : null,
    ...(Array.isArray(agents) && { agents: asStrings(agents) }),
  };
}
