import { randomInt } from "node:crypto";
import type { AccountId, ChannelId } from "../core/ids.ts";

/** No 0, O, 1 and I: the code is read aloud and typed. */
export const PAIRING_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
export const PAIRING_CODE_CHARS = 8;

/** A code of 40 random bits. `pick(n)` gives a whole number below n; the default is cryptographically random. */
export function createPairingCode(pick: (below: number) => number = (below) => randomInt(below)): string {
  return Array.from({ length: PAIRING_CODE_CHARS }, () => PAIRING_ALPHABET[pick(PAIRING_ALPHABET.length)]).join("");
}

/** A code as someone typed it, in its stored form; null when it cannot be one. Small letters and separators are forgiven. */
export function parsePairingCode(text: string): string | null {
  const code = text.toUpperCase().replaceAll(/[\s-]/g, "");
  const valid = code.length === PAIRING_CODE_CHARS && [...code].every((char) => PAIRING_ALPHABET.includes(char));
  return valid ? code : null;
}

/** The answer to an unknown sender, once per request. Plain text that reads well on every channel, with the owner's exact command. */
export function pairingMessage(request: {
  code: string;
  channel: ChannelId;
  account: AccountId;
  sender: string;
  expiresInMs: number;
}): string {
  const account = request.account === "default" ? "" : ` --account ${request.account}`;
  const minutes = Math.max(1, Math.round(request.expiresInMs / 60_000));
  return [
    "Hi! This assistant only replies to people its owner has approved.",
    `Your pairing code: ${request.code}`,
    `Your id here: ${request.sender.replaceAll(/\p{Cc}/gu, "").slice(0, 200)}`,
    `If you know the owner, pass the code on. The owner approves it with: openclaw pairing approve ${request.channel} ${request.code}${account}`,
    `The code is valid for ${minutes === 60 ? "one hour" : `${minutes} min`}. Your message was not processed; please send it again after the approval.`,
  ].join("\n");
}
