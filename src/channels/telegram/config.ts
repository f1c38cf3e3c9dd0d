import { createHash } from "node:crypto";
import { Secret } from "../../core/secret.ts";
import { parseHttpsUrl, parseProxySetting } from "../url.ts";
import type { AccountIssue } from "../channel.ts";
import { DEFAULT_API_ROOT, DEFAULT_TIMEOUT_SECONDS, SECRET_FIX, TOKEN_FIX, type TelegramAccountKeys } from "./schema.ts";

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

/** A credential as it is used; null when it is empty. */
function trimSecret(value: Secret | undefined): Secret | null {
  const text = value?.reveal().trim() ?? "";
  return text === "" ? null : new Secret(text);
}

function readToken(keys: TelegramAccountKeys, issues: Issues): { token: Secret; botId: string } {
  // `tokenFile` arrives as `token`; as in OpenClaw it overrides `botToken`.
  const found = trimSecret(keys.token) ?? trimSecret(keys.botToken);
  const botId = found && /^(\d{1,20}):[\w-]{1,128}$/.exec(found.reveal())?.[1];
  const report = (message: string): void => void issues.push({ path: "botToken", message, fix: TOKEN_FIX });
  if (!found) report("is missing");
  else if (!botId) report("is not a bot token: those look like 123456789:AbC-d_E");
  return { token: found ?? new Secret(""), botId: botId ?? "" };
}

function readWebhook({ webhookUrl, webhookSecret }: TelegramAccountKeys, issues: Issues): TelegramAccount["webhook"] {
  if (webhookUrl === undefined) return null;
  const url = parseHttpsUrl(webhookUrl, "webhookUrl", issues).replace(/\/+$/, "");
  const found = trimSecret(webhookSecret);
  const report = (message: string): void => void issues.push({ path: "webhookSecret", message, fix: SECRET_FIX });
  if (!found) report("is required with webhookUrl");
  else if (!/^[\w-]{16,256}$/.test(found.reveal())) report("must have 16 to 256 characters of A-Z, a-z, 0-9, _ and -");
  return found ? { url, secret: found } : null;
}

function requiresGroupMessages(groups: TelegramAccountKeys["groups"] = {}): boolean {
  return Object.values(groups).some(({ requireMention, topics = {} }) =>
    [requireMention, ...Object.values(topics).map((topic) => topic.requireMention)].includes(false),
  );
}

/** Completes an account whose keys the schema has checked. Pure. */
export function parseTelegramAccount(keys: TelegramAccountKeys): { account: TelegramAccount } | { issues: readonly AccountIssue[] } {
  const issues: Issues = [];
  const account: TelegramAccount = {
    ...readToken(keys, issues),
    apiRoot: parseHttpsUrl(keys.apiRoot ?? DEFAULT_API_ROOT, "apiRoot", issues).replace(/\/+$/, ""),
    webhook: readWebhook(keys, issues),
    linkPreview: keys.linkPreview ?? true,
    canReadAllGroupMessages: requiresGroupMessages(keys.groups),
    timeoutMs: (keys.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS) * 1_000,
    proxy: parseProxySetting(keys.proxy, issues),
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
