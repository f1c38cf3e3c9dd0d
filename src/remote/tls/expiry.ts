import { REMOTE_LIMITS } from "../limits.ts";

const DAY_MS = 86_400_000;

export type Validity = { state: "valid" | "expires-soon" | "expired" | "not-yet-valid"; text: string };

const date = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** What the dates of a certificate mean now. Pure. */
export function validityOf({ notBefore, notAfter }: { notBefore: number; notAfter: number }, now: number): Validity {
  if (now < notBefore) return { state: "not-yet-valid", text: `it is not valid before ${date(notBefore)}` };
  if (now >= notAfter) return { state: "expired", text: `it expired on ${date(notAfter)}` };
  const days = Math.floor((notAfter - now) / DAY_MS);
  const text = `it is valid until ${date(notAfter)}`;
  return { state: notAfter - now < REMOTE_LIMITS.certificateWarningMs ? "expires-soon" : "valid", text: `${text} (${days} days)` };
}
