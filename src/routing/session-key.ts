import { sessionKeyTraits } from "../channels/registry.ts";
import { LIMITS } from "../core/limits.ts";
import { createHash } from "node:crypto";
import { toAgentAddress, toAgentId } from "../core/agent-id.ts";
import { asId, type AgentId, type SessionKey } from "../core/ids.ts";
import { ownProperty, type DmScope, type GroupScope, type RoutedMessage, type SessionScopes } from "./types.ts";

/** Characters of one id inside a key. A longer id is cut and told apart by a hash, so that keys stay distinct. */
const ID_CHARS = LIMITS.sessionIdChars;
/** Characters of a whole key that comes from outside; a longer one is refused. */
const KEY_CHARS = LIMITS.sessionKeyChars;

function toAccountPart(account: string): string {
  return account.trim() === "" ? "default" : toAgentId(account);
}

/** The name of an agent's main conversation: `session.mainKey`, else "main". */
export function mainKeyName(mainKey: string | undefined): string {
  return encodeId((mainKey ?? "").trim().toLowerCase()) || "main";
}

export function mainSessionKey(agentId: AgentId, mainKey?: string): SessionKey {
  return asId<SessionKey>(`agent:${agentId}:${mainKeyName(mainKey)}`);
}

/**
 * An id as part of a key. ":" inside ids is normal (Matrix), so it stays, except where it would look like the key's own grammar
 * (`:thread:`, a leading `direct:`); "%" is escaped where it would look like such an escape. Different ids give different parts.
 */
