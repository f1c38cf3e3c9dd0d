import { createHmac } from "node:crypto";
import type { Secret } from "./secret.ts";
import { secureEquals } from "./secure-compare.ts";

// How a gateway proves to a command of its own machine that it is the gateway of a state directory, before the command sends anything.
// The key is new at each start and stands in <state>/gateway/owner.json (0600). Nothing can be guessed from an answer: the key is random.

/** Request header of the upgrade: what the gateway has to sign. */
export const NONCE_HEADER = "x-openclaw-identity-nonce";
/** Response header of the upgrade: the signature. */
export const PROOF_HEADER = "x-openclaw-identity-proof";

/** The end of a connection that listens. Part of what is signed, so that another listener cannot pass on the proof of the real one. */
export type Endpoint = { readonly address: string | undefined; readonly port: number | undefined };

/** HMAC-SHA256 over nonce and endpoint; null for a nonce that is not one of ours. */
export function identityProof(key: Secret, nonce: unknown, { address = "", port = 0 }: Endpoint): string | null {
  if (typeof nonce !== "string" || !/^[A-Za-z0-9_-]{22,64}$/.test(nonce)) return null;
  const plain = address.replace(/^::ffff:/i, "");
  return createHmac("sha256", key.reveal()).update(`openclaw-identity|${nonce}|${plain}|${port}`).digest("base64url");
}

export function verifyIdentityProof(proof: unknown, key: Secret, nonce: string, endpoint: Endpoint): boolean {
  const expected = identityProof(key, nonce, endpoint);
  return expected !== null && typeof proof === "string" && secureEquals(proof, expected);
}
