import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { callCli, type CliCall } from "../../test/cli-call.ts";
import { skillText, temporaryDirectory, writeFiles } from "../../test/fakes/skill-folders.ts";

type Bench = { state: string; source: string; installed: string; run: (...words: string[]) => Promise<CliCall> };

/** A state directory, and beside it the source of a skill. */
function openBench(t: TestContext, config: object = {}): Bench {
  const root = temporaryDirectory(t);
  const [state, source] = [join(root, "state"), join(root, "weather")];
  mkdirSync(state);
  writeFileSync(join(state, "openclaw.json"), JSON.stringify(config), { mode: 0o600 });
  writeFiles(source, {
    "SKILL.md": skillText("weather", "metadata: {openclaw: {install: [{kind: brew, formula: evil}]}}\n"),
    "run.sh": "echo 1",
  });
  chmodSync(join(source, "run.sh"), 0o755);
  return { state, source, installed: join(state, "skills/weather"), run: (...words) => callCli(state, ["skills", ...words]) };
}

const checkOf = async ({ run }: Bench): Promise<string> => (await run("check")).out;

test("an installed skill is off until it is approved, and off again when its content changes", async (t) => {
  const bench = openBench(t);
  const { run, source, installed } = bench;
  const install = await run("install", source);
  assert.equal(install.code, 0, install.err);
  assert.match(
    install.out,
    /^skill +weather\nfor +What weather is for\.\nfiles +SKILL\.md \(\d+ bytes\), run\.sh \(6 bytes, a program\)\n/,
  );
  assert.match(install.out, /run\.sh: new file, may be run as a program\n {2}\+ echo 1\nInstalled weather in .*\/skills\/weather\.\n$/);
  assert.match(install.err, /It is off until you approve its content: openclaw skills approve weather/);
  assert.deepEqual(readdirSync(join(bench.state, "skills")), ["weather"]);
  assert.equal(statSync(join(installed, "run.sh")).mode & 0o777, 0o700);
  assert.match(await checkOf(bench), /^weather: its content is not the approved one \(openclaw skills approve weather\)\n/);
  assert.equal((await run("check")).code, 1);
  assert.equal((await run("approve", "weather")).code, 2, "a question needs a terminal, or --yes");
  assert.match((await run("approve", "weather", "--yes")).out, /Approved weather\.\n$/);
  assert.deepEqual([await checkOf(bench), (await run("check")).code], ["", 0]);
  writeFileSync(join(installed, "run.sh"), "echo 2");
  assert.match(await checkOf(bench), /^weather: its content is not the approved one/);
  writeFileSync(join(installed, "run.sh"), "echo 1");
  assert.equal(await checkOf(bench), "");
});

/** Changes of an approved content -> why the skill is off. */
const CHANGES: readonly (readonly [title: string, change: (directory: string) => void, why: RegExp])[] = [
  ["a new file", (directory) => writeFileSync(join(directory, "new"), ""), /^weather: its content is not the approved one/],
  ["a removed file", (directory) => rmSync(join(directory, "run.sh")), /^weather: its content is not the approved one/],
  [
    "a file that became a program",
    (directory) => chmodSync(join(directory, "SKILL.md"), 0o755),
    /^weather: its content is not the approved one/,
  ],
  ["a link", (directory) => symlinkSync("/etc/passwd", join(directory, "link")), /^weather: "link" is neither a file nor a directory/],
  [
    "another name",
    (directory) => writeFileSync(join(directory, "SKILL.md"), skillText("other")),
    /^other: its content is not the approved one/,
  ],
  [
    "a damaged list of pins",
    (directory) => writeFileSync(join(directory, "../../gateway/skills.json"), "{"),
    /^weather: the list of approved skills is damaged/,
  ],
];

for (const [title, change, why] of CHANGES)
  test(`a skill with another content than the approved one is off: ${title}`, async (t) => {
    const bench = openBench(t);
    await bench.run("install", bench.source, "--yes");
    assert.equal(await checkOf(bench), "");
    change(bench.installed);
    assert.match(await checkOf(bench), why);
  });

test("an update shows what has changed, and is approved with the same answer", async (t) => {
  const { run, source, installed } = openBench(t);
  await run("install", source, "--yes");
  assert.match((await run("update", "weather", "--yes")).out, /^weather has not changed\.\n$/);
  writeFiles(source, { "run.sh": "echo 2\u202e", "new.md": "x" });
  const refused = await run("update", "weather");
  assert.deepEqual([refused.code, readFileSync(join(installed, "run.sh"), "utf8")], [2, "echo 1"]);
  assert.match(refused.out, /\nnew\.md: new file\n {2}\+ x\nrun\.sh: changed\n {2}- echo 1\n {2}\+ echo 2\\u\{202e\}\n$/);
  const done = await run("update", "weather", "--yes", "--json");
  assert.match(done.out, /"approved": true/);
  assert.equal(readFileSync(join(installed, "run.sh"), "utf8"), "echo 2\u202e");
  assert.deepEqual(readdirSync(join(installed, "..")), ["weather"]);
});

