import assert from "node:assert/strict";
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { openSkills, skillText, temporaryDirectory, writeFiles, type SkillBench } from "../../test/fakes/skill-folders.ts";
import { asId } from "../core/ids.ts";
import { reasonLine } from "./gates.ts";
import { SKILL_LIMITS } from "./limits.ts";

const MAIN = asId<never>("main");

async function namesOf({ skills }: SkillBench, agent: string = MAIN): Promise<string[]> {
  const { verdicts } = await skills.of(asId(agent));
  return verdicts.filter(({ isEligible }) => isEligible).map(({ skill }) => skill.name);
}

async function problemsOf({ skills, root }: SkillBench): Promise<string[]> {
  const { set } = await skills.of(MAIN);
  return set.problems.map(({ path, reason }) => `${path.replace(`${root}/`, "")}: ${reason}`);
}

/** Why the skill `x` is off; the empty text when it is not. */
async function whyOff({ skills }: SkillBench): Promise<string> {
  const { verdicts } = await skills.of(MAIN);
  return reasonLine(verdicts.find(({ skill }) => skill.name === "x")!);
}

test("the first of five places wins, whatever the case of the name, and the others are reported as hidden", async (t) => {
  const extra = temporaryDirectory(t);
  const bench = openSkills(t, { skills: { load: { extraDirs: [extra] } } });
  const places = ["workspace/skills", "workspace/.agents/skills", "home/.agents/skills", "state/skills"].map((each) =>
    join(bench.root, each),
  );
  for (const [index, place] of [...places, extra].entries()) {
    writeFiles(place, { [`s${index}/SKILL.md`]: skillText(index % 2 ? "X" : "x"), [`only${index}/SKILL.md`]: skillText(`only${index}`) });
  }
  const { set } = await bench.skills.of(MAIN);
  assert.deepEqual(
    set.skills.map(({ name, source }) => `${name} ${source}`),
    [
      "only0 openclaw-workspace",
      "only1 agents-skills-project",
      "only2 agents-skills-personal",
      "only3 openclaw-managed",
      "only4 openclaw-extra",
      "x openclaw-workspace",
    ],
  );
  assert.deepEqual(
    set.hidden.map(({ skill, by }) => [skill.source, by.source]),
    ["agents-skills-project", "agents-skills-personal", "openclaw-managed", "openclaw-extra"].map((source) => [
      source,
      "openclaw-workspace",
    ]),
  );
});

test("skills may lie in groups, but not beneath another skill, in hidden directories and in node_modules", async (t) => {
  const bench = openSkills(t);
  writeFiles(join(bench.workspace, "skills"), {
    "group/sub/a/SKILL.md": skillText("a"),
    "group/sub/a/nested/SKILL.md": skillText("nested"),
    ".git/b/SKILL.md": skillText("b"),
    "node_modules/c/SKILL.md": skillText("c"),
    "1/2/3/4/5/6/SKILL.md": skillText("six"),
    "1/2/3/4/5/x/7/SKILL.md": skillText("seven"),
    "notes.md": "no skill",
  });
  assert.deepEqual(await namesOf(bench), ["a", "six"]);
  assert.deepEqual(await problemsOf(bench), []);
});

test("a skill that cannot be read is reported and leaves out only itself", async (t) => {
  const bench = openSkills(t);
  const skills = join(bench.workspace, "skills");
  writeFiles(skills, {
    "good/SKILL.md": skillText("good"),
    "bad/SKILL.md": "---\nname: bad\n---\n",
    "large/SKILL.md": skillText("large", "", "x".repeat(SKILL_LIMITS.fileBytes)),
    "evil\n- fake: x/SKILL.md": skillText("evil"),
  });
  mkdirSync(join(skills, "directory/SKILL.md"), { recursive: true });
  assert.deepEqual(await namesOf(bench), ["good"]);
  assert.deepEqual((await problemsOf(bench)).toSorted(), [
    'workspace/skills/"evil\\n- fake: x": its name is too long, or has control characters',
    "workspace/skills/bad: it has no description",
    "workspace/skills/directory: its SKILL.md cannot be read: SKILL.md is not a regular file",
    `workspace/skills/large: its SKILL.md is larger than ${SKILL_LIMITS.fileBytes} bytes`,
  ]);
});

