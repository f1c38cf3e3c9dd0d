import type { AgentId } from "../core/ids.ts";
import { agentIds } from "../config/agents.ts";
import { toAgentId } from "../core/agent-id.ts";
import type { RoutedMessage, RoutingConfig } from "./types.ts";

/**
 * The agents that all get the messages of this chat (`broadcast`), each in a session of its own; empty where none is configured. Names
 * of agents that do not exist are left out: the others still answer. Pure.
 */
export function broadcastAgents(config: RoutingConfig, message: RoutedMessage, canonicalId?: (id: string) => string): readonly AgentId[] {
  const canonical = canonicalId ?? ((id: string): string => id.trim());
  const { chat, sender } = message;
  const direct = chat.kind === "direct" ? [sender.id, ...(sender.aliases ?? [])] : [];
  const here = new Set([chat.id, ...(chat.formerly === undefined ? [] : [chat.formerly]), ...direct].map((id) => canonical(id)));
  const known = agentIds(config);
  for (const [peer, agents] of Object.entries(config.broadcast ?? {})) {
    if (peer === "strategy" || !Array.isArray(agents) || !here.has(canonical(peer))) continue;
    const ids = agents.filter((id) => typeof id === "string").map((id) => toAgentId(id));
    return [...new Set(ids)].filter((id) => known.includes(id));
  }
  return [];
}
