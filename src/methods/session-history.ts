import { LIMITS } from "../core/limits.ts";
import { resolveKey, type ChatDeps } from "./chat-context.ts";
import { toMessageRow, toPage } from "./wire-rows.ts";

export type SessionHistoryPage = { key: string; limit: number; beforeSeq: number | undefined };

/** One page of a session's history as JSON text, newest messages last; null: the session does not exist. */
export function readSessionHistory(deps: ChatDeps, { key: name, limit, beforeSeq }: SessionHistoryPage): string | null {
  const { key } = resolveKey(deps, name);
  const session = deps.sessions.get(key);
  if (!session) return null;
  const messages = deps.messages.tail(key, session.session_id, { limit, beforeSeq, maxBytes: LIMITS.historyPageBytes });
  const { json, count } = toPage(messages.map(toMessageRow), LIMITS.historyPageBytes);
  const first = messages.at(-count)?.seq;
  const hasMore = first !== undefined && deps.messages.seqOf(key, session.session_id, 0, first) !== undefined;
  const rest = { sessionKey: key, hasMore, ...(hasMore ? { nextCursor: String(first) } : {}) };
  // Official clients read `items` or `messages`; both are the same list.
  return `{"items":${json},"messages":${json},${JSON.stringify(rest).slice(1)}`;
}
