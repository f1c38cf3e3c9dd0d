import { createHash } from "node:crypto";
import { fieldsOf, type JsonObject } from "../../core/json.ts";
import { Secret } from "../../core/secret.ts";
import { parseHttpsUrl, parseProxySetting } from "../url.ts";
import type { AccountIssue } from "../channel.ts";

/** One peer with which signed JSON is exchanged, complete. */
export type WebhookAccount = {
  /** Signs what we send; what comes in may be signed with any of `accepted`. */
  secret: Secret;
  /** The secret, and the one before it while the peer changes over. */
  accepted: readonly Secret[];
  /** Where our messages go; null: nothing can be sent. */
  outboundUrl: string | null;
  /** The HTTP proxy through which the peer is reached; null: that of the environment, or none. */
  proxy: string | null;
};

const SECRET_CHARS = 16;
const FIX = "Set channels.webhook.secret to a long random text: openssl rand -hex 32";

function readSecret(raw: JsonObject, key: string, issues: AccountIssue[]): Secret | null {
  const value = raw[key];
  if (value === undefined) return null;
  const found = value instanceof Secret ? value : typeof value === "string" ? new Secret(value) : null;
  if (found && found.reveal().trim().length >= SECRET_CHARS) return new Secret(found.reveal().trim());
  issues.push({ path: key, message: `must be a text of at least ${SECRET_CHARS} characters`, fix: FIX });
  return null;
}

/** Checks and completes an account. Secrets are resolved; pure. Without a secret the door is closed. */
export function parseWebhookAccount(value: unknown): { account: WebhookAccount } | { issues: readonly AccountIssue[] } {
  const raw: JsonObject = fieldsOf(value);
  const issues: AccountIssue[] = [];
  const secret = readSecret(raw, "secret", issues);
  const previous = readSecret(raw, "previousSecret", issues);
  if (!secret && issues.length === 0) issues.push({ path: "secret", message: "is missing", fix: FIX });
  const url = raw["outboundUrl"];
  const outboundUrl = url === undefined || url === "" ? null : parseHttpsUrl(url, "outboundUrl", issues);
  const proxy = parseProxySetting(raw["proxy"], issues);
  if (issues.length > 0 || !secret) return { issues };
  return { account: { secret, accepted: previous ? [secret, previous] : [secret], outboundUrl, proxy } };
}

export function webhookIdentity(account: WebhookAccount): string {
  return createHash("sha256").update(`webhook ${account.secret.reveal()}`).digest("hex");
}
