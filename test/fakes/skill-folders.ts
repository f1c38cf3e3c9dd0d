import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { checkConfigValue } from "../../src/config/load.ts";
import { silentMetrics } from "../../src/core/metrics.ts";
import { AgentSkills, type AgentSkillsDeps } from "../../src/skills/agent-skills.ts";

/** A temporary directory without links in its path. */
export function temporaryDirectory(t: TestContext): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "openclaw-skills-")));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Files by their path beneath `root`. */
export function writeFiles(root: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

/** The text of a `SKILL.md`. */
export const skillText = (name: string, more = "", body = "Do it."): string =>
  `---\nname: ${name}\ndescription: What ${name} is for.\n${more}---\n\n${body}\n`;

export type SkillBench = {
  /** With `workspace`, `home` and `state` in it. */
  root: string;
  workspace: string;
  skills: AgentSkills;
  configure: (value: object) => void;
  /** Programs that are installed. */
  programs: string;
};

/** The skills of the agents of a configuration, in directories of their own. */
export function openSkills(t: TestContext, config: object = {}, deps: Partial<AgentSkillsDeps> = {}): SkillBench {
  const root = temporaryDirectory(t);
  const [workspace, home, state, programs] = ["workspace", "home", "state", "programs"].map((name) => join(root, name)) as [
    string,
    string,
    string,
    string,
  ];
  for (const each of [workspace, home, state, programs]) mkdirSync(each);
  let { config: checked } = checkConfigValue(config);
  let now = 0;
  const skills = new AgentSkills({
    config: () => checked,
    workspace: () => workspace,
    paths: { state, gateway: join(state, "gateway") },
    personal: home,
    commandEnv: () => ({ PATH: programs }),
    platform: "linux",
    // Whether a program is installed is looked up again each time.
    clock: { monotonic: () => (now += 3_600_000) },
    metrics: silentMetrics,
    ...deps,
  });
  return { root, workspace, skills, programs, configure: (value) => void ({ config: checked } = checkConfigValue(value)) };
}
