import type { Skill, SkillRequirements } from "./skill.ts";

/** What a skill is judged by. */
export type GateFacts = {
  platform: string;
  hasProgram: (name: string) => boolean;
  /** Whether the commands of the skill have this variable. */
  hasVariable: (skill: Skill, name: string) => boolean;
  /** Whether a key of the configuration has a value that is not empty, 0 or false. */
  isConfigured: (key: string) => boolean;
  isEnabled: (skill: Skill) => boolean;
  /** The names that the agent may use; null: all. */
  allowed: readonly string[] | null;
};

/** Why a skill is off: a word for programs, and one line for people. Without a fix, nothing helps on this machine. */
export type OffReason = {
  code: "approval" | "disabled" | "agent" | "os" | "bins" | "anyBins" | "env" | "config";
  text: string;
  fix: string | null;
};

export type MissingRequirements = SkillRequirements & { os: readonly string[] };

/** Whether an agent may use a skill. */
export type Verdict = { skill: Skill; isEligible: boolean; reasons: readonly OffReason[]; missing: MissingRequirements };

/** Judges one skill for one agent. Pure, but for what `facts` looks up. */
export function judge(skill: Skill, facts: GateFacts): Verdict {
  const missing = missingOf(skill, facts);
  const reasons = [...decisionsAgainst(skill, facts), ...requirementsAgainst(skill, missing, facts.platform)];
  return { skill, isEligible: reasons.length === 0, reasons, missing };
}

function missingOf(skill: Skill, { platform, hasProgram, hasVariable, isConfigured }: GateFacts): MissingRequirements {
  const os = skill.os.length === 0 || skill.os.includes(platform) ? [] : skill.os;
  if (skill.isAlways) return { bins: [], anyBins: [], env: [], config: [], os };
  const { bins, anyBins, env, config } = skill.requires;
  return {
    bins: bins.filter((name) => !hasProgram(name)),
    anyBins: anyBins.some(hasProgram) ? [] : anyBins,
    env: env.filter((name) => !hasVariable(skill, name)),
    config: config.filter((key) => !isConfigured(key)),
    os,
  };
}

/** What people have decided against the skill. */
function decisionsAgainst(skill: Skill, { isEnabled, allowed }: GateFacts): OffReason[] {
  const reasons: OffReason[] = [];
  const { approval } = skill;
  if (approval && !approval.isApproved)
    reasons.push({
      code: "approval",
      text: approval.problem ?? "its content is not the approved one",
      fix: `openclaw skills approve ${skill.name}`,
    });
  if (!isEnabled(skill))
    reasons.push({ code: "disabled", text: "it is switched off", fix: `set skills.entries.${skill.key}.enabled to true` });
  if (allowed !== null && !allowed.includes(skill.name))
    reasons.push({
      code: "agent",
      text: "the agent's list of skills does not name it",
      fix: "add it to skills of the agent, or of agents.defaults",
    });
  return reasons;
}

const listed = (names: readonly string[]): string => names.join(", ");

function requirementsAgainst(skill: Skill, missing: MissingRequirements, platform: string): OffReason[] {
  const { os, bins, anyBins, env, config } = missing;
  const reasons: OffReason[] = [];
  const add = (code: OffReason["code"], text: string, fix: string | null): void => void reasons.push({ code, text, fix });
  if (os.length > 0) add("os", `it is for ${listed(os)}, and this is ${platform}`, null);
  if (bins.length > 0) add("bins", `it needs the programs ${listed(bins)}`, "install them where PATH of the gateway leads");
  if (anyBins.length > 0)
    add("anyBins", `it needs one of the programs ${listed(anyBins)}`, "install one of them where PATH of the gateway leads");
  if (env.length > 0) add("env", `its commands need the variables ${listed(env)}`, `set them in skills.entries.${skill.key}.env`);
  if (config.length > 0) add("config", `it needs the configuration keys ${listed(config)}`, "set them, where this gateway serves them");
  return reasons;
}

/** Why a skill is off, in one line. */
export const reasonLine = ({ reasons }: Pick<Verdict, "reasons">): string =>
  reasons.map(({ text, fix }) => (fix === null ? text : `${text} (${fix})`)).join("; ");
