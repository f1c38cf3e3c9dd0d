import { createHash } from "node:crypto";
import { LIMITS } from "../../core/limits.ts";
import { Secret } from "../../core/secret.ts";
import { parseHttpsUrl, parseProxySetting } from "../url.ts";
import type { AccountIssue } from "../channel.ts";
import { APP_TOKEN_FIX, BOT_TOKEN_FIX, DEFAULT_API_ROOT, DEFAULT_COMMAND, SIGNING_SECRET_FIX, type SlackAccountKeys } from "./schema.ts";

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

type Credential = { key: "botToken" | "appToken" | "signingSecret"; regex: RegExp; description: string; fix: string };

function readSecret(keys: SlackAccountKeys, { key, regex, description, fix }: Credential, issues: Issues): Secret {
  const text = keys[key]?.reveal().trim() ?? "";
  if (text === "") issues.push({ path: key, message: "is missing", fix });
  else if (!regex.test(text)) issues.push({ path: key, message: `is not ${description}`, fix });
  return new Secret(text);
}

const BOT_TOKEN: Credential = {
  key: "botToken",
  regex: /^xox[a-z](?:\.[\w-]+)?-[\w-]{1,400}$/,
  description: "a bot token: those begin with xoxb-",
  fix: BOT_TOKEN_FIX,
};
const APP_TOKEN: Credential = {
  key: "appToken",
  regex: /^xapp-[\w-]{1,400}$/,
  description: "an app-level token: those begin with xapp-",
  fix: APP_TOKEN_FIX,
};
const SIGNING_SECRET: Credential = {
  key: "signingSecret",
  regex: /^\S{8,200}$/,
  description: "a signing secret",
  fix: SIGNING_SECRET_FIX,
};

/** Completes an account whose keys the schema has checked. Pure. */
export function parseSlackAccount(keys: SlackAccountKeys): { account: SlackAccount } | { issues: readonly AccountIssue[] } {
  const issues: Issues = [];
  const { enabled: acceptsCommands = true, name = DEFAULT_COMMAND } = keys.slashCommand ?? {};
  const account: SlackAccount = {
    botToken: readSecret(keys, BOT_TOKEN, issues),
    source:
      keys.mode === "http"
        ? { mode: "http", signingSecret: readSecret(keys, SIGNING_SECRET, issues) }
        : { mode: "socket", appToken: readSecret(keys, APP_TOKEN, issues) },
    apiRoot: parseHttpsUrl(keys.apiRoot ?? DEFAULT_API_ROOT, "apiRoot", issues).replace(/\/+$/, ""),
    command: acceptsCommands ? name.replace(/^\//, "") : null,
    mediaBytes: keys.mediaMaxMb === undefined ? LIMITS.mediaBytes : keys.mediaMaxMb * 1_048_576,
    proxy: parseProxySetting(keys.proxy, issues),
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