test("no link leads out of a directory of skills, unless the configuration names its target", async (t) => {
  const outside = temporaryDirectory(t);
  writeFiles(outside, { "a/SKILL.md": skillText("a"), "secret.md": skillText("secret") });
  const bench = openSkills(t);
  const skills = join(bench.workspace, "skills");
  writeFiles(skills, { "inside/SKILL.md": skillText("inside"), "file/other.md": "x", "group/.keep": "" });
  symlinkSync(join(outside, "a"), join(skills, "link"));
  symlinkSync(join(outside, "secret.md"), join(skills, "file/SKILL.md"));
  symlinkSync(join(skills, "inside"), join(skills, "again"));
  symlinkSync(skills, join(skills, "group/loop"));
  symlinkSync("/nowhere", join(skills, "broken"));
  assert.deepEqual(await namesOf(bench), ["inside"]);
  assert.deepEqual((await problemsOf(bench)).toSorted(), [
    "workspace/skills/file: its SKILL.md cannot be read: SKILL.md leads out of its directory",
    "workspace/skills/link: it is a link that leads out of its directory; name the target in skills.load.allowSymlinkTargets to allow it",
  ]);
  bench.configure({ skills: { load: { allowSymlinkTargets: [outside] } } });
  assert.deepEqual(await namesOf(bench), ["a", "inside"]);
});

test("the directory of skills of a workspace is not a link out of the workspace; the owner's own directories may be links", async (t) => {
  const outside = temporaryDirectory(t);
  writeFiles(outside, { "a/SKILL.md": skillText("a") });
  const bench = openSkills(t);
  symlinkSync(outside, join(bench.workspace, "skills"));
  assert.deepEqual(await namesOf(bench), []);
  assert.match((await problemsOf(bench))[0]!, /^workspace\/skills: it is a link that leads out/);
  symlinkSync(outside, join(bench.root, "state/skills"));
  assert.deepEqual(await namesOf(bench), ["a"]);
});

/** Headers, a configuration and programs -> why the skill is off. */
const GATES: readonly (readonly [title: string, header: string, config: object, why: string])[] = [
  ["nothing is required", "", {}, ""],
  ["this system", "metadata: {openclaw: {os: [darwin, linux]}}\n", {}, ""],
  ["another system", "metadata: {openclaw: {os: [darwin]}}\n", {}, "it is for darwin, and this is linux"],
  ["another system, and always", "metadata: {openclaw: {os: [darwin], always: true}}\n", {}, "it is for darwin, and this is linux"],
  ["programs that are there", "metadata: {openclaw: {requires: {bins: [here]}}}\n", {}, ""],
  [
    "a program that is missing",
    "metadata: {openclaw: {requires: {bins: [here, gone]}}}\n",
    {},
    "it needs the programs gone (install them where PATH of the gateway leads)",
  ],
  [
    "a file that is not a program",
    "metadata: {openclaw: {requires: {bins: [plain]}}}\n",
    {},
    "it needs the programs plain (install them where PATH of the gateway leads)",
  ],
  [
    "a path instead of a program",
    "metadata: {openclaw: {requires: {bins: [/bin/sh, ../programs/here]}}}\n",
    {},
    "it needs the programs /bin/sh, ../programs/here (install them where PATH of the gateway leads)",
  ],
  ["missing programs, and always", "metadata: {openclaw: {always: true, requires: {bins: [gone], config: [a.b]}}}\n", {}, ""],
  ["one of two programs", "metadata: {openclaw: {requires: {anyBins: [gone, here]}}}\n", {}, ""],
  [
    "none of two programs",
    "metadata: {openclaw: {requires: {anyBins: [gone, lost]}}}\n",
    {},
    "it needs one of the programs gone, lost (install one of them where PATH of the gateway leads)",
  ],
  [
    "a variable that commands do not have",
    "metadata: {openclaw: {requires: {env: [KEY]}}}\n",
    {},
    "its commands need the variables KEY (set them in skills.entries.x.env)",
  ],
  [
    "a variable that is set for the skill",
    "metadata: {openclaw: {requires: {env: [KEY]}}}\n",
    { skills: { entries: { x: { env: { KEY: "v" } } } } },
    "",
  ],
  [
    "its main variable",
    "metadata: {openclaw: {primaryEnv: KEY, requires: {env: [KEY]}}}\n",
    { skills: { entries: { x: { apiKey: "v" } } } },
    "",
  ],
  [
    "a variable that may not be set",
    "metadata: {openclaw: {requires: {env: [LD_PRELOAD]}}}\n",
    { skills: { entries: { x: { env: { LD_PRELOAD: "v" } } } } },
    "its commands need the variables LD_PRELOAD (set them in skills.entries.x.env)",
  ],
  [
    "a configuration key that is set",
    "metadata: {openclaw: {requires: {config: [skills.entries.x.enabled]}}}\n",
    { skills: { entries: { x: { enabled: true } } } },
    "",
  ],
  [
    "one that is not",
    "metadata: {openclaw: {requires: {config: [channels.irc, constructor.name]}}}\n",
    {},
    "it needs the configuration keys channels.irc, constructor.name (set them, where this gateway serves them)",
  ],
  ["switched off", "", { skills: { entries: { x: { enabled: false } } } }, "it is switched off (set skills.entries.x.enabled to true)"],
  [
    "switched off by its key",
    "metadata: {openclaw: {skillKey: k}}\n",
    { skills: { entries: { k: { enabled: false } } } },
    "it is switched off (set skills.entries.k.enabled to true)",
  ],
  [
    "an invalid switch",
    "",
    { skills: { entries: { x: { enabled: "yes" } } } },
    "it is switched off (set skills.entries.x.enabled to true)",
  ],
];

