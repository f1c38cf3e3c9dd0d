import { agentIds } from "../config/agents.ts";
import { setAt, unsetAt } from "../config/edit.ts";
import type { Config } from "../config/schema.ts";
import { isRefusedVariable, refusalOf } from "../core/command-variables.ts";
import { GatewayError } from "../core/errors.ts";
import type { AgentId } from "../core/ids.ts";
import type { MethodParams, MethodTable } from "../protocol/method.ts";
import { parseSessionKey } from "../routing/session-key.ts";
import type { AgentSkills } from "../skills/agent-skills.ts";
import { toSkillReport, type SkillReport } from "../skills/report.ts";
import { editConfig, type ConfigDeps } from "./config-edit.ts";
import { requireAgent } from "./require-agent.ts";

export type SkillsDeps = ConfigDeps & {
  skills: AgentSkills;
  workspaceOf: (agentId: AgentId) => string;
  stateDir: string;
};

/** skills.*: which skills an agent has and why others are off, and the settings of one. */
export function skillsMethods(deps: SkillsDeps) {
  return {
    "skills.bins": { scope: "node", run: () => bins(deps) },
    "skills.status": { scope: "operator.read", run: (params) => status(deps, params) },
    "skills.update": { scope: "operator.admin", run: (params) => update(deps, params) },
  } satisfies MethodTable;
}

const configOf = (deps: SkillsDeps): Config => deps.loaded().config;

async function status(deps: SkillsDeps, { agentId, sessionKey }: MethodParams<"skills.status">): Promise<SkillReport> {
  const named = agentId ?? (sessionKey === undefined ? undefined : parseSessionKey(sessionKey)?.agentId);
  const id = requireAgent(configOf(deps), named);
  const skills = await deps.skills.of(id, { isFresh: true });
  return toSkillReport({ agentId: id, workspace: deps.workspaceOf(id), state: deps.stateDir, skills });
}

/** The programs that skills of any agent name, for a node that says which of them it has. */
async function bins({ skills, loaded }: SkillsDeps): Promise<{ bins: string[] }> {
  const sets = await Promise.all(agentIds(loaded().config).map((id) => skills.lastOf(id)));
  const named = sets.flatMap(({ set }) =>
    set.skills.flatMap(({ requires, install }) => [...requires.bins, ...requires.anyBins, ...install.flatMap((each) => each.bins)]),
  );
  return { bins: [...new Set(named)].toSorted() };
}

const refusedVariable = (name: string): GatewayError =>
  new GatewayError(
    "INVALID_REQUEST",
    `a skill cannot set ${JSON.stringify(name.slice(0, 64))}: it ${refusalOf(name) ?? "is not the name of a variable"}`,
  );

/** Changes the configuration file. An empty text removes a variable or the key. */
async function update(
  deps: SkillsDeps,
  { skillKey, enabled, apiKey, env }: MethodParams<"skills.update">,
): Promise<Record<string, unknown>> {
  if (skillKey === "__proto__") throw new GatewayError("INVALID_REQUEST", "a skill cannot have this key");
  const refused = Object.keys(env ?? {}).find(isRefusedVariable);
  if (refused !== undefined) throw refusedVariable(refused);
  const at = ["skills", "entries", skillKey];
  const texts = Object.entries(env ?? {}).map(([name, value]) => [["env", name], String(value)] as const);
  await editConfig(deps, (raw) => {
    let text = enabled === undefined ? raw : setAt(raw, [...at, "enabled"], enabled);
    for (const [path, value] of apiKey === undefined ? texts : [...texts, [["apiKey"], apiKey] as const])
      text = value.trim() === "" ? unsetAt(text, [...at, ...path]) : setAt(text, [...at, ...path], value.trim());
    return text;
  });
  const entry = Object.hasOwn(configOf(deps).skills.entries, skillKey) ? configOf(deps).skills.entries[skillKey] : undefined;
  return {
    ok: true,
    skillKey,
    config: { enabled: entry?.enabled ?? true, hasApiKey: entry?.apiKey !== undefined, env: Object.keys(entry?.env ?? {}) },
  };
}
