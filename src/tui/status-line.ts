import type { ChatState } from "./chat-state.ts";
import { activeRun } from "./chat-state.ts";
import { stripMarkdown, titleOf } from "../client/conversation/session-row.ts";
import { formatDuration, sanitizeLine, truncateText } from "../cli/terminal-text.ts";
import type { Palette } from "./palette.ts";
import { truncateToWidth, visibleWidth } from "./toolkit.ts";

export type LinkState =
  | { readonly kind: "connecting" }
  | { readonly kind: "online" }
  /** `retryAt` in milliseconds since the epoch. */
  | { readonly kind: "lost"; readonly why: string; readonly retryAt: number };

export type StatusFacts = {
  readonly link: LinkState;
  readonly chat: ChatState;
  readonly requests: number;
  /** When the running turn began, as far as it was seen. */
  readonly since: number | null;
  readonly now: number;
};

const SEPARATOR = " · ";
const MIN_TITLE = 10;

/** The state of the connection and of the session in one line, or in two where the terminal is narrow. Pure. */
export function statusLines(palette: Palette, facts: StatusFacts, width: number): string[] {
  const left = [linkText(palette, facts), activityText(palette, facts), ...requestText(palette, facts)].filter((text) => text !== "");
  const right = fitTitle(sessionParts(facts.chat), width).map((text) => palette.dim(text));
  const one = `${left.join(SEPARATOR)}   ${right.join(palette.dim(SEPARATOR))}`;
  if (visibleWidth(one) <= width) {
    const gap = width - visibleWidth(left.join(SEPARATOR)) - visibleWidth(right.join(SEPARATOR));
    return [left.join(SEPARATOR) + " ".repeat(gap) + right.join(palette.dim(SEPARATOR))];
  }
  return [left.join(SEPARATOR), right.join(palette.dim(SEPARATOR))].map((line) => truncateToWidth(line, width, "…"));
}

function linkText(palette: Palette, { link, now }: StatusFacts): string {
  if (link.kind === "online") return palette.good("● connected");
  if (link.kind === "connecting") return palette.warning("○ connecting");
  const wait = Math.max(0, link.retryAt - now);
  const when = wait < 1_000 ? "now" : `in ${formatDuration(Math.ceil(wait / 1_000) * 1_000)}`;
  return palette.bad(`○ ${truncateText(sanitizeLine(link.why), 48)}; trying again ${when}${wait < 1_000 ? "" : " (Enter: now)"}`);
}

function activityText(palette: Palette, { link, chat, since: at, now }: StatusFacts): string {
  // What the gateway does meanwhile is not known.
  if (link.kind === "lost") return "";
  const run = activeRun(chat);
  const waiting = chat.session?.queuedInputs ?? 0;
  const queue = waiting > 0 ? `${waiting} queued` : "";
  if (run === undefined) return queue;
  const since = at === null ? "" : ` ${formatDuration(Math.max(0, Math.floor((now - at) / 1_000) * 1_000))}`;
  const word =
    run.waitsFor.length > 0 ? "waits for an answer" : run.phase === null ? "working" : sanitizeLine(run.phase).replaceAll("_", " ");
  return [palette.accent(`${truncateText(word, 32)}${since}`), queue].filter((text) => text !== "").join(SEPARATOR);
}

const requestText = (palette: Palette, { requests }: StatusFacts): string[] =>
  requests === 0 ? [] : [palette.warning(`${requests} ${requests === 1 ? "request" : "requests"} (F2)`)];

/** What follows the title says more than its end. */
function fitTitle([title, ...rest]: readonly string[], width: number): string[] {
  if (title === undefined) return [];
  const room = width - visibleWidth(["", ...rest].join(SEPARATOR));
  return [visibleWidth(title) <= room ? title : truncateToWidth(title, Math.max(MIN_TITLE, room), "…"), ...rest];
}

/** Agent and session, model, context, cost, queue mode: what the gateway has said. */
function sessionParts({ sessionKey, agentId, session }: ChatState): string[] {
  if (sessionKey === "") return [];
  const title = stripMarkdown(titleOf(session ?? { key: sessionKey }));
  const parts = [`${sanitizeLine(agentId)}: ${truncateText(sanitizeLine(title), 32)}`];
  if (session === null) return parts;
  const { model, modelProvider, totalTokens, contextTokens, estimatedCostUsd, effectiveQueueMode } = session;
  if (model) parts.push(truncateText(sanitizeLine(modelProvider ? `${modelProvider}/${model}` : model), 40));
  if (totalTokens !== undefined && contextTokens) parts.push(`context ${contextText(totalTokens, contextTokens)}`);
  if (estimatedCostUsd !== undefined && estimatedCostUsd > 0) parts.push(costText(estimatedCostUsd));
  if (effectiveQueueMode) parts.push(`queue: ${sanitizeLine(effectiveQueueMode)}`);
  return parts;
}

function contextText(used: number, size: number): string {
  const share = Math.round((used / size) * 100);
  return `${share === 0 && used > 0 ? "< 1" : share} % of ${shortCount(size)}`;
}

/** 128_000 -> "128k". */
const shortCount = (count: number): string =>
  count < 1_000 ? String(count) : count < 1_000_000 ? `${Math.round(count / 1_000)}k` : `${(count / 1_000_000).toFixed(1)}M`;

const costText = (usd: number): string => `$${usd < 0.01 ? usd.toFixed(4) : usd.toFixed(2)}`;
