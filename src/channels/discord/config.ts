import { createHash } from "node:crypto";
import { LIMITS } from "../../core/limits.ts";
import { Secret } from "../../core/secret.ts";
import { isSafeUrl, parseProxySetting } from "../url.ts";
import type { AccountIssue } from "../channel.ts";
import { isSnowflake, asObject, type DiscordObject } from "./protocol.ts";

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

const API_ROOT = "https://discord.com/api/v10";
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

function parseToken(raw: DiscordObject, issues: AccountIssue[]): Secret {
  const value = raw["token"];
  const found = value instanceof Secret ? value : typeof value === "string" ? new Secret(value) : null;
  if (!found || found.isEmpty) {
    const wrong = value !== undefined && !found;
    issues.push({
      path: "token",
      message: wrong ? "must be a text or a secret reference" : "is missing",
      fix: "Set channels.discord.token to the bot's token from the Discord developer portal, or DISCORD_BOT_TOKEN.",
    });
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

function parseFlag(raw: DiscordObject, key: string, path: string, fallback: boolean, issues: AccountIssue[]): boolean {
  const value = raw[key] ?? fallback;
  if (typeof value === "boolean") return value;
  issues.push({ path, message: "must be true or false" });
  return fallback;
}

/** Checks and completes an account. Secrets are resolved; pure. */
export function parseDiscordAccount(value: unknown): { account: DiscordAccount } | { issues: readonly AccountIssue[] } {
  const issues: AccountIssue[] = [];
  const raw = asObject(value) ?? {};
  const token = parseToken(raw, issues);
  const id = raw["applicationId"];
  const applicationId = id === undefined || id === "" ? null : String(id);
  if (applicationId !== null && !isSnowflake(applicationId))
    issues.push({ path: "applicationId", message: "must be the number of the application, in quotes" });
  const apiRoot = String(raw["apiRoot"] ?? API_ROOT).replace(/\/+$/, "");
  if (!isSafeUrl(apiRoot, "https:", "http:"))
    issues.push({ path: "apiRoot", message: "must be an https address", fix: "Leave it out for Discord itself." });
  const native = asObject(raw["commands"])?.["native"];
  const megabytes = raw["mediaMaxMb"];
  if (megabytes !== undefined && !(typeof megabytes === "number" && megabytes > 0))
    issues.push({ path: "mediaMaxMb", message: "must be a number above 0" });
  const account: DiscordAccount = {
    token,
    applicationId,
    apiRoot,
    intents: { messageContent: parseFlag(asObject(raw["intents"]) ?? {}, "messageContent", "intents.messageContent", true, issues) },
    nativeCommands: native !== false,
    mediaBytes: typeof megabytes === "number" ? Math.floor(megabytes * MIB) : LIMITS.mediaBytes,
    proxy: parseProxySetting(raw["proxy"], issues),
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
