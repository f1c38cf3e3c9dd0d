import type { Mutant } from "./mutant.ts";

const SKILLS = "src/skills/agent-skills.test.ts";
const INSTALL = "src/cli/skills.test.ts";

/** Guards of skills. */
export const SKILL_MUTANTS: readonly Mutant[] = [
  {
    invariant: 8,
    breaks: "no link leads out of a directory of skills",
    file: "src/skills/scan.ts",
    text: "if (real === null || real === realRoot || isBeneath(realRoot, real) || this.#mayLinkTo(real)) return real;",
    broken: "if (real !== undefined) return real;",
    tests: [SKILLS],
  },
  {
    invariant: 8,
    breaks: "the directory of skills of a workspace is in the workspace",
    file: "src/skills/scan.ts",
    text: "if (within !== null && real !== within",
    broken: "if (within === root.path && real !== within",
    tests: [SKILLS],
  },
  {
    invariant: 8,
    breaks: "only reading reaches the directories of skills",
    file: "src/tools/workspace-files.ts",
    text: "const rootsOf = ({ workspace, outside }: FilePermit): Roots => new Roots([workspace, ...outside]);",
    broken:
      "const rootsOf = ({ workspace, outside, skills }: FilePermit): Roots => new Roots([workspace, ...outside, ...(skills?.directories ?? [])]);",
    tests: ["src/tools/skill-files.test.ts"],
  },
  {
    invariant: 13,
    breaks: "an installed skill is used with the approved content only",
    file: "src/skills/scan.ts",
    text: "isApproved: pin.approved === hash };",
    broken: "isApproved: pin.approved !== null };",
    tests: [INSTALL],
  },
  {
    invariant: 13,
    breaks: "an installed skill is off until it is approved",
    file: "src/skills/gates.ts",
    text: "if (approval && !approval.isApproved)",
    broken: "if (approval && approval.problem !== undefined)",
    tests: [INSTALL],
  },
  {
    invariant: 13,
    breaks: "an agent has only the skills of its list",
    file: "src/skills/gates.ts",
    text: "if (allowed !== null && !allowed.includes(skill.name))",
    broken: "if (allowed !== null && allowed.length > 0 && !allowed.includes(skill.name))",
    tests: [SKILLS],
  },
  {
    invariant: 13,
    breaks: "a skill sets no variable that runs other programs",
    file: "src/skills/agent-skills.ts",
    text: "!isRefusedVariable(name) && !value.isEmpty",
    broken: "!value.isEmpty",
    tests: [SKILLS],
  },
  {
    invariant: 13,
    breaks: "a sandboxed command has no variable of a skill",
    file: "src/tools/commands/gate.ts",
    text: 'env: { ...env, TMPDIR: "/tmp" },',
    broken: 'env: { ...revealAll(skills?.env ?? {}), ...env, TMPDIR: "/tmp" },',
    tests: ["src/tools/commands/gate.test.ts"],
  },
  {
    invariant: 8,
    breaks: "an archive has no links",
    file: "src/skills/install/archive.ts",
    text: 'if (entry.kind === "other") throw',
    broken: 'if (entry.path === "other") throw',
    tests: ["src/skills/install/archive.test.ts"],
  },
  {
    invariant: 8,
    breaks: "a name in an archive stays beneath its directory",
    file: "src/skills/install/archive.ts",
    text: "    checkContentPath(path);\n",
    broken: "",
    tests: ["src/skills/install/archive.test.ts"],
  },
];
