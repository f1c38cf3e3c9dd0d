import { createHash } from "node:crypto";
import { isAbsolute } from "node:path";
import { isLoopbackHostname, parseProxySetting } from "../url.ts";
import type { AccountIssue } from "../channel.ts";
import { DEFAULT_CLI_PATH, DEFAULT_HTTP_HOST, DEFAULT_STARTUP_MS, NUMBER_FIX, URL_FIX, type SignalAccountKeys } from "./schema.ts";

/** How Signal is reached: a signal-cli daemon of ours, one that runs already, or the REST container around one. */
export type SignalTransport =
  | {
      kind: "managed-native";
      cliPath: string;
      configPath: string | null;
      host: string;
      /** Null: a free one. */ port: number | null;
      startupTimeoutMs: number;
      ignoreStories: boolean;
    }
  | { kind: "external-native"; url: string }
  | { kind: "container"; url: string };

/** One Signal account, complete. */
export type SignalAccount = {
  /** The bot's own number, E.164. */
  number: string;
  /** The bot's own id, where it is known: mentions may name it. */
  uuid: string | null;
  transport: SignalTransport;
  ignoreAttachments: boolean;
  /** The HTTP proxy through which a daemon or container elsewhere is reached; null: that of the environment, or none. */
  proxy: string | null;
};

type Issues = AccountIssue[];

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** Names of machines in a private network: containers beside us, and addresses that no router forwards. */
function isPrivate(hostname: string): boolean {
  return (
    isLoopbackHostname(hostname) ||
    /^[a-z0-9_-]+$/i.test(hostname) ||
    /\.(?:local|internal|lan|home\.arpa)$/i.test(hostname) ||
    /^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/.test(hostname)
  );
}

type TransportKeys = NonNullable<SignalAccountKeys["transport"]>;

function readUrl(text: string | undefined, issues: Issues): string {
  const url = URL.parse(text ?? "");
  const safe = url && url.username === "" && (url.protocol === "https:" || (url.protocol === "http:" && isPrivate(url.hostname)));
  if (safe) return url.href.replace(/\/+$/, "");
  issues.push({
    path: "transport.url",
    message: text === undefined ? "is missing" : "must be an address that begins with https://",
    fix: URL_FIX,
  });
  return "";
}

function readManagedTransport(keys: Partial<TransportKeys>, issues: Issues): SignalTransport {
  const host = keys.httpHost || DEFAULT_HTTP_HOST;
  const cliPath = keys.cliPath || DEFAULT_CLI_PATH;
  const configPath = keys.configPath || null;
  if (!isLoopbackHostname(host))
    issues.push({
      path: "transport.httpHost",
      message: "must be this machine: the daemon has no authentication",
      fix: "Remove the key, or set it to 127.0.0.1.",
    });
  if (configPath !== null && !isAbsolute(configPath)) issues.push({ path: "transport.configPath", message: "must be an absolute path" });
  if (cliPath.includes("/") && !isAbsolute(cliPath))
    issues.push({ path: "transport.cliPath", message: "must be an absolute path, or a name that is looked up in PATH" });
  const { httpPort: port = null, startupTimeoutMs = DEFAULT_STARTUP_MS, ignoreStories = true } = keys;
  return { kind: "managed-native", cliPath, configPath, host, port, startupTimeoutMs, ignoreStories };
}

function readTransport(keys: Partial<TransportKeys>, issues: Issues): SignalTransport {
  const kind = keys.kind ?? (keys.url === undefined ? "managed-native" : "external-native");
  return kind === "managed-native" ? readManagedTransport(keys, issues) : { kind, url: readUrl(keys.url, issues) };
}

/** Completes an account whose keys the schema has checked. Pure. */
export function parseSignalAccount(keys: SignalAccountKeys): { account: SignalAccount } | { issues: readonly AccountIssue[] } {
  const issues: Issues = [];
  const number = (keys.account ?? "").replaceAll(/[\s()-]/g, "");
  if (number === "") issues.push({ path: "account", message: "is missing or not valid", fix: NUMBER_FIX });
  const uuid = keys.accountUuid?.replace(/^uuid:/, "").toLowerCase() || null;
  const account: SignalAccount = {
    number,
    uuid,
    transport: readTransport(keys.transport ?? {}, issues),
    ignoreAttachments: keys.ignoreAttachments ?? false,
    proxy: parseProxySetting(keys.proxy, issues),
  };
  return issues.length > 0 ? { issues } : { account };
}

/** Signal gives each message to a linked device once: two connections of one number would take them from each other. */
export function signalIdentity({ number }: SignalAccount): string {
  return createHash("sha256").update(`signal ${number}`).digest("hex");
}

/**
 * The id of a person or a group, as `decode` gives it: `uuid:<id>`, a number with its plus, or the group's id. Takes what OpenClaw's
 * access lists have: with or without `signal:`, `group:` and `uuid:`.
 */
export function canonicalSignalId(id: string): string {
  const bare = id.trim().replace(/^signal:/i, "");
  if (/^group:/i.test(bare)) return bare.slice(6);
  const uuid = bare.replace(/^uuid:/i, "");
  if (UUID.test(uuid)) return `uuid:${uuid.toLowerCase()}`;
  const number = bare.replaceAll(/[\s()-]/g, "");
  return /^\+?[1-9]\d{5,14}$/.test(number) ? `+${number.replace("+", "")}` : bare;
}
