/** The limits of skills: unit at the end of the name, behavior in the comment. */
export const SKILL_LIMITS = {
  /** Skills of one agent; further ones are left out, and reported. */
  skills: 200,
  /** Directories of one root that are looked into, and how deep; what lies beyond is left out, and reported. */
  directories: 2_000,
  depth: 6,
  /** A larger `SKILL.md`, and longer front matter, is left out, and reported. */
  fileBytes: 262_144,
  frontMatterChars: 32_768,
  /** The rest of a longer description is dropped. */
  descriptionChars: 1_024,
  /** Ways to install a program that are shown of one skill. */
  installers: 20,
  /** Files of an installed skill, the size of each, and of all: more are not installed, and a skill that has grown beyond is not used. */
  contentFiles: 256,
  contentFileBytes: 1_048_576,
  contentBytes: 8_388_608,
  /** What is downloaded and unpacked to install a skill; more is refused. */
  archiveBytes: 67_108_864,
  /** Time for npm or git to fetch a skill. */
  fetchMs: 120_000,
  /** Sets of directories whose skills are kept in memory; the oldest is dropped first. */
  workspaces: 64,
  /** How long it is remembered whether a program is installed. */
  programsMs: 30_000,
} as const;