test("another skill does not replace an installed one, and nothing replaces what the owner has put there", async (t) => {
  const { run, source, state } = openBench(t);
  await run("install", source, "--yes");
  assert.match((await run("install", source, "--yes")).err, /the skill weather is installed already\n[^]*openclaw skills update weather/);
  writeFiles(source, { "SKILL.md": skillText("other") });
  assert.match((await run("update", "weather", "--yes")).err, /is another skill: other/);
  writeFiles(join(state, "skills/other"), { "SKILL.md": skillText("other") });
  assert.match((await run("install", source, "--yes")).err, /\/skills\/other exists already/);
  assert.match((await run("remove", "other", "--yes")).err, /Unknown installed skill "other"/);
});

test("a removed skill is gone with its approval", async (t) => {
  const { run, source, installed, state } = openBench(t);
  await run("install", source, "--yes");
  assert.equal((await run("remove", "weather", "--yes")).code, 0);
  assert.equal(existsSync(installed), false);
  assert.deepEqual(JSON.parse(readFileSync(join(state, "gateway/skills.json"), "utf8")), { installed: {} });
});

/** Sources -> why they are refused. */
const SOURCES: readonly (readonly [source: string, why: RegExp])[] = [
  ["npm:weather", /"npm:weather" names no fixed content/],
  ["npm:weather@latest", /names no fixed content/],
  ["npm:weather@^1.2.3", /names no fixed content/],
  ["npm:--foo@1.2.3", /names no fixed content/],
  ["npm:-g@1.2.3", /names no fixed content/],
  ["npm:@-x/y@1.2.3", /names no fixed content/],
  ["npm:@x/--y@1.2.3", /names no fixed content/],
  ["git:https://example.org/x.git#main", /names no fixed content/],
  ["git:--upload-pack=x#3f2a9c1d3f2a9c1d3f2a9c1d3f2a9c1d3f2a9c1d", /names no fixed content/],
  ["./nowhere", /the skill cannot be read from .*\/nowhere\n[^]*it does not exist/],
];

for (const [source, why] of SOURCES)
  test(`a source is refused: ${source}`, async (t) => {
    const { run } = openBench(t);
    const { code, err } = await run("install", source);
    assert.notEqual(code, 0);
    assert.match(err, why);
  });

test("what a killed command has left of a skill goes with the next command for it", async (t) => {
  const { run, source, installed, state } = openBench(t);
  const [skills, approved] = [join(installed, ".."), join(state, "gateway/approved-skills")];
  await run("install", source, "--yes");
  const leave = (): void => {
    for (const name of ["old", "new"]) writeFiles(join(skills, `.weather.0123456789ab.${name}`), { "SKILL.md": "left" });
    writeFiles(join(approved, ".weather.0123456789ab"), { "SKILL.md": "left" });
    writeFiles(join(skills, ".weather.mine.old"), { "SKILL.md": "not ours" });
  };
  leave();
  writeFiles(source, { "run.sh": "echo 2" });
  assert.equal((await run("update", "weather", "--yes")).code, 0);
  assert.deepEqual([readdirSync(skills).toSorted(), readdirSync(approved)], [[".weather.mine.old", "weather"], ["weather"]]);
  leave();
  assert.equal((await run("remove", "weather", "--yes")).code, 0);
  assert.deepEqual([readdirSync(skills), readdirSync(approved)], [[".weather.mine.old"], []]);
});

test("a directory that is not a skill, or has links, is not installed", async (t) => {
  const { run, source, state } = openBench(t);
  symlinkSync("/etc/passwd", join(source, "link"));
  assert.match((await run("install", source)).err, /"link" is neither a file nor a directory/);
  rmSync(join(source, "link"));
  writeFileSync(join(source, "SKILL.md"), "no header");
  assert.match((await run("install", source)).err, /does not begin with front matter/);
  rmSync(join(source, "SKILL.md"));
  assert.match((await run("install", source)).err, /it has no SKILL\.md/);
  assert.equal(existsSync(join(state, "skills")), false);
});

test("without a gateway, list, info and check answer from the files and say so", async (t) => {
  const bench = openBench(t, { skills: { allowBundled: ["x"], entries: { off: { enabled: false } } } });
  const skills = join(bench.state, "workspace/skills");
  const needs =
    "homepage: https://off.example\nmetadata: {openclaw: {emoji: x, requires: {bins: [gone]}, install: [{kind: brew, label: Install gone}]}}\n";
  writeFiles(skills, { "a/SKILL.md": skillText("a"), "off/SKILL.md": skillText("off", needs), "bad/SKILL.md": "x" });
  const list = await bench.run("list");
  assert.match(list.out, /\na +yes +workspace +What a is for\.\noff +no +workspace +What off is for\.\n/);
  assert.match(list.err, /Gateway not running; showing saved data/);
  assert.doesNotMatch((await bench.run("list", "--eligible")).out, /off/);
  const info = (await bench.run("info", "OFF")).out;
  assert.match(info, /\non +no: it is switched off \(set skills\.entries\.off\.enabled to true\); it needs the programs gone /);
  assert.match(
    info,
    /\nhomepage +https:\/\/off\.example\nprograms +gone\n\nTo install its programs, as its author says; nothing of this is run for you:\n {2}Install gone: see the homepage\n/,
  );
  assert.match((await bench.run("info", "of")).err, /Unknown skill "of"\. Did you mean "off"\?/);
  const check = await bench.run("check");
  assert.equal(check.code, 1);
  assert.match(
    check.out,
    /^off: it is switched off .*\noff: it needs the programs gone .*\n.*skills\/bad is not used: it does not begin with front matter between two lines of ---\n$/,
  );
  const { warnings } = JSON.parse((await callCli(bench.state, ["config", "validate", "--json"])).out) as { warnings?: unknown };
  assert.match(JSON.stringify(warnings ?? (await callCli(bench.state, ["config", "validate"]))), /skills\.allowBundled/);
});

