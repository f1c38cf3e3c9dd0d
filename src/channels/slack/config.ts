import { createHash } from "node:crypto";
import { fieldsOf, type JsonObject } from "../../core/json.ts";
import { LIMITS } from "../../core/limits.ts";
import { Secret } from "../../core/secret.ts";
import { parseHttpsUrl, parseProxySetting } from "../url.ts";
import type { AccountIssue } from "../channel.ts";

/** One Slack app in one workspace, complete. */
export type SlackAccount = {
  botToken: Secret;
  /** How events arrive: over sockets that we open, or as requests that Slack sends. */
  source: { mode: "socket"; appToken: Secret } | { mode: "http"; signingSecret: Secret };
  /** Where the Web API is, without a slash at the end. */
  apiRoot: string;
  /** The slash command whose text is the message itself; every other one is `/name arguments`. Null: commands are ignored. */
  command: string | null;
  /** Largest file that is fetched. */
  mediaBytes: number;
  /** The HTTP proxy through which the platform is reached; null: that of the environment, or none. */
  proxy: string | null;
};

type Issues = AccountIssue[];

function readSecret(raw: JsonObject, key: string, shape: { regex: RegExp; description: string; fix: string }, issues: Issues): Secret {
  const value = raw[key];
  const text = (value instanceof Secret ? value.reveal() : typeof value === "string" ? value : "").trim();
  const { fix } = shape;
  if (value !== undefined && !(value instanceof Secret) && typeof value !== "string")
    issues.push({ path: key, message: "must be a text or a secret reference", fix });
  else if (text === "") issues.push({ path: key, message: "is missing", fix });
  else if (!shape.regex.test(text)) issues.push({ path: key, message: `is not ${shape.description}`, fix });
  return new Secret(text);
}

const BOT_TOKEN = {
  regex: /^xox[a-z](?:\.[\w-]+)?-[\w-]{1,400}$/,
  description: "a bot token: those begin with xoxb-",
  fix: "Copy the Bot User OAuth Token from api.slack.com/apps (OAuth & Permissions) into channels.slack.botToken.",
};
const APP_TOKEN = {
  regex: /^xapp-[\w-]{1,400}$/,
  description: "an app-level token: those begin with xapp-",
  fix: "Create an app-level token with the scope connections:write (Basic Information) and set channels.slack.appToken.",
};
const SIGNING_SECRET = {
  regex: /^\S{8,200}$/,
  description: "a signing secret",
  fix: "Copy the Signing Secret from api.slack.com/apps (Basic Information) into channels.slack.signingSecret.",
};

/** Checks and completes an account. Secrets are resolved; pure. */
export function parseSlackAccount(value: unknown): { account: SlackAccount } | { issues: readonly AccountIssue[] } {
  const issues: Issues = [];
  const raw = fieldsOf(value);
  const mode = raw["mode"] ?? "socket";
  if (mode !== "socket" && mode !== "http") issues.push({ path: "mode", message: "must be socket or http" });
  const command = fieldsOf(raw["slashCommand"]);
  const name = command["name"] ?? "openclaw";
  if (typeof name !== "string" || !/^\/?[^\s/]{1,32}$/.test(name))
    issues.push({ path: "slashCommand.name", message: "must be a word of at most 32 characters" });
  const mib = raw["mediaMaxMb"] ?? LIMITS.mediaBytes / 1_048_576;
  if (typeof mib !== "number" || !Number.isFinite(mib) || mib <= 0)
    issues.push({ path: "mediaMaxMb", message: "must be a number above 0" });
  const account: SlackAccount = {
    botToken: readSecret(raw, "botToken", BOT_TOKEN, issues),
    source:
      mode === "http"
        ? { mode, signingSecret: readSecret(raw, "signingSecret", SIGNING_SECRET, issues) }
        : { mode: "socket", appToken: readSecret(raw, "appToken", APP_TOKEN, issues) },
    apiRoot: parseHttpsUrl(raw["apiRoot"] ?? "https://slack.com/api", "apiRoot", issues).replace(/\/+$/, ""),
    command: command["enabled"] === false ? null : String(name).replace(/^\//, ""),
    mediaBytes: Number(mib) * 1_048_576,
    proxy: parseProxySetting(raw["proxy"], issues),
  };
  return issues.length > 0 ? { issues } : { account };
}

/** Two connections with one token would share out the events between them. */
export function slackIdentity(account: SlackAccount): string {
  return createHash("sha256").update(`${account.apiRoot} ${account.botToken.reveal()}`).digest("hex");
}

/** An id as Slack gives it, in capitals; without `slack:`, `user:` or `channel:` in front, and out of `<@U…>` and `<#C…|name>`. */
export function canonicalSlackId(id: string): string {
  const bare = id
    .trim()
    .replace(/^slack:/i, "")
    .replace(/^(?:user|channel|group|im):/i, "");
  const inner = /^<[@#]([A-Z0-9]+)(?:\|[^>]*)?>$/i.exec(bare)?.[1] ?? bare;
  return /^[a-z][a-z0-9]{5,30}$/i.test(inner) && /\d/.test(inner) ? inner.toUpperCase() : inner;
}
