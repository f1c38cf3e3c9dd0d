/** The sessions list: live changes, titles, filter, groups. Pure. */
import type { SessionListRow } from "../../src/client/conversation/protocol-types.ts";

/** The changed row as `session`, or only its changed fields beside the rest. */
export type SessionChange = Partial<SessionListRow> & {
  sessionKey?: string;
  reason?: string;
  phase?: string;
  runId?: string;
  ts?: number;
  session?: SessionListRow;
};

/** What a change says about its session, without what it says about itself. */
export function toSessionPatch(change: SessionChange): Partial<SessionListRow> {
  const { sessionKey: _key, reason: _reason, phase: _phase, runId: _run, ts: _ts, session, ...fields } = change;
  return session ?? fields;
}

/** Applies one `sessions.changed` event. `null` means that the event does not say enough and the list must be read again. */
export function applyChange(rows: readonly SessionListRow[], change: SessionChange): readonly SessionListRow[] | null {
  const key = change.sessionKey ?? change.key ?? change.session?.key;
  if (key === undefined) return null;
  const patch = toSessionPatch(change);
  if (change.reason === "delete" || change.reason === "deleted" || patch.archived === true) return rows.filter((row) => row.key !== key);
  const whole = change.session !== undefined || rows.some((row) => row.key === key);
  return whole && Object.keys(patch).length > 0 ? upsertSession(rows, { ...patch, key }) : null;
}

/** Adds or updates one row; a title that the server derived earlier survives a shorter row. */
export function upsertSession(rows: readonly SessionListRow[], row: SessionListRow): readonly SessionListRow[] {
  const at = rows.findIndex((known) => known.key === row.key);
  if (at === -1) return [row, ...rows];
  const known = rows[at] as SessionListRow;
  return rows.with(at, { ...known, ...row, derivedTitle: row.derivedTitle ?? known.derivedTitle ?? null });
}

/** `main` and `agent:main:main` are the same session; the long form is the one in lists and events. */
export function canonicalKey(key: string, defaultAgentId: string): string {
  return key.startsWith("agent:") || key === "global" || key === "unknown" ? key : `agent:${defaultAgentId}:${key}`;
}

/** The part of the key after `agent:<id>:`. */
export const withoutAgentPrefix = (key: string): string => (key.startsWith("agent:") ? key.split(":").slice(2).join(":") : key);

const GENERATED_KEY = /^(web|tui|acp-bridge|explicit|openai|openresponses|hook|subagent)[-:]?[0-9a-f-]{8,}$/i;

/** What a person calls this session. */
export function titleOf(row: SessionListRow): string {
  const rest = withoutAgentPrefix(row.key);
  const main = row.isMain === true || rest === "main";
  // The main session goes on for months; its first words are no name for it.
  const names = main ? [row.label, row.displayName] : [row.label, row.displayName, row.derivedTitle];
  const given = names.find((name) => typeof name === "string" && name.trim() !== "" && !GENERATED_KEY.test(name));
  if (typeof given === "string") return given.trim();
  if (main) return "Main";
  if (GENERATED_KEY.test(rest)) return stripMarkdown(row.lastMessagePreview ?? "") || "New session";
  return rest;
}