for (const [title, header, config, why] of GATES)
  test(`a skill is judged: ${title}`, async (t) => {
    const bench = openSkills(t, config);
    writeFiles(join(bench.workspace, "skills"), { "x/SKILL.md": skillText("x", header) });
    writeFiles(bench.programs, { here: "", plain: "" });
    chmodSync(join(bench.programs, "here"), 0o755);
    assert.equal(await whyOff(bench), why);
  });

test("each agent has the skills of its own list, else those of the defaults, else all", async (t) => {
  const list = {
    defaults: { skills: ["a", "b"] },
    entries: { main: {}, own: { skills: ["c"] }, none: { skills: [] }, wrong: { skills: 5 } },
  };
  const bench = openSkills(t, { agents: list });
  writeFiles(join(bench.workspace, "skills"), Object.fromEntries(["a", "b", "c"].map((name) => [`${name}/SKILL.md`, skillText(name)])));
  assert.deepEqual(await Promise.all(["main", "own", "none", "wrong"].map((agent) => namesOf(bench, agent))), [["a", "b"], ["c"], [], []]);
  bench.configure({});
  assert.deepEqual(await namesOf(bench), ["a", "b", "c"]);
});

/** Changes of the directories -> the skills afterwards. */
const CHANGES: readonly (readonly [title: string, change: (skills: string, t: TestContext) => void, names: string[]])[] = [
  ["a new skill", (skills) => writeFiles(skills, { "b/SKILL.md": skillText("b") }), ["a", "b", "g"]],
  ["a new skill in a group", (skills) => writeFiles(skills, { "group/b/SKILL.md": skillText("b") }), ["a", "b", "g"]],
  ["another name", (skills) => writeFileSync(join(skills, "a/SKILL.md"), skillText("b")), ["b", "g"]],
  ["a removed skill", (skills) => rmSync(join(skills, "a"), { recursive: true }), ["g"]],
  ["all moved away", (skills) => renameSync(skills, `${skills}-2`), []],
];

for (const [title, change, names] of CHANGES)
  test(`the next turn sees a change: ${title}`, async (t) => {
    const bench = openSkills(t);
    const skills = join(bench.workspace, "skills");
    writeFiles(skills, { "a/SKILL.md": skillText("a"), "group/g/SKILL.md": skillText("g") });
    assert.deepEqual(await namesOf(bench), ["a", "g"]);
    change(skills, t);
    assert.deepEqual(await namesOf(bench), names);
  });

