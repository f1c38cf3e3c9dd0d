import { createHash } from "node:crypto";
import { Secret } from "../../core/secret.ts";
import type { AccountIssue } from "../channel.ts";
import { DEFAULT_FLOOD, DEFAULT_PORTS, DEFAULT_REALNAME, DEFAULT_SERVICE, type IrcAccountKeys } from "./schema.ts";

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

/** Keys that every account needs, whether they come from the account or from its channel. */
function requireKey(value: string | undefined, path: "host" | "nick", issues: Issues): string {
  if (value === undefined) issues.push({ path, message: "is missing or not valid", fix: `Set channels.irc.${path}.` });
  return value ?? "";
}

/** A credential becomes part of a line. */
function readSecret(value: Secret | undefined, path: string, issues: Issues): Secret | null {
  if (!value || value.isEmpty) return null;
  if (!/[\r\n\0]/.test(value.reveal())) return value;
  issues.push({ path, message: "must not contain line ends" });
  return null;
}

function parseTls({ tls = true, tlsFingerprint = "", tlsInsecure }: IrcAccountKeys, issues: Issues): IrcAccount["tls"] {
  if (!tls) return false;
  if (tlsFingerprint !== "") {
    const sha256 = tlsFingerprint.replaceAll(/[:\s]/g, "").toLowerCase();
    if (/^[0-9a-f]{64}$/.test(sha256)) return { verify: "fingerprint", sha256 };
    issues.push({ path: "tlsFingerprint", message: "must be the SHA-256 fingerprint of the certificate, 64 hex digits" });
  }
  return { verify: tlsInsecure ? "none" : "authorities" };
}

/** The schema counts characters; the lines of IRC have a limit in bytes. */
const NAME_BYTES = 200;
const KEY_BYTES = 100;

/** `#room` or `#room key`. */
function splitChannelKey(entry: string): { name: string; key: string } {
  const at = entry.indexOf(" ");
  return at < 0 ? { name: entry, key: "" } : { name: entry.slice(0, at), key: entry.slice(at + 1) };
}

/** A key that stays one parameter of JOIN and cannot become another command. */
const isChannelKey = (key: string): boolean => /^[^\s,:\p{Cc}][^\s,\p{Cc}]*$/u.test(key) && Buffer.byteLength(key) <= KEY_BYTES;

/** The channels to join and their keys; those in `groups` override those in `channels`. */
function parseChannels({ channels = [], groups = {} }: IrcAccountKeys, issues: Issues): Pick<IrcAccount, "channels" | "keys"> {
  const entries = channels.map(splitChannelKey);
  const keys = new Map<string, Secret>();
  for (const [index, { name, key }] of entries.entries()) {
    if (Buffer.byteLength(name) > NAME_BYTES || Buffer.byteLength(key) > KEY_BYTES)
      issues.push({ path: `channels[${index}]`, message: `is too long: a name has at most ${NAME_BYTES} bytes, a key ${KEY_BYTES}` });
    else if (key !== "") keys.set(name.toLowerCase(), new Secret(key));
  }
  for (const [name, group] of Object.entries(groups)) {
    const path = `groups[${JSON.stringify(name)}].key`;
    const key = readSecret(group.key, path, issues);
    if (key && !isChannelKey(key.reveal()))
      issues.push({ path, message: `must be one word of at most ${KEY_BYTES} bytes, without a comma or a leading colon` });
    else if (key) keys.set(name.toLowerCase(), key);
  }
  return { channels: entries.map(({ name }) => name), keys };
}

function parseNickserv({ nickserv }: IrcAccountKeys, issues: Issues): IrcAccount["nickserv"] {
  const password = readSecret(nickserv?.password, "nickserv.password", issues);
  if (!nickserv || !password || nickserv.enabled === false) return null;
  const { service, register, registerEmail = "" } = nickserv;
  if (register && registerEmail === "") issues.push({ path: "nickserv.registerEmail", message: "is required to register the nick" });
  return { service: service || DEFAULT_SERVICE, password, registerEmail: register && registerEmail !== "" ? registerEmail : null };
}

function parseSasl({ sasl }: IrcAccountKeys, nick: string, issues: Issues): IrcAccount["sasl"] {
  const password = readSecret(sasl?.password, "sasl.password", issues);
  if (sasl && !password) issues.push({ path: "sasl.password", message: "is missing" });
  return password ? { user: sasl?.username || nick, password } : null;
}

/** Completes an account whose keys the schema has checked. Pure. */
export function parseIrcAccount(keys: IrcAccountKeys): { account: IrcAccount } | { issues: readonly AccountIssue[] } {
  const issues: Issues = [];
  const tls = parseTls(keys, issues);
  const nick = requireKey(keys.nick, "nick", issues);
  const username = keys.username || nick.replaceAll(/[^A-Za-z0-9_-]/g, "").slice(0, 10) || "openclaw";
  const account: IrcAccount = {
    host: requireKey(keys.host, "host", issues),
    port: keys.port ?? (tls ? DEFAULT_PORTS.tls : DEFAULT_PORTS.plain),
    tls,
    nick,
    username: username.replaceAll(/[\s@!]/g, ""),
    realname: keys.realname || DEFAULT_REALNAME,
    password: readSecret(keys.password, "password", issues),
    sasl: parseSasl(keys, nick, issues),
    nickserv: parseNickserv(keys, issues),
    ...parseChannels(keys, issues),
    flood: keys.flood ?? DEFAULT_FLOOD,
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
