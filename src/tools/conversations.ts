import type { AgentId, SessionKey } from "../core/ids.ts";
import type { ToolCaller } from "./tool.ts";

/** One session in a list. Times are milliseconds since 1970. */
export type ListedSession = {
  key: SessionKey;
  title: string | null;
  channel: string;
  chatKind: string;
  updatedAt: number;
  /** The beginning of its last message. */
  preview: string | null;
};

/** A message with its text alone. */
export type ShownMessage = { role: "user" | "assistant"; at: number; text: string };

/** `offset`: the stored messages from this one to the end. */
export type PagedMessage = ShownMessage & { offset: number };

export type FoundMessage = ShownMessage & { sessionKey: SessionKey };

/** The stored conversations, as far as the tools show them. Implemented over the store. */
export interface Conversations {
  /** The newest first. `search`: a part of a title, a label or a key. */
  list(agentId: AgentId | null, query: { search?: string; limit: number; keys?: readonly SessionKey[] }): readonly ListedSession[];
  /** The agent of a session; null: there is no such session. */
  agentOf(key: string): AgentId | null;
  /** The words in `limit` stored messages before the last `offset` ones, oldest first. `next`: the offset of the older ones; null: there are none. */
  page(key: SessionKey, query: { limit: number; offset: number }): { messages: readonly PagedMessage[]; next: number | null };
  /** Messages with all words, the best first, of the sessions that `isSearched` accepts. */
  search(words: readonly string[], limit: number, isSearched: (key: SessionKey) => boolean): readonly FoundMessage[];
}

/** Which sessions a call may show: its own one, those of its agent, or all. */
type Visibility = "self" | "agent" | "all";
/** `tools.sessions.visibility`. `tree` is a session and those that it started, of which there are none. */
export type SessionVisibility = Visibility | "tree";

/**
 * Which sessions a call of this caller may show. People on channels see their own session only, whatever is configured: what an agent
 * knows from others is not for them. Pure.
 */
export const visibilityFor = ({ surface }: Pick<ToolCaller, "surface">, configured: SessionVisibility): Visibility =>
  surface === "channel" || configured === "tree" ? "self" : configured;

/** Whether a session may be shown. Pure. */
export function isVisible(
  visibility: Visibility,
  caller: Pick<ToolCaller, "agentId" | "sessionKey">,
  session: { key: string; agentId: AgentId },
): boolean {
  if (visibility === "all") return true;
  return visibility === "agent" ? session.agentId === caller.agentId : session.key === caller.sessionKey;
}

/** Whether a caller may see messages of a session, for many sessions: the agent of each is looked up once. */
export function sessionFilter(
  conversations: Pick<Conversations, "agentOf">,
  caller: Pick<ToolCaller, "agentId" | "sessionKey" | "surface">,
  configured: SessionVisibility,
): (key: SessionKey) => boolean {
  const visibility = visibilityFor(caller, configured);
  const agents = new Map<string, AgentId | null>();
  return (key) => {
    if (!agents.has(key)) agents.set(key, conversations.agentOf(key));
    const agentId = agents.get(key) ?? null;
    return agentId !== null && isVisible(visibility, caller, { key, agentId });
  };
}
