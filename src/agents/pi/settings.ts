import type { AgentId } from "../../core/ids.ts";
import type { PromptLimits } from "../system-prompt.ts";

/** Where the sessions of an agent run. `agent`: in a process that no other agent uses. */
export type HostChoice = { host: "shared" | "process"; isolation: "none" | "agent" };

export type SharedHostSettings = {
  /** Processes for each group. */
  shards: number;
  /** Idle sessions that stay open in one process. */
  maxIdleSessions: number;
  /** A process without a turn for this long is ended; 0: never. */
  idleMs: number;
};

/** What the configuration in use says about agents. */
export interface PiAgents {
  /** Another object whenever the providers, their keys or the compaction may be different. */
  readonly version: object;
  hostOf(agentId: AgentId): HostChoice;
  /** Limits of the workspace files in an agent's system prompt. */
  promptLimits(agentId: AgentId): PromptLimits;
  /** Where keys of providers without one of their own are looked up. */
  providerEnv(): NodeJS.ProcessEnv;
}
