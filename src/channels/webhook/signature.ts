import { createHmac } from "node:crypto";
import type { Secret } from "../../core/secret.ts";
import { secureEquals } from "../../core/secure-compare.ts";

/** How far the clocks of the two sides may be apart, and how long a request can be replayed at most. */
export const SIGNATURE_WINDOW_MS = 300_000;
const ID = /^[A-Za-z0-9_.:-]{1,200}$/;

export type SignedHeaders = { id: string; timestamp: string; signature: string };

/** Who a request is for. It is a part of what is signed: both sides share a secret, and neither takes its own request for one of the other. */
export type Direction = "to-gateway" | "from-gateway";

/** `v2=` and the HMAC-SHA256, in hex, of `<direction>.<id>.<timestamp>.<raw body>`. `timestamp` is in whole seconds since 1970. */
export function sign(secret: Secret, direction: Direction, id: string, timestamp: string, body: Uint8Array): string {
  return `v2=${createHmac("sha256", secret.reveal()).update(`${direction}.${id}.${timestamp}.`).update(body).digest("hex")}`;
}

/**
 * Version 1, which does not sign the direction. It is taken from peers and never sent, so that no request of ours can come back to us.
 */
const signWithoutDirection = (secret: Secret, id: string, timestamp: string, body: Uint8Array): string =>
  `v1=${createHmac("sha256", secret.reveal()).update(`${id}.${timestamp}.`).update(body).digest("hex")}`;

/**
 * Null when the request is signed for us with one of the secrets and fresh; else why not. The id is a part of what is signed, so a
 * replay within the window carries the same id and is recognized as a repeat.
 */
export function signatureProblem(secrets: readonly Secret[], headers: SignedHeaders, body: Uint8Array, now: number): string | null {
  const { id, timestamp, signature } = headers;
  if (!ID.test(id)) return "X-Webhook-Id is missing or has characters other than A-Z, a-z, 0-9, _ . : -";
  if (!/^\d{10}$/.test(timestamp)) return "X-Webhook-Timestamp is missing or not in whole seconds since 1970";
  if (Math.abs(now - Number(timestamp) * 1_000) > SIGNATURE_WINDOW_MS)
    return "X-Webhook-Timestamp differs from this machine's clock by more than five minutes";
  const isVersion1 = signature.startsWith("v1=");
  // Otherwise a request of ours, with the direction moved into the id, would be one of version 1.
  if (isVersion1 && /^(?:to|from)-gateway\./.test(id))
    return "X-Webhook-Id begins with a direction, which version 1 of the signature does not allow";
  const fits = secrets.some((secret) => {
    const wanted = isVersion1 ? signWithoutDirection(secret, id, timestamp, body) : sign(secret, "to-gateway", id, timestamp, body);
    return secureEquals(signature, wanted);
  });
  return fits ? null : "X-Webhook-Signature does not match the body";
}
