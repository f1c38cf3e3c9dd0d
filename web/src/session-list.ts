/** The sessions list: where a session comes from, filter, groups. Pure. */
import { locale } from "./locale.ts";
import type { SessionListRow } from "../../src/client/conversation/protocol-types.ts";
import { titleOf, withoutAgentPrefix } from "../../src/client/conversation/session-row.ts";

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

/** The agent of a session where it is not the default one: the main sessions of two agents have the same name. Pure. */
export function otherAgentOf(key: string, defaultAgentId = "main"): string | null {
  const agent = key.startsWith("agent:") ? (key.split(":")[1] ?? "") : "";
  return agent === "" || agent === defaultAgentId ? null : agent;
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
function toDateGroup(at: number, now: number, language = locale()): string {
  if (at >= startOfDay(now)) return "Today";
  if (at >= startOfDay(now, 1)) return "Yesterday";
  if (at >= startOfDay(now, 7)) return "Previous 7 days";
  return new Date(at).toLocaleDateString(language, { month: "long", ...(isThisYear(at, now) ? {} : { year: "numeric" }) });
}

/** Filtered by the words of `filter`, newest first, in groups a person can scan. Rows in `found` belong to it whatever their words. */
export function groupByDate(
  rows: readonly SessionListRow[],
  filter: string,
  now: number,
  { found = new Set<string>(), locale: language = locale() }: { found?: ReadonlySet<string>; locale?: string | undefined } = {},
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
    const title = row.pinned === true || row.isMain === true ? "Pinned" : toDateGroup(row.updatedAt ?? row.createdAt ?? 0, now, language);
    groups.set(title, [...(groups.get(title) ?? []), row]);
  }
  return [...groups].filter(([, rows]) => rows.length > 0).map(([title, rows]) => ({ title, rows }));
}

/** "Today", "Yesterday", "Tuesday", "3 February", with the year when it is another one. */
export function toDay(at: number, now: number, language = locale()): string {
  if (at >= startOfDay(now)) return "Today";
  if (at >= startOfDay(now, 1)) return "Yesterday";
  if (at >= startOfDay(now, 6)) return new Date(at).toLocaleDateString(language, { weekday: "long" });
  return new Date(at).toLocaleDateString(language, { day: "numeric", month: "long", ...(isThisYear(at, now) ? {} : { year: "numeric" }) });
}

/** "now", "5 min", "14:05", "Mon", "3 Nov". */
export function toShortTime(at: number, now: number, language = locale()): string {
  const age = now - at;
  if (age < 60_000) return "now";
  if (age < 3_600_000) return `${Math.floor(age / 60_000)} min`;
  if (at >= startOfDay(now)) return new Date(at).toLocaleTimeString(language, { hour: "numeric", minute: "2-digit" });
  if (at >= startOfDay(now, 6)) return new Date(at).toLocaleDateString(language, { weekday: "short" });
  return new Date(at).toLocaleDateString(language, { day: "numeric", month: "short" });
}
