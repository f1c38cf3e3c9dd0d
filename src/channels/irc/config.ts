import { createHash } from "node:crypto";
import { fieldsOf, type JsonObject } from "../../core/json.ts";
import { Secret } from "../../core/secret.ts";
import type { AccountIssue } from "../channel.ts";
import { isTarget } from "./message-line.ts";

/** One IRC account, complete. */
export type IrcAccount = {
  host: string;
  port: number;
  /** Verified against the system's authorities, or pinned to one SHA-256 fingerprint, or (explicitly) not verified at all. */
  tls: false | { verify: "authorities" | "none" } | { verify: "fingerprint"; sha256: string };
  nick: string;
  username: string;
  realname: string;
  password: Secret | null;
  sasl: { user: string; password: Secret } | null;
  nickserv: { service: string; password: Secret; registerEmail: string | null } | null;
  channels: readonly string[];
  /** Keys of rooms (mode +k), by the name of the room in lower case. */
  keys: ReadonlyMap<string, Secret>;
  /** Lines that may be sent at once, and the pause for each further one. */
  flood: { burst: number; intervalMs: number };
};

type Issues = AccountIssue[];

function readString(raw: JsonObject, key: string, issues: Issues, fallback?: string): string {
  const value = raw[key];
  if (value === undefined || value === "") {
    if (fallback === undefined) issues.push({ path: key, message: "is missing", fix: `Set channels.irc.${key}.` });
    return fallback ?? "";
  }
  if (typeof value === "string" && !/\p{Cc}/u.test(value)) return value.trim();
  issues.push({ path: key, message: "must be a text of one line" });
  return "";
}

function readSecret(raw: JsonObject, key: string, issues: Issues, path = key): Secret | null {
  const value = raw[key];
  const found = value instanceof Secret ? value : typeof value === "string" ? new Secret(value) : null;
  if (value !== undefined && !found) issues.push({ path, message: "must be a text or a secret reference" });
  if (!found || found.isEmpty) return null;
  if (!/[\r\n\0]/.test(found.reveal())) return found;
  issues.push({ path, message: "must not contain line ends" });
  return null;
}

function readInteger(
  raw: JsonObject,
  key: string,
  range: { least: number; most: number; fallback: number; path?: string },
  issues: Issues,
): number {
  const value = raw[key] ?? range.fallback;
  if (typeof value === "number" && Number.isInteger(value) && value >= range.least && value <= range.most) return value;
  issues.push({ path: range.path ?? key, message: `must be a whole number from ${range.least} to ${range.most}` });
  return range.fallback;
}

function parseTls(raw: JsonObject, issues: Issues): IrcAccount["tls"] {
  const value = raw["tls"] ?? true;
  if (typeof value !== "boolean") issues.push({ path: "tls", message: "must be true or false", fix: "Remove it to use TLS." });
  if (value === false) return false;
  const fingerprint = raw["tlsFingerprint"];
  if (typeof fingerprint === "string" && fingerprint !== "") {
    const sha256 = fingerprint.replaceAll(/[:\s]/g, "").toLowerCase();
    if (/^[0-9a-f]{64}$/.test(sha256)) return { verify: "fingerprint", sha256 };
    issues.push({ path: "tlsFingerprint", message: "must be the SHA-256 fingerprint of the certificate, 64 hex digits" });
  }
  return { verify: raw["tlsInsecure"] === true ? "none" : "authorities" };
}

