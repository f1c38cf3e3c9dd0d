import { createHash, randomBytes } from "node:crypto";
import { Secret } from "../core/secret.ts";

export type AuthMode = "token" | "password" | "none" | "trusted-proxy";

export type TrustedProxySettings = {
  /** Header with the user's name, lower case. */
  userHeader: string;
  /** Further required headers, lower case. */
  requiredHeaders: readonly string[];
  /** Users that may sign in; empty: every user of the proxy. */
  allowUsers: readonly string[];
  /** A header only the proxy can set. Without it a proxy on the same host is not trusted, because any local program could pretend to be it. */
  secret: { header: string; value: Secret } | null;
};

/** Failed attempts allowed per address: `maxAttempts` within `windowMs`, then none for `lockoutMs` (0: for the rest of the window). */
export type SignInRate = { maxAttempts: number; windowMs: number; lockoutMs: number };

export type AuthSettings = {
  mode: AuthMode;
  token: Secret | null;
  password: Secret | null;
  proxy: TrustedProxySettings | null;
  /** Addresses whose forwarded headers are trusted. */
  trustedProxies: readonly string[];
  /** Default: LIMITS.signInFailures, signInWindowMs and signInLockMs. */
  rateLimit?: SignInRate;
  /** A device that presents the shared secret on a direct local connection is paired without approval. */
  pairWithSharedSecret: boolean;
  /** The page may sign in by the identity that Tailscale Serve names and `whois` confirms. */
  allowTailscale?: boolean;
};

/** Prefixes identify the kind, so that a misplaced credential is detected. */
export const TOKEN_PREFIXES = { serviceToken: "oct_", link: "ocl_", deviceToken: "ocd_", gatewayToken: "ocg_" } as const;

export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** A random credential of `bits` (a multiple of 8) with its prefix. */
export function mint(prefix: string, bits: number): Secret {
  return new Secret(prefix + randomBytes(bits / 8).toString("base64url"));
}

/** Below this a credential could be guessed at the speed of a local attacker. */
const HIGH_ENTROPY_BITS = 96;
/** Shorter texts never count as generated. */
const GENERATED_CHARS = 32;
/** Output of password generators and `openssl rand`: hex (including UUIDs) or base64, both alphabets, without separators. */
const GENERATED_FORM = /^(?:[0-9a-f]{32,}|[0-9A-F]{32,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[A-Za-z0-9+/_-]{32,}={0,2})$/;
const MINTED_FORM = new RegExp(`^(?:${Object.values(TOKEN_PREFIXES).join("|")})[A-Za-z0-9_-]{${GENERATED_CHARS},}$`);

/**
 * Whether the credential is infeasible to guess, so that it needs no lockout. Only forms that a generator produces
 * count: passphrases remain guessable, and a sequence like "abc...z" has the letters of a random text, but not its order.
 */
export function isHighEntropy(secret: Secret): boolean {
  const text = secret.reveal();
  if (estimateEntropyBits(text) < HIGH_ENTROPY_BITS) return false;
  if (MINTED_FORM.test(text)) return true;
  return GENERATED_FORM.test(text) && isMixed(text);
}

/** An upper bound of the entropy of the text, from its length and the distribution of its characters. */
function estimateEntropyBits(text: string): number {
  const counts = new Map<string, number>();
  for (const char of text) counts.set(char, (counts.get(char) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= count * Math.log2(count / text.length);
  return bits;
}

const characterClass = (char: string): number => (/[a-z]/.test(char) ? 0 : /[A-Z]/.test(char) ? 1 : /[0-9]/.test(char) ? 2 : 3);

/** Random texts switch between upper case, lower case and digits about every second character; words and sequences rarely do. */
function isMixed(text: string): boolean {
  const kinds = Array.from(text.replaceAll("-", ""), characterClass);
  const changes = kinds.filter((kind, index) => index > 0 && kind !== kinds[index - 1]).length;
  const hex = /^[0-9a-f-]+$|^[0-9A-F-]+$/.test(text);
  return changes >= (kinds.length - 1) * (hex ? 0.25 : 0.4);
}
