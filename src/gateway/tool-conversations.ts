import { asId, type AgentId, type SessionKey } from "../core/ids.ts";
import { textOf, type Message } from "../store/messages.ts";
import { parseSessionKey } from "../routing/session-key.ts";
import type { Conversations, ShownMessage } from "../tools/conversations.ts";
import { TOOL_LIMITS } from "../tools/limits.ts";
import type { Storage } from "./storage.ts";

/** The stored conversations for the tools that show them: the words of both sides, without tool calls and thinking. */
export function createConversations({
  sessions,
  messages,
  agentIds,
}: Pick<Storage, "sessions" | "messages"> & { agentIds: () => readonly AgentId[] }): Conversations {
  return {
    list({ search, limit, agents, keys }) {
      const { rows } = sessions.list({
        limit,
        offset: 0,
        order: "activity",
        archived: "all",
        ...(agents !== undefined && { agents }),
        ...(search !== undefined && { search }),
        ...(keys !== undefined && { keys }),
      });
      return rows.map(({ key, title, channel, chat_kind, updated_at, preview }) => ({
        key: asId<SessionKey>(key),
        title,
        channel,
        chatKind: chat_kind,
        updatedAt: updated_at,
        preview,
      }));
    },
    agentOf: (key) => (sessions.get(key) ? (parseSessionKey(key)?.agentId ?? null) : null),
    parentOf: (key) => {
      const parent = sessions.get(key)?.parent_key ?? null;
      return parent === null ? null : asId<SessionKey>(parent);
    },
    below: (key) => keysBelow(sessions, key),
    agents: agentIds,
    page(key, { limit, offset }) {
      const session = sessions.get(key);
      const beforeSeq = session && offset > 0 ? messages.seqOf(key, session.session_id, offset - 1) : undefined;
      if (!session || (offset > 0 && beforeSeq === undefined)) return { messages: [], next: null };
      const rows = messages.tail(key, session.session_id, { limit, beforeSeq, maxBytes: TOOL_LIMITS.readMessageBytes });
      const next = offset + rows.length;
      return {
        messages: rows.flatMap((row, index) => toShown(row).map((shown) => ({ ...shown, offset: next - index }))),
        next: messages.seqOf(key, session.session_id, next) === undefined ? null : next,
      };
    },
    search: (words, limit, isSearched) =>
      messages
        .search(words, limit, (key) => isSearched(asId<SessionKey>(key)))
        .hits.flatMap(({ message }) => toShown(message).map((shown) => ({ ...shown, sessionKey: message.sessionKey }))),
  };
}

/** Sessions that are listed below one; more are left out. */
const MAX_BELOW = 500;

function keysBelow(sessions: Pick<Storage["sessions"], "childrenOf">, key: SessionKey): SessionKey[] {
  const found = new Set<string>();
  const open: string[] = [key];
  for (let next = open.shift(); next !== undefined && found.size < MAX_BELOW; next = open.shift())
    for (const child of sessions.childrenOf(next))
      if (child !== key && !found.has(child)) {
        found.add(child);
        open.push(child);
      }
  return [...found].map((each) => asId<SessionKey>(each));
}

function toShown({ at, body }: Message): ShownMessage[] {
  const text = textOf(body);
  return (body.role === "user" || body.role === "assistant") && text !== "" ? [{ role: body.role, at, text }] : [];
}
