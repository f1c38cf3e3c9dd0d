import { asId, type AgentId } from "./ids.ts";
import { parseRemoteAgent } from "./peer-address.ts";

const AGENT_ID_CHARS = 64;

/** The canonical form of an agent id: lower case, `[a-z0-9_-]`, at most 64 characters. Other characters become "-"; an empty id becomes "main". */
export function toAgentId(text: string): AgentId {
  const id = text
    .trim()
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, AGENT_ID_CHARS);
  return asId<AgentId>(id || "main");
}

/** The canonical form of an agent that answers: one of this gateway, or `agent@peer`. */
export function toAgentAddress(text: string): AgentId {
  const address = text.trim().toLowerCase();
  return parseRemoteAgent(address) ? asId<AgentId>(address) : toAgentId(text);
}