test("doctor reports skills that cannot be read or wait for approval, and why others are off in one line", async (t) => {
  const bench = openBench(t, { skills: { limits: { maxSkillsPromptChars: 10 } } });
  writeFiles(join(bench.state, "workspace/skills"), {
    "a/SKILL.md": skillText("a"),
    "bad/SKILL.md": "x",
    "mac/SKILL.md": skillText("mac", "metadata: {openclaw: {os: [darwin]}}\n"),
  });
  await bench.run("install", bench.source);
  const { findings } = JSON.parse((await callCli(bench.state, ["doctor", "--json"])).out) as {
    findings: { check: string; severity: string; title: string }[];
  };
  const titles = findings
    .filter(({ check }) => check === "skills")
    .map(({ severity, title }) => `${severity}: ${title.replace(bench.state, "~")}`);
  assert.deepEqual(titles, [
    "warning: the skill in ~/workspace/skills/bad is not read",
    "warning: the skill weather is off",
    "warning: 1 skill of the agent main is not in the list that models read",
    `ok: 1 skill of the agent main on, 2 off (mac: it is for darwin, and this is ${process.platform}; weather: its content is not the approved one)`,
  ]);
});

test("skills info shows what a person could run to install the programs, and check names each reason on a line of its own", async (t) => {
  const bench = openBench(t);
  const install = '[{kind: brew, formula: gauge, os: [macos]}, {kind: node, package: gauge-cli}, {kind: node, package: "x; rm -rf ~"}]';
  writeFiles(bench.state, {
    "skills/gauge/SKILL.md": skillText(
      "gauge",
      `metadata: {openclaw: {requires: {bins: [no-gauge], env: [GAUGE]}, install: ${install}}}\n`,
    ),
  });
  const { out } = await bench.run("info", "gauge");
  assert.match(
    out,
    /nothing of this is run for you:\n {2}Install brew \(darwin\): brew install gauge\n {2}Install node: npm install -g gauge-cli\n/,
  );
  assert.match(out, / {2}Install node: see the homepage\n$/);
  const lines = (await checkOf(bench)).trim().split("\n");
  assert.deepEqual(
    lines.map((line) => line.replace(/ \(.*/, "")),
    ["gauge: it needs the programs no-gauge", "gauge: its commands need the variables GAUGE"],
  );
});

test("skills update --all updates each skill that has changed, and one that cannot be read keeps no other from it", async (t) => {
  const bench = openBench(t);
  const { run, source } = bench;
  assert.match((await run("update", "--all")).out, /^No skill is installed\.\n$/);
  const other = join(bench.state, "../gone");
  writeFiles(other, { "SKILL.md": skillText("gone") });
  for (const directory of [source, other]) assert.equal((await run("install", directory, "--yes")).code, 0);
  rmSync(other, { recursive: true });
  writeFileSync(join(source, "run.sh"), "echo 2");
  const { code, out, err } = await run("update", "--all", "--yes");
  assert.equal(code, 1);
  assert.match(out, /run\.sh: changed\n {2}- echo 1\n {2}\+ echo 2\nUpdated weather\.\n$/);
  assert.match(err, /gone: the skill cannot be read from .*\n[^]*1 skill could not be updated\./);
  assert.equal(readFileSync(join(bench.installed, "run.sh"), "utf8"), "echo 2");
  for (const words of [["update"], ["update", "--all", "weather"]]) assert.equal((await run(...words)).code, 2);
});

test("an approval of a changed content shows what differs from the one that was approved", async (t) => {
  const bench = openBench(t);
  await bench.run("install", bench.source, "--yes");
  writeFileSync(join(bench.installed, "run.sh"), "echo 2");
  const approved = await bench.run("approve", "weather", "--yes");
  assert.match(approved.err, /What has changed since it was approved:/);
  assert.match(approved.out, /\n\nrun\.sh: changed\n {2}- echo 1\n {2}\+ echo 2\nApproved weather\.\n$/);
  assert.doesNotMatch(approved.out, /SKILL\.md: new file/);
  await bench.run("remove", "weather", "--yes");
  assert.deepEqual(readdirSync(join(bench.state, "gateway/approved-skills")), []);
});
