import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { Secret } from "../core/secret.ts";

/** `github`: `sha256=` over the body. `stripe`: time and body. `slack`: version, time and body. */
export const SIGNATURE_SCHEMES = ["github", "stripe", "slack"] as const;
export type SignatureScheme = (typeof SIGNATURE_SCHEMES)[number];

export type SignatureSettings = { scheme: SignatureScheme; secret: Secret; toleranceMs: number };

type Headers = Readonly<Record<string, string | undefined>>;

/** A checked signature: what names what was signed, so that it counts once. Or why the request is refused. */
export type SignatureResult = { digest: string } | { refused: "bad-signature" | "stale" };

/** The header without which a request cannot have a good signature. */
export const SIGNATURE_HEADERS: Readonly<Record<SignatureScheme, string>> = {
  github: "x-hub-signature-256",
  stripe: "stripe-signature",
  slack: "x-slack-signature",
};

const REFUSED = { refused: "bad-signature" } as const;
const hmac = (secret: Secret, ...parts: readonly (string | Uint8Array)[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHmac("sha256", secret.reveal())).digest();

function isSame(expected: Buffer, hex: string): boolean {
  const given = /^[0-9a-f]{64}$/i.test(hex) ? Buffer.from(hex, "hex") : null;
  return given !== null && timingSafeEqual(expected, given);
}

/** Names the signed content. */
export const digestOf = (...parts: readonly (string | Uint8Array)[]): string =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest("base64url");

/** Checks the signature over the body as it came. Pure. */
export function checkSignature(
  { scheme, secret, toleranceMs }: SignatureSettings,
  headers: Headers,
  body: Uint8Array,
  now: number,
): SignatureResult {
  const given = headers[SIGNATURE_HEADERS[scheme]] ?? "";
  if (scheme === "github") {
    if (!given.startsWith("sha256=") || !isSame(hmac(secret, body), given.slice("sha256=".length))) return REFUSED;
    return { digest: digestOf(body) };
  }
  const fields = scheme === "stripe" ? given.split(",").map((part) => part.trim().split("=", 2)) : [];
  const time = scheme === "stripe" ? fields.find(([name]) => name === "t")?.[1] : headers["x-slack-request-timestamp"];
  if (time === undefined || !/^\d{1,12}$/.test(time)) return REFUSED;
  const expected = scheme === "stripe" ? hmac(secret, `${time}.`, body) : hmac(secret, `v0:${time}:`, body);
  const candidates =
    scheme === "stripe"
      ? fields.flatMap(([name, value]) => (name === "v1" && value !== undefined ? [value] : []))
      : given.startsWith("v0=")
        ? [given.slice(3)]
        : [];
  if (!candidates.some((candidate) => isSame(expected, candidate))) return REFUSED;
  if (Math.abs(now - Number(time) * 1_000) > toleranceMs) return { refused: "stale" };
  return { digest: digestOf(time, ".", body) };
}

const hash = (text: string): Buffer => createHash("sha256").update(text).digest();

/** Compares a token without telling how much of it was right. Pure. */
export function isToken(expected: Secret, given: string): boolean {
  return timingSafeEqual(hash(expected.reveal()), hash(given));
}
