import { createHash } from "node:crypto";
import { Secret } from "../../core/secret.ts";
import type { AccountIssue } from "../channel.ts";

/** One peer with which signed JSON is exchanged, complete. */
export type WebhookAccount = {
  /** Signs what we send; what comes in may be signed with any of `accepted`. */
  secret: Secret;
  /** The secret, and the one before it while the peer changes over. */
  accepted: readonly Secret[];
  /** Where our messages go; null: nothing can be said. */
  outboundUrl: string | null;
};

type Raw = Readonly<Record<string, unknown>>;
const SECRET_CHARS = 16;
const FIX = "Set channels.webhook.secret to a long random text: openssl rand -hex 32";

function secretOf(raw: Raw, key: string, issues: AccountIssue[]): Secret | null {
  const value = raw[key];
  if (value === undefined) return null;
  const found = value instanceof Secret ? value : typeof value === "string" ? new Secret(value) : null;
  if (found && found.reveal().trim().length >= SECRET_CHARS) return new Secret(found.reveal().trim());
  issues.push({ path: key, message: `must be a text of at least ${SECRET_CHARS} characters`, fix: FIX });
  return null;
}

/** An https address; plain http only on this machine, because messages of people are in every request. */
function addressOf(raw: Raw, issues: AccountIssue[]): string | null {
  const value = raw["outboundUrl"];
  if (value === undefined || value === "") return null;
  const url = typeof value === "string" ? URL.parse(value) : null;
  const local = url?.protocol === "http:" && /^(127(\.\d+){3}|localhost|\[::1\])$/.test(url.hostname);
  if (url && (url.protocol === "https:" || local) && !url.username && !url.password) return url.href;
  issues.push({
    path: "outboundUrl",
    message: "must be an address that begins with https://",
    fix: "Plain http:// is accepted only for this machine (127.0.0.1, localhost, ::1).",
  });
  return null;
}

/** Checks and completes an account. Secrets are resolved; pure. Without a secret the door is closed. */
export function parseWebhookAccount(value: unknown): { account: WebhookAccount } | { issues: readonly AccountIssue[] } {
  const raw: Raw = typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Raw) : {};
  const issues: AccountIssue[] = [];
  const secret = secretOf(raw, "secret", issues);
  const previous = secretOf(raw, "previousSecret", issues);
  if (!secret && issues.length === 0) issues.push({ path: "secret", message: "is missing", fix: FIX });
  const outboundUrl = addressOf(raw, issues);
  if (issues.length > 0 || !secret) return { issues };
  return { account: { secret, accepted: previous ? [secret, previous] : [secret], outboundUrl } };
}

export function webhookIdentity(account: WebhookAccount): string {
  return createHash("sha256").update(`webhook ${account.secret.reveal()}`).digest("hex");
}