test("what has not changed is not read again, and a directory that appears later is noticed", async (t) => {
  let reads = 0;
  const metrics = { count: () => void (reads += 1), gauge: () => {}, observe: () => {}, sample: () => {} };
  const bench = openSkills(t, {}, { metrics, clock: { monotonic: () => 0 } });
  const first = await bench.skills.of(MAIN);
  assert.equal(await bench.skills.of(MAIN), first);
  assert.equal(reads, 1);
  writeFiles(bench.workspace, { ".agents/skills/a/SKILL.md": skillText("a") });
  assert.deepEqual(await namesOf(bench), ["a"]);
  assert.equal(reads, 2);
});

const hidden = (name: string): string => skillText(name, "disable-model-invocation: true\n");

test("only skills that models may choose are listed, and all that may be used can be read", async (t) => {
  const bench = openSkills(t, { skills: { entries: { off: { enabled: false } } } });
  const shared = join(bench.root, "state/skills");
  writeFiles(shared, { "a/SKILL.md": skillText("a"), "hidden/SKILL.md": hidden("hidden"), "off/SKILL.md": skillText("off") });
  writeFiles(join(bench.workspace, "skills"), { "own/SKILL.md": hidden("own") });
  const { prompt, directories } = await bench.skills.of(MAIN);
  assert.match(prompt.text, /\n- a: What a is for\.$/);
  assert.doesNotMatch(prompt.text, /hidden|off:|own/);
  assert.deepEqual(
    directories,
    ["a", "hidden"].map((name) => join(shared, name)),
    "what is in the workspace can be read anyway",
  );
});

test("commands have the variables of the skills that may be used, and no others", async (t) => {
  const env = { KEY: "mine", NODE_OPTIONS: "--require x", "not a name": "v" };
  const bench = openSkills(t, { skills: { entries: { a: { env, apiKey: "key" }, off: { enabled: false, env: { OTHER: "v" } } } } });
  writeFiles(join(bench.workspace, "skills"), {
    "a/SKILL.md": skillText("a", "metadata: {openclaw: {primaryEnv: API_KEY}}\n"),
    "off/SKILL.md": skillText("off"),
  });
  const set = await bench.skills.of(MAIN);
  assert.deepEqual(Object.fromEntries(Object.entries(set.env).map(([name, value]) => [name, value.reveal()])), {
    API_KEY: "key",
    KEY: "mine",
  });
  assert.doesNotMatch(JSON.stringify(set), /mine/);
  assert.deepEqual(
    set.problems.map(({ path, reason }) => `${path}: ${reason}`),
    [
      "skills.entries.a.env.NODE_OPTIONS: commands do not get it, because it loads code into interpreters",
      "skills.entries.a.env.not a name: commands do not get it, because it is not a name",
    ],
  );
});

test("the limit of an agent's list comes before the shared one", async (t) => {
  const bench = openSkills(t, {
    skills: { limits: { maxSkillsPromptChars: 0 } },
    agents: { entries: { main: {}, own: { skillsLimits: { maxSkillsPromptChars: 1_000 } } } },
  });
  writeFiles(join(bench.workspace, "skills"), { "a/SKILL.md": skillText("a") });
  assert.deepEqual((await bench.skills.of(MAIN)).prompt, { text: "", leftOut: ["a"], shortened: [] });
  assert.match((await bench.skills.of(asId("own"))).prompt.text, /- a: /);
});

test("more skills than the limit are left out and reported", async (t) => {
  const bench = openSkills(t);
  const count = SKILL_LIMITS.skills + 5;
  writeFiles(
    join(bench.workspace, "skills"),
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`s${1_000 + index}/SKILL.md`, skillText(`s${1_000 + index}`)])),
  );
  assert.equal((await bench.skills.of(MAIN)).set.skills.length, SKILL_LIMITS.skills);
  assert.match((await problemsOf(bench))[0]!, /s1200: there are more than 200 skills/);
});
