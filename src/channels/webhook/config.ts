import { createHash } from "node:crypto";
import { Secret } from "../../core/secret.ts";
import { parseHttpsUrl, parseProxySetting } from "../url.ts";
import type { AccountIssue } from "../channel.ts";
import { SECRET_FIX, type WebhookAccountKeys } from "./schema.ts";

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

function readSecret(value: Secret | undefined, path: string, issues: AccountIssue[]): Secret | null {
  if (value === undefined) return null;
  const text = value.reveal().trim();
  if (text.length >= SECRET_CHARS) return new Secret(text);
  issues.push({ path, message: `must be a text of at least ${SECRET_CHARS} characters`, fix: SECRET_FIX });
  return null;
}

/** Completes an account whose keys the schema has checked. Pure. Without a secret the door is closed. */
export function parseWebhookAccount(keys: WebhookAccountKeys): { account: WebhookAccount } | { issues: readonly AccountIssue[] } {
  const issues: AccountIssue[] = [];
  const secret = readSecret(keys.secret, "secret", issues);
  const previous = readSecret(keys.previousSecret, "previousSecret", issues);
  if (!secret && issues.length === 0) issues.push({ path: "secret", message: "is missing", fix: SECRET_FIX });
  const outboundUrl = keys.outboundUrl === undefined ? null : parseHttpsUrl(keys.outboundUrl, "outboundUrl", issues);
  const proxy = parseProxySetting(keys.proxy, issues);
  if (issues.length > 0 || !secret) return { issues };
  return { account: { secret, accepted: previous ? [secret, previous] : [secret], outboundUrl, proxy } };
}

export function webhookIdentity(account: WebhookAccount): string {
  return createHash("sha256").update(`webhook ${account.secret.reveal()}`).digest("hex");
}