function parseChannels(raw: JsonObject, issues: Issues): readonly string[] {
  const value = raw["channels"] ?? [];
  if (!Array.isArray(value)) {
    issues.push({ path: "channels", message: 'must be a list such as ["#room"]' });
    return [];
  }
  const rooms = value.map((each) => splitChannelKey(String(each)));
  for (const [index, { name, key }] of rooms.entries()) {
    if (!isTarget(name) || !/^[#&+!]/.test(name)) {
      issues.push({ path: `channels[${index}]`, message: `${JSON.stringify(name)} is not a channel name`, fix: 'Names begin with "#".' });
    } else if (key !== "" && !isChannelKey(key))
      issues.push({ path: `channels[${index}]`, message: "has a key with a space, a comma or a leading colon" });
  }
  return rooms.map(({ name }) => name);
}

/** `#room` or `#room key`. */
function splitChannelKey(entry: string): { name: string; key: string } {
  const at = entry.indexOf(" ");
  return at < 0 ? { name: entry, key: "" } : { name: entry.slice(0, at), key: entry.slice(at + 1).trim() };
}

/** A key that stays one parameter of JOIN and cannot become another command. */
const isChannelKey = (key: string): boolean => /^[^\s,:\p{Cc}][^\s,\p{Cc}]*$/u.test(key) && Buffer.byteLength(key) <= 100;

/** Keys in `groups` override those in `channels`. */
function parseKeys(raw: JsonObject, issues: Issues): ReadonlyMap<string, Secret> {
  const keys = new Map<string, Secret>();
  for (const entry of Array.isArray(raw["channels"]) ? raw["channels"] : []) {
    const { name, key } = splitChannelKey(String(entry));
    if (isChannelKey(key)) keys.set(name.toLowerCase(), new Secret(key));
  }
  for (const [name, group] of Object.entries(fieldsOf(raw["groups"]))) {
    const path = `groups[${JSON.stringify(name)}].key`;
    const key = readSecret(fieldsOf(group), "key", issues, path);
    if (key && !isChannelKey(key.reveal())) issues.push({ path, message: "must be one word without a comma, and not begin with a colon" });
    else if (key) keys.set(name.toLowerCase(), key);
  }
  return keys;
}

function parseNickserv(raw: JsonObject, issues: Issues): IrcAccount["nickserv"] {
  const block = fieldsOf(raw["nickserv"]);
  const password = readSecret(block, "password", issues, "nickserv.password");
  if (!password || block["enabled"] === false) return null;
  const service = readString(block, "service", issues, "NickServ");
  const email = readString(block, "registerEmail", issues, "");
  if (block["register"] === true && !email) issues.push({ path: "nickserv.registerEmail", message: "is required to register the nick" });
  return { service, password, registerEmail: block["register"] === true && email ? email : null };
}

function parseSasl(raw: JsonObject, nick: string, issues: Issues): IrcAccount["sasl"] {
  const block = fieldsOf(raw["sasl"]);
  const password = readSecret(block, "password", issues, "sasl.password");
  if (raw["sasl"] !== undefined && !password) issues.push({ path: "sasl.password", message: "is missing" });
  return password ? { user: readString(block, "username", issues, nick), password } : null;
}

/** Checks and completes an account. Secrets are resolved; pure. */
export function parseIrcAccount(value: unknown): { account: IrcAccount } | { issues: readonly AccountIssue[] } {
  const issues: Issues = [];
  const raw = fieldsOf(value);
  const tls = parseTls(raw, issues);
  const nick = readString(raw, "nick", issues);
  if (nick && (!isTarget(nick) || /^[#&+\d-]/.test(nick)))
    issues.push({ path: "nick", message: `${JSON.stringify(nick)} is not a valid nick` });
  const flood = fieldsOf(raw["flood"]);
  const account: IrcAccount = {
    host: readString(raw, "host", issues),
    port: readInteger(raw, "port", { least: 1, most: 65_535, fallback: tls ? 6697 : 6667 }, issues),
    tls,
    nick,
    username: readString(raw, "username", issues, nick.replaceAll(/[^A-Za-z0-9_-]/g, "").slice(0, 10) || "openclaw").replaceAll(
      /[\s@!]/g,
      "",
    ),
    realname: readString(raw, "realname", issues, "OpenClaw"),
    password: readSecret(raw, "password", issues),
    sasl: parseSasl(raw, nick, issues),
    nickserv: parseNickserv(raw, issues),
    channels: parseChannels(raw, issues),
    keys: parseKeys(raw, issues),
    flood: {
      burst: readInteger(flood, "burst", { least: 1, most: 100, fallback: 4, path: "flood.burst" }, issues),
      intervalMs: readInteger(flood, "intervalMs", { least: 0, most: 60_000, fallback: 2_000, path: "flood.intervalMs" }, issues),
    },
  };
  return issues.length > 0 ? { issues } : { account };
}

/** Two accounts with the same server and nick would fight over the nick. */
export function ircIdentity(account: IrcAccount): string {
  const who = JSON.stringify([account.host.toLowerCase(), account.port, account.nick.toLowerCase()]);
  return createHash("sha256").update(who).digest("hex");
}

/** A nick or channel as it is written in access lists: lower case, without the word `user:` or `channel:`. */
export function canonicalIrcId(id: string): string {
  return id
    .trim()
    .replace(/^(user|channel):/i, "")
    .toLowerCase();
}
