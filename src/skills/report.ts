import { join } from "node:path";
import type { AgentId } from "../core/ids.ts";
import type { AgentSkillSet } from "./agent-skills.ts";
import { managedSkillsDir } from "./agent-skills.ts";
import { reasonLine, type MissingRequirements, type OffReason, type Verdict } from "./gates.ts";
import { SKILL_FILE, type SkillInstaller, type SkillProblem, type SkillSource } from "./skill.ts";

/** One skill as `skills.status` shows it: the fields of OpenClaw's protocol, and why it is off. */
export type SkillRow = {
  name: string;
  description: string;
  source: SkillSource;
  bundled: false;
  filePath: string;
  baseDir: string;
  skillKey: string;
  emoji?: string;
  homepage?: string;
  primaryEnv?: string;
  always: boolean;
  disabled: boolean;
  blockedByAllowlist: false;
  blockedByAgentFilter: boolean;
  eligible: boolean;
  platformIncompatible: boolean;
  modelVisible: boolean;
  userInvocable: boolean;
  commandVisible: boolean;
  requirements: MissingRequirements;
  missing: MissingRequirements;
  configChecks: { path: string; satisfied: boolean }[];
  install: readonly SkillInstaller[];
  /** Why it is off, in one line; absent when it is not. */
  reason?: string;
  reasons: readonly OffReason[];
  /** Only of an installed skill. */
  approval?: { origin: string; hash: string; approved: boolean };
};

/** The answer of `skills.status`. */
export type SkillReport = {
  agentId: AgentId;
  workspaceDir: string;
  managedSkillsDir: string;
  skills: SkillRow[];
  /** What cannot be used: files that look like a skill, and settings. */
  problems: readonly SkillProblem[];
  /** Skills whose name another one has taken. */
  hidden: { name: string; path: string; by: string }[];
  /** The list in the system prompt: its length, and what did not fit. */
  prompt: { chars: number; leftOut: readonly string[]; shortened: readonly string[] };
};

export type ReportInput = { agentId: AgentId; workspace: string; state: string; skills: AgentSkillSet };

/** What there is to say about the skills of an agent. Pure. */
export function toSkillReport({ agentId, workspace, state, skills }: ReportInput): SkillReport {
  const { set, verdicts, problems, prompt } = skills;
  return {
    agentId,
    workspaceDir: workspace,
    managedSkillsDir: managedSkillsDir(state),
    skills: verdicts.map((verdict) => toRow(verdict, prompt.leftOut)),
    problems,
    hidden: set.hidden.map(({ skill, by }) => ({ name: skill.name, path: skill.path, by: by.path })),
    prompt: { chars: prompt.text.length, leftOut: prompt.leftOut, shortened: prompt.shortened },
  };
}

function toRow(verdict: Verdict, leftOut: readonly string[]): SkillRow {
  const { skill, isEligible, reasons, missing } = verdict;
  const { approval } = skill;
  const has = (code: OffReason["code"]): boolean => reasons.some((reason) => reason.code === code);
  return {
    name: skill.name,
    description: skill.description,
    source: skill.source,
    bundled: false,
    filePath: join(skill.path, SKILL_FILE),
    baseDir: skill.path,
    skillKey: skill.key,
    ...(skill.emoji === null ? {} : { emoji: skill.emoji }),
    ...(skill.homepage === null ? {} : { homepage: skill.homepage }),
    ...(skill.primaryEnv === null ? {} : { primaryEnv: skill.primaryEnv }),
    always: skill.isAlways,
    disabled: has("disabled"),
    blockedByAllowlist: false,
    blockedByAgentFilter: has("agent"),
    eligible: isEligible,
    platformIncompatible: has("os"),
    modelVisible: isEligible && skill.isModelInvocable && !leftOut.includes(skill.name),
    userInvocable: skill.isUserInvocable,
    commandVisible: isEligible && skill.isUserInvocable,
    requirements: { ...skill.requires, os: skill.os },
    missing,
    configChecks: skill.requires.config.map((path) => ({ path, satisfied: !missing.config.includes(path) })),
    install: skill.install,
    ...(isEligible ? {} : { reason: reasonLine(verdict) }),
    reasons,
    ...(approval && { approval: { origin: approval.origin, hash: approval.hash, approved: approval.isApproved } }),
  };
}
