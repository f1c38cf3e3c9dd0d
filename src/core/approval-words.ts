import { LIMITS } from "./limits.ts";

/** How far an agreement reaches beyond one command. */
export type GrantRequest = { minutes: number } | { session: true };

/** What people write for each decision about a command, in a chat and on the command line. */
export const DECISION_WORDS: Readonly<Record<string, "allow-once" | "allow-always" | "deny">> = {
  "allow-once": "allow-once",
  "allow-always": "allow-always",
  deny: "deny",
  allow: "allow-once",
  once: "allow-once",
  yes: "allow-once",
  always: "allow-always",
  reject: "deny",
  block: "deny",
  no: "deny",
};

/** The word for "as long as this conversation lasts". */
export const SESSION_WORD = "session";
/** The time that buttons offer. */
export const USUAL_GRANT = { minutes: 60 } as const;

export const MAX_GRANT_MINUTES = LIMITS.grantMs / 60_000;
const UNITS: Readonly<Record<string, number>> = { m: 1, min: 1, h: 60 };

/** "30m", "2h", "session"; null for anything else, and for no time or more than a grant may have. Pure. */
export function parseGrantWord(word: string): GrantRequest | null {
  if (word === SESSION_WORD) return { session: true };
  const match = /^(\d{1,4})(m|min|h)$/.exec(word);
  const minutes = match === null ? 0 : Number(match[1]) * UNITS[match[2]!]!;
  return minutes >= 1 && minutes <= MAX_GRANT_MINUTES ? { minutes } : null;
}

/** How people write a grant: "30m", "2h", "session". Pure. */
export function toGrantWord(grant: GrantRequest): string {
  if ("session" in grant) return SESSION_WORD;
  return grant.minutes % 60 === 0 ? `${grant.minutes / 60}h` : `${grant.minutes}m`;
}
