import { GatewayError } from "../../src/core/errors.ts";
import type { AgentTasks } from "../../src/tools/subagents/tasks.ts";

const refuse = (): Promise<never> => Promise.reject(new GatewayError("UNAVAILABLE", "there are no sub-agents"));

/** A gateway without sub-agents. */
export const noTasks: AgentTasks = {
  spawn: refuse,
  send: refuse,
  agents: () => ({ agents: [] }),
  list: () => ({ tasks: [] }),
  wait: refuse,
  cancel: refuse,
};
