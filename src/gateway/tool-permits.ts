import type { AgentId } from "../core/ids.ts";
import type { Surface } from "../tools/policy.ts";
import type { ToolCaller, ToolPermit } from "../tools/tool.ts";
import type { RunningConfig } from "./running-config.ts";

/** Where the tools for files work, and the setting that decides it, or the default in words. */
export type FileAccess = Pick<ToolPermit, "workspace" | "outside"> & { rule: string };

/**
 * Where the tools for files work with the configuration that holds now. The agent's own setting replaces the one for all agents; what
 * holds for all opens nothing for people on channels.
 */
export function fileAccess({ agents }: Pick<RunningConfig, "agents">, agentId: AgentId, surface: Surface): FileAccess {
  const { workspace } = agents.settings(agentId);
  const { shared, own } = agents.policyLayers(agentId, null);
  const layer = (surface === "operator" ? [own, shared] : [own]).find(({ policy }) => policy?.fs !== undefined);
  const fs = layer?.policy?.fs;
  if (layer === undefined || fs === undefined)
    return { workspace, outside: [], rule: "the tools for files work in the workspace unless a setting names more" };
  if (!fs.workspaceOnly) return { workspace, outside: ["/"], rule: `${layer.key}.fs.workspaceOnly` };
  return { workspace, outside: fs.paths, rule: `${layer.key}.fs.${fs.paths.length > 0 ? "paths" : "workspaceOnly"}` };
}

/** What a call of a tool may do with the configuration that holds now. */
export function permitFor(running: Pick<RunningConfig, "agents">, caller: ToolCaller): ToolPermit {
  const { workspace, outside } = fileAccess(running, caller.agentId, caller.surface);
  return { caller, workspace, outside };
}
