import { toProviderTable, type ProviderTable } from "../agents/models.ts";
import type { GuideFacts } from "../agents/pi/guide.ts";
import { createPiRuntime } from "../agents/pi/runtime.ts";
import type { AgentRuntime } from "../agents/runtime.ts";
import type { GatewayBase } from "./base.ts";
import type { RunningConfig } from "./running-config.ts";

/** The runtime of all agents: Pi, outside of this process. */
export function createAgentRuntime(
  { paths, log, metrics, clock }: GatewayBase,
  running: RunningConfig,
  guideFacts: () => GuideFacts,
): AgentRuntime {
  return createPiRuntime({
    stateDir: paths.state,
    models: () =>
      toProviderTable({ providers: running.config.models.providers as ProviderTable, local: running.agents.usableLocalServers() }),
    env: process.env,
    keys: () => running.agents.providerEnv(),
    compaction: () => running.config.agents.defaults.compaction,
    guideFacts,
    promptLimits: (agentId) => running.agents.promptLimits(agentId),
    log: log.child({ subsystem: "agents" }),
    metrics,
    clock,
  });
}
