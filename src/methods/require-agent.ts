import { defaultAgentId, hasAgent } from "../config/agents.ts";
import type { Config } from "../config/schema.ts";
import { detailError } from "../core/errors.ts";
import { asId, type AgentId } from "../core/ids.ts";

/** The configured agent that a request means, the default one when it names none. Throws UNKNOWN_AGENT_ID. */
export function requireAgent(config: Config, id: string | undefined): AgentId {
  if (id === undefined) return defaultAgentId(config);
  if (hasAgent(config, id)) return asId<AgentId>(id.toLowerCase());
  throw detailError("UNKNOWN_AGENT_ID", `unknown agent id "${id.slice(0, 64)}"`, {
    details: { agentId: id.slice(0, 64) },
    fix: "`openclaw agents list` shows the agents.",
  });
}
