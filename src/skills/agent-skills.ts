import { realpath } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import { isRefusedVariable, refusalOf } from "../core/command-variables.ts";
import { errnoOf, isBeneath } from "../core/files.ts";
import type { AgentId } from "../core/ids.ts";
import { isObject } from "../core/json.ts";
import type { Metrics } from "../core/metrics.ts";
import { Secret } from "../core/secret.ts";
import { SkillCatalog } from "./catalog.ts";
import { judge, type GateFacts, type Verdict } from "./gates.ts";
import { pinsFile } from "./pins.ts";
import { Programs } from "./programs.ts";
import { toSkillPrompt, type SkillPrompt } from "./prompt.ts";
import type { ScanInput, SkillRoot } from "./scan.ts";
import type { Skill, SkillProblem, SkillSet } from "./skill.ts";

export type AgentSkillsDeps = {
  config: () => Pick<Config, "agents" | "skills">;
  workspace: (agentId: AgentId) => string;
  paths: { state: string; gateway: string };
  /** The home directory, where its `.agents/skills` counts: with a state directory of its own, a gateway keeps apart from it. */
  personal: string | null;
  /** The variables that commands have, without those of skills. */
  commandEnv: () => Readonly<Record<string, string>>;
  platform: string;
  clock: Pick<Clock, "monotonic">;
  metrics: Metrics;
};

/** The skills of one agent, judged. */
export type AgentSkillSet = {
  set: SkillSet;
  verdicts: readonly Verdict[];
  /** What cannot be used: directories, and variables of the configuration. */
  problems: readonly SkillProblem[];
  /** The list for the system prompt. */
  prompt: SkillPrompt;
  /** Directories of the skills that may be used, as far as they are outside of the workspace. */
  directories: readonly string[];
  /** Variables that commands get besides their own. */
  env: Readonly<Record<string, Secret>>;
};

/** The home directory, for a gateway that keeps its state at the usual place in it; null for others. */
export const personalHome = (home: string | null, state: string): string | null =>
  home !== null && state === join(home, ".openclaw") ? home : null;

/** Where skills of a gateway are installed. */
export const managedSkillsDir = (state: string): string => join(state, "skills");

/** Which skills each agent may use, by what is in the directories and in the configuration at that moment. */
export class AgentSkills {
  readonly #deps: AgentSkillsDeps;
  readonly #catalog: SkillCatalog;
  readonly #programs: Programs;
  readonly #last = new Map<AgentId, { basis: readonly unknown[]; value: AgentSkillSet }>();

  constructor(deps: AgentSkillsDeps) {
    this.#deps = deps;
    this.#catalog = new SkillCatalog(deps.metrics);
    this.#programs = new Programs({ path: () => deps.commandEnv()["PATH"] ?? "", clock: deps.clock });
  }

  /** Looks whether something has changed. `isFresh`: also whether programs were installed meanwhile. */
  async of(agentId: AgentId, { isFresh = false }: { isFresh?: boolean } = {}): Promise<AgentSkillSet> {
    const config = this.#deps.config();
    const workspace = this.#deps.workspace(agentId);
    const set = await this.#catalog.refresh(scanInput(this.#deps, config, workspace));
    if (isFresh) this.#programs.forget();
    const basis = [set, config, workspace, this.#programs.generation];
    const last = this.#last.get(agentId);
    if (last && basis.every((each, index) => each === last.basis[index])) return last.value;
    const value = toAgentSkillSet(set, this.#factsFor(agentId, config), {
      workspace: await realOr(workspace),
      maxChars: promptChars(config, agentId),
      config,
    });
    this.#last.set(agentId, { basis, value });
    return value;
  }

  /** The same as for the last turn of the agent, without looking again. */
  async lastOf(agentId: AgentId): Promise<AgentSkillSet> {
    return this.#last.get(agentId)?.value ?? (await this.of(agentId));
  }

