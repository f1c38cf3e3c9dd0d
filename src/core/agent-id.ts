import { asId, type AgentId } from "./ids.ts";

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
