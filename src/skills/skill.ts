/** The file of a skill with its header and its instructions. */
export const SKILL_FILE = "SKILL.md";

/** Where a skill was found. The names are those of OpenClaw's protocol. */
export type SkillSource = "openclaw-workspace" | "agents-skills-project" | "agents-skills-personal" | "openclaw-managed" | "openclaw-extra";

/** What has to be there for a skill to be used. */
export type SkillRequirements = {
  /** Programs, all of which are needed. */
  bins: readonly string[];
  /** Programs, one of which is needed. */
  anyBins: readonly string[];
  /** Variables of commands. */
  env: readonly string[];
  /** Keys of the configuration that must be set. */
  config: readonly string[];
};

/** How a person could install a program that the skill needs. The gateway only shows it. */
export type SkillInstaller = {
  id: string;
  kind: string;
  label: string;
  bins: readonly string[];
  /** Operating systems, as Node names them; empty: all. */
  os: readonly string[];
  /** What a person could run; null where the header does not say enough, or something that does not belong into a command. */
  command: string | null;
};

/** The name of an operating system as Node has it. Pure. */
export const toPlatform = (name: string): string => {
  const lower = name.toLowerCase();
  return { macos: "darwin", windows: "win32" }[lower] ?? lower;
};

/** What the front matter of a `SKILL.md` says. */
export type SkillHeader = {
  name: string;
  /** One line. */
  description: string;
  homepage: string | null;
  emoji: string | null;
  /** Its key in `skills.entries`; the name, unless the header has another one. */
  key: string;
  /** The variable that `skills.entries.<key>.apiKey` sets. */
  primaryEnv: string | null;
  /** Its requirements, except the operating system, do not count. */
  isAlways: boolean;
  /** Operating systems, as Node names them; empty: all. */
  os: readonly string[];
  requires: SkillRequirements;
  install: readonly SkillInstaller[];
  /** People may ask for it with `/skill`. */
  isUserInvocable: boolean;
  /** It is in the list that models read. */
  isModelInvocable: boolean;
};

/** What is known about the content of an installed skill: it may only be used as it was approved. */
export type SkillApproval = {
  origin: string;
  hash: string;
  isApproved: boolean;
  /** Why its content cannot be used at all. */ problem?: string;
};

/** One skill of one agent. */
export type Skill = SkillHeader & {
  source: SkillSource;
  /** Absolute and free of links. */
  directory: string;
  /** The same as people wrote it. */
  path: string;
  /** Only of skills that were installed. */
  approval?: SkillApproval;
};

/** Something that looks like a skill and cannot be used. */
export type SkillProblem = { path: string; reason: string };

/** What the roots of an agent have, the names of each once. */
export type SkillSet = {
  /** By name. */
  skills: readonly Skill[];
  /** Skills whose name another one has taken, by the order of the roots. */
  hidden: readonly { skill: Skill; by: Skill }[];
  problems: readonly SkillProblem[];
};

/** Whether a skill may have this name, which is shown to models and people, and typed. Pure. */
export const isSkillName = (name: string): boolean => /^[\p{L}\p{N}](?:[\p{L}\p{N} ._+-]{0,62}[\p{L}\p{N}+])?$/u.test(name);