  #factsFor(agentId: AgentId, config: Pick<Config, "agents" | "skills">): GateFacts {
    const { commandEnv, platform } = this.#deps;
    const env = commandEnv();
    return {
      platform,
      hasProgram: (name) => this.#programs.has(name),
      hasVariable: (skill, name) => (env[name] ?? "") !== "" || Object.hasOwn(variablesOf(config, skill), name),
      isConfigured: (key) => isTruthy(valueAt(config, key)),
      isEnabled: (skill) => entryOf(config, skill)?.enabled !== false,
      allowed: config.agents.entries[agentId]?.skills ?? config.agents.defaults.skills ?? null,
    };
  }
}

function scanInput({ paths, personal }: AgentSkillsDeps, { skills }: Pick<Config, "skills">, workspace: string): ScanInput {
  const roots: SkillRoot[] = [
    { source: "openclaw-workspace", path: join(workspace, "skills"), within: workspace },
    { source: "agents-skills-project", path: join(workspace, ".agents", "skills"), within: workspace },
    ...(personal === null ? [] : [{ source: "agents-skills-personal" as const, path: join(personal, ".agents", "skills") }]),
    { source: "openclaw-managed", path: managedSkillsDir(paths.state) },
    ...skills.load.extraDirs.map((path) => ({ source: "openclaw-extra" as const, path })),
  ];
  return { roots, linkTargets: skills.load.allowSymlinkTargets, pins: pinsFile(paths.gateway) };
}

const promptChars = ({ agents, skills }: Pick<Config, "agents" | "skills">, agentId: AgentId): number =>
  agents.entries[agentId]?.skillsLimits?.maxSkillsPromptChars ?? skills.limits.maxSkillsPromptChars;

type Entry = Config["skills"]["entries"][string];

function entryOf({ skills }: Pick<Config, "skills">, { key }: Skill): Entry | undefined {
  return Object.hasOwn(skills.entries, key) ? skills.entries[key] : undefined;
}

/** What the configuration sets for the commands of a skill. */
function variablesOf(config: Pick<Config, "skills">, skill: Skill): Readonly<Record<string, Secret>> {
  const entry = entryOf(config, skill);
  const own = Object.entries(entry?.env ?? {});
  const key = entry?.apiKey && skill.primaryEnv !== null ? [[skill.primaryEnv, entry.apiKey] as const] : [];
  return Object.fromEntries([...key, ...own].filter(([name, value]) => !isRefusedVariable(name) && !value.isEmpty));
}

/** Variables that no skill may set. */
const refusedVariables = ({ skills }: Pick<Config, "skills">): SkillProblem[] =>
  Object.entries(skills.entries).flatMap(([key, { env }]) =>
    Object.keys(env)
      .filter(isRefusedVariable)
      .map((name) => ({
        path: `skills.entries.${key}.env.${name}`,
        reason: `commands do not get it, because it ${refusalOf(name) ?? "is not a name"}`,
      })),
  );

function toAgentSkillSet(
  set: SkillSet,
  facts: GateFacts,
  { workspace, maxChars, config }: { workspace: string; maxChars: number; config: Pick<Config, "skills"> },
): AgentSkillSet {
  const verdicts = set.skills.map((skill) => judge(skill, facts));
  const eligible = verdicts.filter(({ isEligible }) => isEligible).map(({ skill }) => skill);
  const shown = eligible.filter(({ isModelInvocable }) => isModelInvocable);
  return {
    set,
    verdicts,
    problems: [...set.problems, ...refusedVariables(config)],
    prompt: toSkillPrompt(shown, workspace, maxChars),
    directories: eligible.map(({ directory }) => directory).filter((directory) => !isBeneath(workspace, directory)),
    env: Object.assign({}, ...eligible.toReversed().map((skill) => variablesOf(config, skill))) as Record<string, Secret>,
  };
}

/** The value at a key like `channels.telegram`; undefined where there is none. */
function valueAt(config: object, key: string): unknown {
  let value: unknown = config;
  for (const part of key.split(".")) {
    if (!isObject(value) || !Object.hasOwn(value, part)) return undefined;
    value = value[part];
  }
  return value;
}

function isTruthy(value: unknown): boolean {
  if (value instanceof Secret) return !value.isEmpty;
  return typeof value === "string" ? value.trim() !== "" : Boolean(value);
}

async function realOr(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (err) {
    if (errnoOf(err) !== "") return path;
    throw err;
  }
}
