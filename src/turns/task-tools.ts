import type { ToolName } from "../agents/runtime.ts";
import type { AgentId } from "../core/ids.ts";
import type { RoomTools } from "../routing/account-policy.ts";
import { parseSessionKey } from "../routing/session-key.ts";
import type { InboxRow } from "../store/inbox.ts";
import { isFromOperator } from "./agent-text.ts";
import type { Payload } from "./submission.ts";

/** What the configuration gives to agents now. */
export type CurrentTools = {
  ids(): readonly AgentId[];
  operatorTools(agentId: AgentId): readonly ToolName[];
  channelTools(agentId: AgentId, room: RoomTools | null): readonly ToolName[];
};

/** The channel of tasks of sub-agents, of messages between agents, and of their results. */
const TASK_CHANNEL = "subagent";
/** More than tasks can be deep. */
const MAX_DEPTH = 32;

/**
 * Of these tools those that the configuration still gives to every agent on the way of a task, from the one that works up to the one that
 * people asked: it may have been narrowed since the task was given. Other turns keep what they have. Pure, but for what it looks up.
 */
export function withoutWithdrawn(
  tools: readonly ToolName[],
  row: Pick<InboxRow<Payload>, "channel" | "account" | "agentId" | "payload">,
  current: CurrentTools,
  parentOf: (sessionKey: string) => string | null,
): readonly ToolName[] {
  if (row.channel !== TASK_CHANNEL) return tools;
  const agents = new Set<AgentId>([row.agentId]);
  for (let key: string | null = row.account, depth = 0; key !== null && depth < MAX_DEPTH; key = parentOf(key), depth++) {
    const agentId = parseSessionKey(key)?.agentId;
    if (agentId !== undefined) agents.add(agentId);
  }
  const known = current.ids();
  const toolsOf = (agentId: AgentId): readonly ToolName[] => {
    if (!known.includes(agentId)) return [];
    return isFromOperator(row.payload) ? current.operatorTools(agentId) : current.channelTools(agentId, row.payload.roomTools ?? null);
  };
  const lists = [...agents].map((agentId) => new Set(toolsOf(agentId)));
  return tools.filter((tool) => lists.every((list) => list.has(tool)));
}