/** Markdown without its marks, on one line, for a preview. */
export const stripMarkdown = (text: string): string =>
  text
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/^\s*(#{1,6}|>|[-*+]|\d+\.)\s+/gm, "")
    .replace(/[*`~|]+|_{2,}/g, "")
    .replace(/(^|\s)_([^_]+)_(?=[\s.,:;!?]|$)/g, "$1$2")
    .replace(/\s+/g, " ")
    .replace(/ #{1,6} /g, " ")
    .trim();

/** Names of clients and channels. Those of built-in channels are the labels of their descriptions; a test compares them. */
const CHANNEL_NAMES: Record<string, string> = {
  tui: "terminal",
  cron: "schedule",
  openai: "API",
  "openai-user": "API",
  openresponses: "API",
  hook: "webhook",
  subagent: "sub-agent",
  explicit: "command",
  "acp-bridge": "editor",
  irc: "IRC",
  telegram: "Telegram",
  discord: "Discord",
  slack: "Slack",
  signal: "Signal",
  whatsapp: "WhatsApp",
  matrix: "Matrix",
  xmpp: "XMPP",
  webhook: "Webhook",
};

/** The name of a channel as people write it. */
export const channelName = (channel: string): string => CHANNEL_NAMES[channel] ?? channel;

/** Where a session comes from, when that is not this page: a chat network, the terminal, a schedule. */
export function channelLabelOf(row: SessionListRow): string | null {
  const rest = withoutAgentPrefix(row.key);
  const word = rest.includes(":") ? rest.slice(0, rest.indexOf(":")) : rest.replace(/-[0-9a-f-]{8,}$/i, "");
  return rest === word
    ? CHANNEL_NAMES[word] !== undefined && rest !== word
      ? (CHANNEL_NAMES[word] as string)
      : null
    : (CHANNEL_NAMES[word] ?? null);
}

/** Channels that are no chat applications. */
const CLIENTS = new Set(["webchat", "rpc", "http", "internal", "unknown"]);

/** For a session of a chat application: "Telegram · direct message", "IRC · group". */
export function chatLocationOf(row: SessionListRow): { place: string; isGroup: boolean } | null {
  const { channel = "webchat", chatType = "direct" } = row;
  if (CLIENTS.has(channel) || row.isMain === true) return null;
  const isGroup = chatType !== "direct";
  return { place: `${channelName(channel)} · ${isGroup ? chatType : "direct message"}`, isGroup };
}

export type SessionGroup = { title: string; rows: readonly SessionListRow[] };

/** The first moment of the day `back` days before that of `at`. */
export const startOfDay = (at: number, back = 0): number => {
  const day = new Date(at);
  day.setHours(0, 0, 0, 0);
  day.setDate(day.getDate() - back);
  return day.getTime();
};

const isThisYear = (at: number, now: number): boolean => new Date(at).getFullYear() === new Date(now).getFullYear();

/** "Today", "Yesterday", "Previous 7 days", then the month. */
function toDateGroup(at: number, now: number, locale?: string): string {
  if (at >= startOfDay(now)) return "Today";
  if (at >= startOfDay(now, 1)) return "Yesterday";
  if (at >= startOfDay(now, 7)) return "Previous 7 days";
  return new Date(at).toLocaleDateString(locale, { month: "long", ...(isThisYear(at, now) ? {} : { year: "numeric" }) });
}

/** Filtered by the words of `filter`, newest first, in groups a person can scan. Rows in `found` belong to it whatever their words. */
export function groupByDate(
  rows: readonly SessionListRow[],
  filter: string,
  now: number,
  { found = new Set<string>(), locale }: { found?: ReadonlySet<string>; locale?: string } = {},
): readonly SessionGroup[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = rows
    .filter((row) => row.archived !== true)
    .filter((row) => {
      const text = `${titleOf(row)} ${row.key} ${row.lastMessagePreview ?? ""}`.toLowerCase();
      return found.has(row.key) || words.every((word) => text.includes(word));
    })
    .toSorted((a, b) => (b.updatedAt ?? 0) - (a.updatedAt ?? 0));
  const groups = new Map<string, SessionListRow[]>([["Pinned", []]]);
  for (const row of shown) {
    const title = row.pinned === true || row.isMain === true ? "Pinned" : toDateGroup(row.updatedAt ?? row.createdAt ?? 0, now, locale);
    groups.set(title, [...(groups.get(title) ?? []), row]);
  }
  return [...groups].filter(([, rows]) => rows.length > 0).map(([title, rows]) => ({ title, rows }));
}

/** "Today", "Yesterday", "Tuesday", "3 February", with the year when it is another one. */
export function toDay(at: number, now: number, locale?: string): string {
  if (at >= startOfDay(now)) return "Today";
  if (at >= startOfDay(now, 1)) return "Yesterday";
  if (at >= startOfDay(now, 6)) return new Date(at).toLocaleDateString(locale, { weekday: "long" });
  return new Date(at).toLocaleDateString(locale, { day: "numeric", month: "long", ...(isThisYear(at, now) ? {} : { year: "numeric" }) });
}

/** "now", "5 min", "14:05", "Mon", "3 Nov". */
export function toShortTime(at: number, now: number, locale?: string): string {
  const age = now - at;
  if (age < 60_000) return "now";
  if (age < 3_600_000) return `${Math.floor(age / 60_000)} min`;
  if (at >= startOfDay(now)) return new Date(at).toLocaleTimeString(locale, { hour: "numeric", minute: "2-digit" });
  if (at >= startOfDay(now, 6)) return new Date(at).toLocaleDateString(locale, { weekday: "short" });
  return new Date(at).toLocaleDateString(locale, { day: "numeric", month: "short" });
}
