import { createHash } from "node:crypto";
import { fieldsOf, type JsonObject } from "../../core/json.ts";
import { Secret } from "../../core/secret.ts";
import { parseHttpsUrl, parseProxySetting } from "../url.ts";
import type { AccountIssue } from "../channel.ts";
import { DEFAULT_API_ROOT, DEFAULT_TIMEOUT_SECONDS } from "./schema.ts";

/** One Telegram bot, complete. */
export type TelegramAccount = {
  token: Secret;
  /** The part of the token in front of the colon: the bot's own id, which is public. */
  botId: string;
  /** Where the Bot API is, without a slash at the end. */
  apiRoot: string;
  /** Null: updates are polled. */
  webhook: { url: string; secret: Secret } | null;
  linkPreview: boolean;
  /** Some room is answered without a mention, which needs a bot that receives every message. */
  canReadAllGroupMessages: boolean;
  /** Deadline of one request. */
  timeoutMs: number;
  /** The HTTP proxy through which the platform is reached; null: that of the environment, or none. */
  proxy: string | null;
};

type Issues = AccountIssue[];

function readSecret(raw: JsonObject, key: string, issues: Issues): Secret | null {
  const value = raw[key];
  const found = value instanceof Secret ? value : typeof value === "string" ? new Secret(value) : null;
  if (value !== undefined && !found) issues.push({ path: key, message: "must be a text or a secret reference" });
  return found && found.reveal().trim() !== "" ? new Secret(found.reveal().trim()) : null;
}

function readToken(raw: JsonObject, issues: Issues): { token: Secret; botId: string } {
  // `tokenFile` arrives as `token`; as in OpenClaw it overrides `botToken`.
  const found = readSecret(raw, "token", issues) ?? readSecret(raw, "botToken", issues);
  const fix = "Talk to @BotFather in Telegram, send /newbot or /token, and set channels.telegram.botToken.";
  const botId = found && /^(\d{1,20}):[\w-]{1,128}$/.exec(found.reveal())?.[1];
  if (!found) issues.push({ path: "botToken", message: "is missing", fix });
  else if (!botId) issues.push({ path: "botToken", message: "is not a bot token: those look like 123456789:AbC-d_E", fix });
  return { token: found ?? new Secret(""), botId: botId ?? "" };
}

function readWebhook(raw: JsonObject, issues: Issues): TelegramAccount["webhook"] {
  if (raw["webhookUrl"] === undefined || raw["webhookUrl"] === "") return null;
  const url = parseHttpsUrl(raw["webhookUrl"], "webhookUrl", issues).replace(/\/+$/, "");
  const found = readSecret(raw, "webhookSecret", issues);
  if (!found)
    issues.push({
      path: "webhookSecret",
      message: "is required with webhookUrl",
      fix: "Set it to a long random text: openssl rand -hex 32",
    });
  else if (!/^[\w-]{16,256}$/.test(found.reveal()))
    issues.push({ path: "webhookSecret", message: "must have 16 to 256 characters of A-Z, a-z, 0-9, _ and -" });
  return found ? { url, secret: found } : null;
}

function readNumber(raw: JsonObject, key: string, fallback: number, issues: Issues): number {
  const value = raw[key] ?? fallback;
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
  issues.push({ path: key, message: "must be a number above 0" });
  return fallback;
}

function requiresGroupMessages(rules: unknown): boolean {
  return Object.values(fieldsOf(rules)).some(
    (rule) => fieldsOf(rule)["requireMention"] === false || requiresGroupMessages(fieldsOf(rule)["topics"]),
  );
}

/** Checks and completes an account. Secrets are resolved; pure. */
export function parseTelegramAccount(value: unknown): { account: TelegramAccount } | { issues: readonly AccountIssue[] } {
  const issues: Issues = [];
  const raw = fieldsOf(value);
  const account: TelegramAccount = {
    ...readToken(raw, issues),
    apiRoot: parseHttpsUrl(raw["apiRoot"] ?? DEFAULT_API_ROOT, "apiRoot", issues).replace(/\/+$/, ""),
    webhook: readWebhook(raw, issues),
    linkPreview: raw["linkPreview"] !== false,
    canReadAllGroupMessages: requiresGroupMessages(raw["groups"]),
    timeoutMs: readNumber(raw, "timeoutSeconds", DEFAULT_TIMEOUT_SECONDS, issues) * 1_000,
    proxy: parseProxySetting(raw["proxy"], issues),
  };
  return issues.length > 0 ? { issues } : { account };
}

/** Two connections of one bot would take each other's updates; a new token of the same bot changes nothing about that. */
export function telegramIdentity(account: TelegramAccount): string {
  return createHash("sha256").update(`${account.apiRoot} ${account.botId}`).digest("hex");
}

/** An id as Telegram gives it: digits, with a minus in front of rooms; without the words `telegram:` or `tg:`. */
export function canonicalTelegramId(id: string): string {
  return id.trim().replace(/^(?:telegram|tg):/i, "");
}
