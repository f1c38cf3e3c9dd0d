import type { ToolCaller, ToolPermit } from "../tools/tool.ts";
import type { RunningConfig } from "./running-config.ts";

/** What a call of a tool may do with the configuration that holds now. */
export const permitFor = ({ agents }: Pick<RunningConfig, "agents">, caller: ToolCaller): ToolPermit => ({
  caller,
  workspace: agents.settings(caller.agentId).workspace,
  outside: [],
});
