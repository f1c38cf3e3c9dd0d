import { createHash } from "node:crypto";
import { isAbsolute } from "node:path";
import { isLoopbackHostname, parseProxySetting } from "../url.ts";
import type { AccountIssue } from "../channel.ts";
import { asObject, asString, type JsonObject } from "../../core/json.ts";

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

const PHONE_NUMBER = /^\+[1-9]\d{5,14}$/;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const STARTUP_MS = { min: 1_000, default: 30_000, max: 120_000 };

/** Names of machines in a private network: containers beside us, and addresses that no router forwards. */
function isPrivate(hostname: string): boolean {
  return (
    isLoopbackHostname(hostname) ||
    /^[a-z0-9_-]+$/i.test(hostname) ||
    /\.(?:local|internal|lan|home\.arpa)$/i.test(hostname) ||
    /^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/.test(hostname)
  );
}

function readUrl(raw: JsonObject, issues: Issues): string {
  const url = URL.parse(asString(raw["url"]));
  const safe = url && url.username === "" && (url.protocol === "https:" || (url.protocol === "http:" && isPrivate(url.hostname)));
  if (safe) return url.href.replace(/\/+$/, "");
  issues.push({
    path: "transport.url",
    message: raw["url"] === undefined ? "is missing" : "must be an address that begins with https://",
    fix: "Set the address of the daemon, e.g. http://127.0.0.1:8080. Plain http:// is accepted for this machine and private networks.",
  });
  return "";
}

function readInteger(raw: JsonObject, key: string, least: number, most: number, issues: Issues): number | null {
  const value = raw[key];
  if (value === undefined) return null;
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
  issues.push({ path: `transport.${key}`, message: `must be a whole number from ${least} to ${most}` });
  return null;
}

function readManagedTransport(raw: JsonObject, issues: Issues): SignalTransport {
  const host = asString(raw["httpHost"]) || "127.0.0.1";
  if (!isLoopbackHostname(host))
    issues.push({
      path: "transport.httpHost",
      message: "must be this machine: the daemon has no authentication",
      fix: "Remove the key, or set it to 127.0.0.1.",
    });
  const configPath = asString(raw["configPath"]) || null;
  if (configPath !== null && !isAbsolute(configPath)) issues.push({ path: "transport.configPath", message: "must be an absolute path" });
  const cliPath = asString(raw["cliPath"]) || "signal-cli";
  if (cliPath.includes("/") && !isAbsolute(cliPath))
    issues.push({ path: "transport.cliPath", message: "must be an absolute path, or a name that is looked up in PATH" });
  return {
    kind: "managed-native",
    cliPath,
    configPath,
    host,
    port: readInteger(raw, "httpPort", 1, 65_535, issues),
    startupTimeoutMs: readInteger(raw, "startupTimeoutMs", STARTUP_MS.min, STARTUP_MS.max, issues) ?? STARTUP_MS.default,
    ignoreStories: raw["ignoreStories"] !== false,
  };
}

function readTransport(value: unknown, issues: Issues): SignalTransport {
  const raw = asObject(value) ?? {};
  const kind = raw["kind"] ?? (raw["url"] === undefined ? "managed-native" : "external-native");
  if (kind === "managed-native") return readManagedTransport(raw, issues);
  if (kind === "external-native" || kind === "container") return { kind, url: readUrl(raw, issues) };
  issues.push({ path: "transport.kind", message: "must be managed-native, external-native or container" });
  return readManagedTransport({}, issues);
}

/** Checks and completes an account. Pure. */
export function parseSignalAccount(value: unknown): { account: SignalAccount } | { issues: readonly AccountIssue[] } {
  const issues: Issues = [];
  const raw = asObject(value) ?? {};
  const number = String(raw["account"] ?? "").replaceAll(/[\s()-]/g, "");
  if (!PHONE_NUMBER.test(number))
    issues.push({
      path: "account",
      message: number === "" ? "is missing" : "is not a phone number in the international form",
      fix: "Set channels.signal.account to the bot's own number, e.g. +15551234567.",
    });
  const uuid = asString(raw["accountUuid"])
    .replace(/^uuid:/, "")
    .toLowerCase();
  if (uuid !== "" && !UUID.test(uuid)) issues.push({ path: "accountUuid", message: "is not the id of an account" });
  const account: SignalAccount = {
    number,
    uuid: uuid === "" ? null : uuid,
    transport: readTransport(raw["transport"], issues),
    ignoreAttachments: raw["ignoreAttachments"] === true,
    proxy: parseProxySetting(raw["proxy"], issues),
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
