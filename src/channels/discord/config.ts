import { createHash } from "node:crypto";
import { LIMITS } from "../../core/limits.ts";
import { Secret } from "../../core/secret.ts";
import { isSafeUrl, parseProxySetting } from "../url.ts";
import type { AccountIssue } from "../channel.ts";
import { API_ROOT_FIX, DEFAULT_API_ROOT, TOKEN_FIX, type DiscordAccountKeys } from "./schema.ts";

/** One bot, complete. */
export type DiscordAccount = {
  token: Secret;
  /** Null: the gateway tells it at the connection. */
  applicationId: string | null;
  /** Root of the HTTP API with its version, without a slash at the end. */
  apiRoot: string;
  intents: { messageContent: boolean };
  /** Offer the chat commands as slash commands. */
  nativeCommands: boolean;
  /** Bytes of one file, in and out. */
  mediaBytes: number;
  /** The HTTP proxy through which the platform is reached; null: that of the environment, or none. */
  proxy: string | null;
};

const MIB = 1024 * 1024;

const INTENT = {
  guilds: 1 << 0,
  guildMessages: 1 << 9,
  guildReactions: 1 << 10,
  directMessages: 1 << 12,
  directReactions: 1 << 13,
  messageContent: 1 << 15,
} as const;

/** The intents that the account asks for, as Discord's bits. */
export function intentBits({ intents }: DiscordAccount): number {
  const { messageContent, ...always } = INTENT;
  return Object.values(always).reduce((bits, bit) => bits | bit, intents.messageContent ? messageContent : 0);
}

function parseToken(found: Secret | undefined, issues: AccountIssue[]): Secret {
  if (!found || found.isEmpty) {
    issues.push({ path: "token", message: "is missing", fix: TOKEN_FIX });
    return new Secret("");
  }
  const bare = found
    .reveal()
    .trim()
    .replace(/^Bot\s+/i, "");
  if (/^[\x21-\x7e]+$/.test(bare)) return new Secret(bare);
  issues.push({ path: "token", message: "must be one word", fix: "Copy the token again from the Discord developer portal." });
  return found;
}

/** Completes an account whose keys the schema has checked. Pure. */
export function parseDiscordAccount(keys: DiscordAccountKeys): { account: DiscordAccount } | { issues: readonly AccountIssue[] } {
  const issues: AccountIssue[] = [];
  const token = parseToken(keys.token, issues);
  const apiRoot = (keys.apiRoot ?? DEFAULT_API_ROOT).replace(/\/+$/, "");
  if (!isSafeUrl(apiRoot, "https:", "http:")) issues.push({ path: "apiRoot", message: "must be an https address", fix: API_ROOT_FIX });
  const account: DiscordAccount = {
    token,
    applicationId: keys.applicationId ?? null,
    apiRoot,
    intents: { messageContent: keys.intents?.messageContent ?? true },
    nativeCommands: keys.commands?.native ?? true,
    mediaBytes: keys.mediaMaxMb === undefined ? LIMITS.mediaBytes : Math.floor(keys.mediaMaxMb * MIB),
    proxy: parseProxySetting(keys.proxy, issues),
  };
  return issues.length > 0 ? { issues } : { account };
}

/** Two connections of one bot would both answer. The first part of a token is the bot's id, so a renewed token is the same bot. */
export function discordIdentity(account: DiscordAccount): string {
  const parts = account.token.reveal().split(".");
  const who = parts.length === 3 ? parts[0]! : account.token.reveal();
  return createHash("sha256")
    .update(JSON.stringify([account.apiRoot, who]))
    .digest("hex");
}

/** An id as written in access lists: digits, also as `user:1`, `channel:1`, `discord:1`, `<@1>` or `<#1>`. */
export function canonicalDiscordId(id: string): string {
  const bare = id.trim().toLowerCase();
  return /^<(?:@[!&]?|#)(\d+)>$/.exec(bare)?.[1] ?? bare.replace(/^(?:discord:)?(?:user|channel|role|guild|thread)?:?(?=\d+$)/, "");
}
