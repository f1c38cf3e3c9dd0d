import { createHmac } from "node:crypto";
import type { Secret } from "./secret.ts";
import { secureEquals } from "./secure-compare.ts";

// How a gateway proves to a command on the same machine that it is the gateway of a state directory, before the command sends a credential.
// The key is generated at each start and stored in <state>/gateway/owner.json (0600). It is random, so an answer reveals nothing about it.

/** Request header of the upgrade: what the gateway has to sign. */
export const NONCE_HEADER = "x-openclaw-identity-nonce";
/** Response header of the upgrade: the signature. */
export const PROOF_HEADER = "x-openclaw-identity-proof";

/** The listening end of a connection. It is signed, so that another listener cannot relay the proof of the gateway. */
export type Endpoint = { readonly address: string | undefined; readonly port: number | undefined };

/** HMAC-SHA256 over nonce and endpoint; null for a nonce of another form. */
export function identityProof(key: Secret, nonce: unknown, { address = "", port = 0 }: Endpoint): string | null {
  if (typeof nonce !== "string" || !/^[A-Za-z0-9_-]{22,64}$/.test(nonce)) return null;
  const plain = address.replace(/^::ffff:/i, "");
  return createHmac("sha256", key.reveal()).update(`openclaw-identity|${nonce}|${plain}|${port}`).digest("base64url");
}

export function verifyIdentityProof(proof: unknown, key: Secret, nonce: string, endpoint: Endpoint): boolean {
  const expected = identityProof(key, nonce, endpoint);
  return expected !== null && typeof proof === "string" && secureEquals(proof, expected);
}