function encodeId(id: string): string {
  const cut = id.length > ID_CHARS ? `${id.slice(0, ID_CHARS - 33)}~${createHash("sha256").update(id).digest("hex").slice(0, 32)}` : id;
  return cut
    .toWellFormed()
    .replaceAll(/%(?=[0-9a-f]{2})/gi, "%25")
    .replaceAll(/(^|:)(thread|topic):/gi, (_, before: string, word: string) => `${before && "%3a"}${word}%3a`)
    .replace(/^(direct|dm):/i, "$1%3a")
    .replaceAll(/[\p{Cc} ]/gu, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

function decodeId(part: string): string {
  return part.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function isCaseSensitive(channel: string, kind: ChatKind): boolean {
  const { foldsCase, caseSensitiveKinds } = sessionKeyTraits(channel);
  return !foldsCase || caseSensitiveKinds?.includes(kind) === true;
}

function encodeChatId(channel: string, kind: ChatKind, id: string): string {
  const trimmed = id.trim();
  return encodeId(isCaseSensitive(channel, kind) ? trimmed : trimmed.toLowerCase()) || "unknown";
}

const DM_SCOPES: readonly DmScope[] = ["main", "per-peer", "per-channel-peer", "per-account-channel-peer"];

/** The configured scope. Without one, every sender of a channel has a session of their own. An unreadable one is the narrowest. */
export function dmScopeOf(...configured: readonly (string | undefined)[]): DmScope {
  const value = configured.find((scope) => scope !== undefined);
  if (value === undefined) return "per-channel-peer";
  return DM_SCOPES.find((scope) => scope === value) ?? "per-account-channel-peer";
}

export function groupScopeOf(...configured: readonly (string | undefined)[]): GroupScope {
  return configured.find((scope) => scope !== undefined) === "main" ? "main" : "per-group";
}

type ChatKind = RoutedMessage["chat"]["kind"];

export type SessionPlace = {
  agentId: AgentId;
  channel: string;
  account: string;
  message: Pick<RoutedMessage, "chat" | "thread" | "sender">;
  session?: SessionScopes | undefined;
  /** From the matching binding; overrides `session`. */
  override?: { dmScope?: string | undefined; groupScope?: string | undefined } | undefined;
};

/** The session that a message belongs to. A thread is a session of its own below its chat's, unless the chat is in `main`. */
export function sessionKeyFor(place: SessionPlace): SessionKey {
  const { agentId, message, session, override } = place;
  if (session?.scope === "global") return mainSessionKey(agentId);
  const channel = place.channel.trim().toLowerCase() || "unknown";
  const word = (message.chat.kind === "group" && sessionKeyTraits(channel).threadWord) || "thread";
  const thread = message.thread ? `:${word}:${encodeId(message.thread.id.trim()) || "unknown"}` : "";
  if (message.chat.kind === "direct") {
    const base = directKey(place, channel, dmScopeOf(override?.dmScope, session?.dmScope));
    return base === null ? mainSessionKey(agentId) : asId<SessionKey>(`${base}${thread}`);
  }
  if (groupScopeOf(override?.groupScope, session?.groupScope) === "main") return mainSessionKey(agentId);
  const kind = message.chat.kind;
  return asId<SessionKey>(
    `agent:${agentId}:${channel}:${kind}:${encodeChatId(channel, kind, message.chat.formerly ?? message.chat.id)}${thread}`,
  );
}

function directKey(place: SessionPlace, channel: string, scope: DmScope): string | null {
  if (scope === "main") return null;
  const { agentId, message, session, account } = place;
  const linked = linkedIdentity(session?.identityLinks, channel, [message.sender.id, ...(message.sender.aliases ?? [])]);
  const peer = linked === null ? encodeChatId(channel, "direct", message.sender.id) : encodeId(linked.toLowerCase());
  if (scope === "per-peer") return `agent:${agentId}:direct:${peer}`;
  if (scope === "per-channel-peer") return `agent:${agentId}:${channel}:direct:${peer}`;
  return `agent:${agentId}:${channel}:${toAccountPart(account)}:direct:${peer}`;
}

/**
 * The person that `session.identityLinks` declares behind one of these ids, or null. Entries are `<id>` or `<channel>:<id>`. Case
 * counts where the channel's ids are case-sensitive.
 */
export function linkedIdentity(links: SessionScopes["identityLinks"], channel: string, ids: readonly string[]): string | null {
  if (!links) return null;
  const fold = (text: string): string => (isCaseSensitive(channel, "direct") ? text.trim() : text.trim().toLowerCase());
  const wanted = new Set(ids.flatMap((id) => [fold(id), fold(`${channel}:${id}`)]));
  for (const person of Object.keys(links)) {
    const entries = ownProperty(links, person);
    if (person.trim() && Array.isArray(entries) && entries.some((entry) => wanted.has(fold(String(entry))))) return person.trim();
  }
  return null;
}

export type ParsedSessionKey = {
  agentId: AgentId;
  /** All after `agent:<id>:`. */
  rest: string;
  /** Set when the key is one of a chat. Ids are decoded. */
  route?: { channel: string | null; account: string | null; kind: "direct" | "group" | "channel"; id: string; thread?: string };
};

/** Takes a canonical key apart. Null when it is not an agent's key. */
export function parseSessionKey(key: string): ParsedSessionKey | null {
  const found = /^agent:([a-z0-9][a-z0-9_-]{0,63}(?:@[a-z0-9][a-z0-9_-]{0,31}){0,8}):(.+)$/is.exec(key);
  if (!found || key.length > KEY_CHARS) return null;
  const rest = found[2]!;
  const route = parseRoute(rest);
  return { agentId: toAgentAddress(found[1]!), rest, ...(route && { route }) };
}

const isDirectKind = (word: string): boolean => word === "direct" || word === "dm";

function parseRoute(rest: string): ParsedSessionKey["route"] {
  const at = Math.max(rest.toLowerCase().lastIndexOf(":thread:"), rest.toLowerCase().lastIndexOf(":topic:"));
  const base = at < 0 ? rest : rest.slice(0, at);
  const thread = at < 0 ? "" : decodeId(rest.slice(rest.indexOf(":", at + 1) + 1));
  const parts = base.split(":");
  const [first = "", second = "", third = ""] = parts.map((part) => part.toLowerCase());
  const tail = thread ? { thread } : {};
  const idFrom = (index: number): string => decodeId(parts.slice(index).join(":"));
  if (isDirectKind(first) && parts.length >= 2) return { channel: null, account: null, kind: "direct", id: idFrom(1), ...tail };
  if (parts.length >= 4 && isDirectKind(third)) return { channel: first, account: parts[1]!, kind: "direct", id: idFrom(3), ...tail };
  if (parts.length < 3 || !first || idFrom(2) === "") return undefined;
  if (isDirectKind(second)) return { channel: first, account: null, kind: "direct", id: idFrom(2), ...tail };
  if (second === "group" || second === "channel") return { channel: first, account: null, kind: second, id: idFrom(2), ...tail };
  return undefined;
}

/**
 * Any form that a client may send, as the one form that is stored: `main` and the empty text are the default agent's main session, a
 * key without `agent:` belongs to the default agent, letters are lower case except in case-sensitive ids. Null when the text starts
 * like an agent's key but is not one, is too long, or holds control characters.
 */
export function canonicalSessionKey(input: string, defaultAgent: AgentId, mainKey?: string): SessionKey | null {
  const text = input.trim();
  const lower = text.toLowerCase();
  if (text.length > KEY_CHARS || /\p{Cc}/u.test(text)) return null;
  if (lower === "" || lower === "main" || lower === mainKeyName(mainKey)) return mainSessionKey(defaultAgent, mainKey);
  if (!lower.startsWith("agent:")) return asId<SessionKey>(`agent:${defaultAgent}:${foldKeyRest(text)}`);
  const parsed = parseSessionKey(text);
  if (!parsed) return null;
  if (parsed.rest.toLowerCase() === "main") return mainSessionKey(parsed.agentId, mainKey);
  return asId<SessionKey>(`agent:${parsed.agentId}:${foldKeyRest(parsed.rest)}`);
}

/** Lower case, except the ids of channels that keep it. */
function foldKeyRest(rest: string): string {
  const route = parseRoute(rest);
  if (!route) return rest.toLowerCase();
  const words = route.channel === null ? 1 : route.account === null ? 2 : 3;
  const parts = rest.split(":");
  const head = parts.slice(0, words).join(":").toLowerCase();
  const tail = parts.slice(words).join(":");
  const threadAt = Math.max(tail.toLowerCase().lastIndexOf(":thread:"), tail.toLowerCase().lastIndexOf(":topic:"));
  const id = threadAt < 0 ? tail : tail.slice(0, threadAt);
  const thread = threadAt < 0 ? "" : tail.slice(threadAt).replace(/^:(thread|topic):/i, (word) => word.toLowerCase());
  const keep = route.channel === null || isCaseSensitive(route.channel, route.kind);
  return `${head}:${keep ? id : id.toLowerCase()}${thread}`;
}

export type SessionKeyClass = {
  kind: "direct" | "group" | "global" | "unknown";
  classification:
    | "main"
    | "direct"
    | "group"
    | "tui"
    | "cron"
    | "explicit"
    | "hook"
    | "subagent"
    | "acp"
    | "openai"
    | "dashboard"
    | "custom";
};

const PREFIXES: readonly (readonly [string, SessionKeyClass["classification"]])[] = [
  ["tui-", "tui"],
  ["cron:", "cron"],
  ["explicit:", "explicit"],
  ["hook:", "hook"],
  ["subagent:", "subagent"],
  ["acp:", "acp"],
  ["acp-bridge:", "acp"],
  ["openai:", "openai"],
  ["openai-user:", "openai"],
  ["openresponses:", "openai"],
  ["dashboard:", "dashboard"],
];

/** What a canonical key stands for, by its form alone. */
export function classifySessionKey(key: string, mainKey?: string): SessionKeyClass {
  if (key === "global") return { kind: "global", classification: "custom" };
  const parsed = parseSessionKey(key);
  if (!parsed) return { kind: "unknown", classification: "custom" };
  const rest = parsed.rest.toLowerCase();
  if (rest === mainKeyName(mainKey)) return { kind: "direct", classification: "main" };
  const known = PREFIXES.find(([prefix]) => rest.startsWith(prefix));
  if (known) return { kind: "direct", classification: known[1] };
  if (!parsed.route) return { kind: "direct", classification: "custom" };
  return parsed.route.kind === "direct" ? { kind: "direct", classification: "direct" } : { kind: "group", classification: "group" };
}
