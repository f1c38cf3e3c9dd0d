import { join } from "node:path";
import { homeDirectory } from "../config/environment.ts";
import { toCommandEnv } from "../core/command-env.ts";
import { AgentSkills, personalHome } from "../skills/agent-skills.ts";
import { SKILL_FILE } from "../skills/skill.ts";
import type { ToolCaller, ToolName, ToolPermit } from "../tools/tool.ts";
import { NO_SKILLS, type TurnSkillSource } from "../turns/skill-requests.ts";
import type { GatewayBase } from "./base.ts";
import type { RunningConfig } from "./running-config.ts";
import { permitFor } from "./tool-permits.ts";

/** The skills of all agents. Nothing is read before the first turn that may read files. */
export function createAgentSkills(
  { paths, clock, metrics }: Pick<GatewayBase, "paths" | "clock" | "metrics">,
  running: RunningConfig,
): AgentSkills {
  const commandEnv = toCommandEnv(process.env, "");
  return new AgentSkills({
    config: () => running.config,
    workspace: (agentId) => running.agents.settings(agentId).workspace,
    paths,
    personal: personalHome(homeDirectory(process.env), paths.state),
    commandEnv: () => commandEnv,
    platform: process.platform,
    clock,
    metrics,
  });
}

/** Skills are instructions in files: a turn that may not read has none. */
const mayRead = (tools: readonly ToolName[]): boolean => tools.includes("read");

export function turnSkills(skills: AgentSkills): TurnSkillSource {
  return async (agentId, tools) => {
    if (!mayRead(tools)) return NO_SKILLS;
    const { prompt, verdicts } = await skills.of(agentId);
    const invocable = verdicts.filter(({ isEligible, skill }) => isEligible && skill.isUserInvocable);
    return {
      list: prompt.text,
      invocable: invocable.map(({ skill: { name, description, directory } }) => ({ name, description, file: join(directory, SKILL_FILE) })),
    };
  };
}

/** What a call of a tool may do with the configuration and the skills that there are now. */
export async function permitWithSkills(
  running: Pick<RunningConfig, "agents">,
  skills: AgentSkills,
  caller: ToolCaller,
): Promise<ToolPermit> {
  const permit = permitFor(running, caller);
  if (!mayRead(caller.tools)) return permit;
  const { directories, env } = await skills.lastOf(caller.agentId);
  return directories.length === 0 ? permit : { ...permit, skills: { directories, env } };
}
