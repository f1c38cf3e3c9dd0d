import { createHash, timingSafeEqual } from "node:crypto";
import { Secret } from "./secret.ts";

const digest = (value: string | Uint8Array): Buffer => createHash("sha256").update(value).digest();

/**
 * Whether two values are equal, compared in a time that depends on neither their content nor where they differ. Both are
 * hashed first, so that different lengths need no early exit.
 */
export function secureEquals(given: string | Uint8Array, expected: string | Uint8Array | Secret): boolean {
  return timingSafeEqual(digest(given), digest(expected instanceof Secret ? expected.reveal() : expected));
}
