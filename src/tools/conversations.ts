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
  /** The newest first. `agents`, `keys`: of these only. `search`: a part of a title, a label or a key. */
  list(query: { search?: string; limit: number; agents?: readonly AgentId[]; keys?: readonly SessionKey[] }): readonly ListedSession[];
  /** The session that started this one; null: none. */
  parentOf(key: string): SessionKey | null;
  /** The sessions that this one has started, and those that they have started. */
  below(key: SessionKey): readonly SessionKey[];
  /** The agents that have sessions or may have some. */
  agents(): readonly AgentId[];
  /** The agent of a session; null: the session does not exist. */
  agentOf(key: string): AgentId | null;
  /** The words in `limit` stored messages before the last `offset` ones, oldest first. `next`: the offset of the older ones; null: there are none. */
  page(key: SessionKey, query: { limit: number; offset: number }): { messages: readonly PagedMessage[]; next: number | null };
  /** Messages with all words, the best first, of the sessions that `isSearched` accepts. */
  search(words: readonly string[], limit: number, isSearched: (key: SessionKey) => boolean): readonly FoundMessage[];
}

/** `tools.sessions.visibility`. */
export type SessionVisibility = "self" | "tree" | "agent" | "all";

/** `tools.agentToAgent`: `allow` are ids and patterns, of which both agents must match one. */
export type AgentToAgent = { enabled: boolean; allow?: readonly string[] | undefined };

/** What the configuration says about the reach of the tools for conversations. */
export type SessionPolicy = { visibility: SessionVisibility; agentToAgent: AgentToAgent };

type ConfiguredPolicy = {
  tools?: { sessions?: { visibility: SessionVisibility } | undefined; agentToAgent?: AgentToAgent | undefined } | undefined;
};

export const sessionPolicyOf = ({ tools }: ConfiguredPolicy): SessionPolicy => ({
  visibility: tools?.sessions?.visibility ?? "agent",
  agentToAgent: tools?.agentToAgent ?? { enabled: false },
});

type PolicyCaller = Pick<ToolCaller, "agentId" | "sessionKey" | "surface">;
type PolicySession = { key: string; agentId: AgentId };

/** Most steps from a session up to the one that started it. */
const MAX_ANCESTORS = 32;

/** Whether an id matches an entry of the list. Pure. */
const isListed = (agentId: AgentId, { allow = [] }: AgentToAgent): boolean =>
  allow.some((entry) => matchesPattern(agentId, entry.trim().toLowerCase()));

/** `*` stands for any letters. Each part takes its first place, so that many `*` cost no more than one. Pure. */
function matchesPattern(text: string, pattern: string): boolean {
  const [first = "", ...parts] = pattern.split("*");
  const last = parts.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

/** Whether agents may work with each other's conversations: both are listed. Pure. */
export const mayMeet = (from: AgentId, to: AgentId, policy: AgentToAgent): boolean =>
  from === to || (policy.enabled && isListed(from, policy) && isListed(to, policy));

/**
 * Whether a call may read a session or write to it. People on channels reach their own session only, whatever is configured: what an agent
 * knows from others is not for them. Pure, but for `parentOf`.
 */
export function isInReach(
  policy: SessionPolicy,
  caller: PolicyCaller,
  session: PolicySession,
  parentOf: (key: string) => SessionKey | null,
): boolean {
  if (session.key === caller.sessionKey) return true;
  if (caller.surface === "channel" || policy.visibility === "self") return false;
  if (isBelow(session.key, caller.sessionKey, parentOf)) return true;
  if (policy.visibility === "tree") return false;
  if (session.agentId === caller.agentId) return true;
  return policy.visibility === "all" && mayMeet(caller.agentId, session.agentId, policy.agentToAgent);
}

function isBelow(key: string, top: SessionKey, parentOf: (key: string) => SessionKey | null): boolean {
  let parent = parentOf(key);
  for (let steps = 0; parent !== null && steps < MAX_ANCESTORS; steps++) {
    if (parent === top) return true;
    parent = parentOf(parent);
  }
  return false;
}

/** Why a call does not reach a session, with the key that decides. Pure. */
export function outOfReach(policy: SessionPolicy, caller: PolicyCaller, agentId: AgentId): string {
  if (caller.surface === "channel") return "people on channels reach only their own conversation";
  const { visibility, agentToAgent } = policy;
  if (agentId === caller.agentId || visibility !== "all") return `tools.sessions.visibility is ${visibility}`;
  return agentToAgent.enabled
    ? `tools.agentToAgent.allow does not list both ${caller.agentId} and ${agentId}`
    : "tools.agentToAgent.enabled is false";
}

/** What a list of sessions is made of; null: the caller's own session alone. Pure, but for what `conversations` reads. */
export function listedIn(
  conversations: Pick<Conversations, "below" | "agents">,
  caller: PolicyCaller,
  { visibility, agentToAgent }: SessionPolicy,
): { keys: readonly SessionKey[] } | { agents: readonly AgentId[] } {
  const own = caller.sessionKey;
  if (caller.surface === "channel" || visibility === "self") return { keys: [own] };
  if (visibility === "tree") return { keys: [own, ...conversations.below(own)] };
  if (visibility === "agent") return { agents: [caller.agentId] };
  return { agents: conversations.agents().filter((agentId) => mayMeet(caller.agentId, agentId, agentToAgent)) };
}

/** Whether a caller may see messages of a session, for many sessions: each is decided once. */
export function sessionFilter(
  conversations: Pick<Conversations, "agentOf" | "parentOf">,
  caller: PolicyCaller,
  policy: SessionPolicy,
): (key: SessionKey) => boolean {
  const decided = new Map<string, boolean>();
  return (key) => {
    if (!decided.has(key)) {
      const agentId = conversations.agentOf(key);
      decided.set(key, agentId !== null && isInReach(policy, caller, { key, agentId }, (each) => conversations.parentOf(each)));
    }
    return decided.get(key)!;
  };
}
