import type { SkillHeader } from "../../src/skills/skill.ts";

/** What a header says that names only a description. */
export const plainHeader = (name: string, description = "d"): SkillHeader => ({
  name,
  description,
  homepage: null,
  emoji: null,
  key: name,
  primaryEnv: null,
  isAlways: false,
  os: [],
  requires: { bins: [], anyBins: [], env: [], config: [] },
  install: [],
  isUserInvocable: true,
  isModelInvocable: true,
});
