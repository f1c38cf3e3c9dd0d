import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { changeHostRules, decideOnHost, readHostRules, toListed, type HostRules } from "./allowlist.ts";
import { KeptAnswers } from "./answers.ts";
import { SharedFiles } from "./files.ts";
import { findProgram } from "./programs.ts";
import { planProgram } from "./run-program.ts";
import { HOST_LIMITS } from "./limits.ts";

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "node-host-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const RULES: HostRules = {
  security: "allowlist",
  ask: "on-miss",
  programs: ["/usr/bin/uptime", "df", "bash", "/usr/bin/python3"],
  problem: null,
};

for (const [path, rules, isApproved, isAllowed] of [
  ["/usr/bin/uptime", {}, false, true],
  ["/opt/uptime", {}, false, false],
  ["/opt/df", {}, false, true],
  ["/usr/bin/rm", {}, false, false],
  ["/usr/bin/rm", {}, true, true],
  // A list that named an interpreter would allow everything.
  ["/usr/bin/bash", {}, false, false],
  ["/usr/bin/python3", {}, false, false],
  ["/usr/bin/python3.13", {}, false, false],
  ["/usr/bin/php8.2", { programs: ["/usr/bin/php8.2"] }, false, false],
  ["/usr/bin/mawk", { programs: ["/usr/bin/mawk"] }, false, false],
  ["/usr/bin/git", { programs: ["git"] }, false, false],
  ["/usr/bin/rm", { ask: "off" }, true, false],
  ["/usr/bin/uptime", { ask: "off" }, false, true],
  ["/usr/bin/uptime", { ask: "always" }, false, false],
  ["/usr/bin/uptime", { ask: "always" }, true, true],
  ["/usr/bin/rm", { security: "full" }, false, true],
  ["/usr/bin/rm", { security: "deny" }, true, false],
  ["/usr/bin/uptime", { problem: "it is not JSON" }, true, false],
] as const satisfies [string, Partial<HostRules>, boolean, boolean][]) {
  test(`${path} with ${JSON.stringify(rules)}${isApproved ? " and an agreement" : ""} ${isAllowed ? "runs" : "does not run"}`, () => {
    assert.equal(decideOnHost({ ...RULES, ...rules }, { path, isApproved, variables: [] }).isAllowed, isAllowed);
  });
}

test("the list covers no call that sets variables: with GIT_PAGER, say, a program runs another one", () => {
  const request = { path: "/usr/bin/uptime", isApproved: false, variables: ["PAGER"] };
  assert.deepEqual(decideOnHost(RULES, request), {
    isAllowed: false,
    reason: "the list of this machine covers no call that sets PAGER, and no person has agreed to it",
  });
  assert.equal(decideOnHost({ ...RULES, ask: "off" }, { ...request, isApproved: true }).isAllowed, false);
  assert.equal(decideOnHost(RULES, { ...request, isApproved: true }).isAllowed, true);
});

test("a program is listed by the path that it is known by, and one that would have no effect is refused", (t) => {
  const dir = directory(t);
  symlinkSync("/usr/bin/env", join(dir, "tool"));
  symlinkSync("/usr/bin/true", join(dir, "link"));
  assert.deepEqual(toListed(join(dir, "link")), { listed: realpathSync("/usr/bin/true") });
  assert.deepEqual(toListed("uptime"), { listed: "uptime" });
  for (const program of [join(dir, "tool"), "bash", "/usr/bin/env"])
    assert.match(JSON.stringify(toListed(program)), /runs what its arguments/);
  assert.match(JSON.stringify(toListed(join(dir, "none"))), /it does not exist/);
});

test("rules that cannot be read allow nothing, and are not replaced by a guess", (t) => {
  const dir = directory(t);
  assert.deepEqual(readHostRules(dir), { security: "allowlist", ask: "on-miss", programs: [], problem: null });
  changeHostRules(dir, (rules) => ({ ...rules, programs: [...rules.programs, "/usr/bin/uptime"] }));
  assert.deepEqual(readHostRules(dir).programs, ["/usr/bin/uptime"]);
  for (const content of ["{", "[]", '{"version":2}', '{"version":1,"defaults":{"security":"some"}}']) {
    writeFileSync(join(dir, "exec-approvals.json"), content);
    assert.equal(readHostRules(dir).security, "deny", content);
    assert.throws(() => changeHostRules(dir, (rules) => rules), /exec-approvals\.json/);
  }
});

test("an answer is kept over a restart, and what was interrupted is known", (t) => {
  const dir = directory(t);
  const first = new KeptAnswers(dir, () => 1);
  first.begin("a");
  first.end("a", { ok: true, payloadJSON: "1" });
  first.begin("b");
  first.begin("c");
  first.end("c", { ok: true, payloadJSON: "x".repeat(HOST_LIMITS.answerChars) });
  // The line that a crash has cut off was not acknowledged.
  appendFileSync(join(dir, "answers.jsonl"), '{"id":"d","at":');
  const second = new KeptAnswers(dir, () => 2);
  assert.deepEqual(second.get("a")!.answer, { ok: true, payloadJSON: "1" });
  assert.equal(second.get("c")!.answer!.ok, false);
  assert.deepEqual(second.interrupted(), ["b"]);
  assert.equal(new KeptAnswers(dir, () => HOST_LIMITS.answerMs + 10).get("a"), undefined);
});

test("many long answers take no more space than they may, and no id is forgotten for that", (t) => {
  const dir = directory(t);
  const kept = new KeptAnswers(dir, () => 1, { ...HOST_LIMITS, keptBytes: 30_000 });
  for (let n = 0; n < 100; n++) {
    kept.begin(`id-${n}`);
    kept.end(`id-${n}`, { ok: true, payloadJSON: "x".repeat(2_000) });
    assert.ok(statSync(join(dir, "answers.jsonl")).size < 65_000);
  }
  const next = new KeptAnswers(dir, () => 1, { ...HOST_LIMITS, keptBytes: 30_000 });
  assert.equal(next.get("id-0")!.answer!.ok, false);
  assert.equal(next.get("id-99")!.answer!.ok, true);
  assert.deepEqual(next.interrupted(), []);
});

test("what is kept after a write that a full disk cut is not lost with it", { skip: process.platform !== "linux" }, (t) => {
  const dir = directory(t);
  // A process may write so much and no more: the first answer is cut in its middle, and the space for the second is made.
  const script = `
    process.on("SIGXFSZ", () => {});
    const { KeptAnswers } = await import(${JSON.stringify(new URL("./answers.ts", import.meta.url).href)});
    const { truncateSync, readFileSync, writeFileSync } = await import("node:fs");
    const kept = new KeptAnswers(process.argv[1], () => 1);
    kept.begin("a");
    try { kept.end("a", { ok: true, payloadJSON: "x".repeat(20_000) }); } catch (err) { console.log(err.code); }
    const path = process.argv[1] + "/answers.jsonl";
    truncateSync(path, 1_000);
    kept.begin("b");`;
  const args = ["-c", 'ulimit -f 8; exec "$@"', "sh", process.execPath, "--no-warnings", "--input-type=module", "-e", script, dir];
  assert.equal(spawnSync("sh", args, { encoding: "utf8" }).stdout, "EFBIG\n");
  assert.deepEqual(new KeptAnswers(dir, () => 1).interrupted(), ["a", "b"]);
});

test("files outside of the shared directories, also through links, are not reached", async (t) => {
  const dir = directory(t);
  const shared = join(dir, "shared");
  mkdirSync(shared);
  writeFileSync(join(dir, "secret"), "secret");
  writeFileSync(join(shared, "file"), "content");
  symlinkSync(join(dir, "secret"), join(shared, "link"));
  symlinkSync(dir, join(shared, "up"));
  const files = await SharedFiles.open([shared]);
  const { base64, size } = await files.run("file.fetch", { path: join(shared, "file") });
  assert.deepEqual([Buffer.from(String(base64), "base64").toString(), size], ["content", 7]);
  for (const path of [
    join(dir, "secret"),
    join(shared, "../secret"),
    join(shared, "link"),
    join(shared, "up/secret"),
    "relative",
    "/etc/passwd",
  ]) {
    await assert.rejects(files.run("file.fetch", { path }), path);
    await assert.rejects(files.run("file.write", { path, contentBase64: "", overwrite: true }), path);
  }
  await assert.rejects(files.run("file.write", { path: join(shared, "up/new"), contentBase64: "" }), /not in a directory/);
  await assert.rejects(files.run("file.write", { path: join(shared, "file"), contentBase64: "" }), /exists already/);
  await assert.rejects(files.run("file.fetch", { path: join(shared, "file"), maxBytes: 3 }), /the limit is 3/);
  const written = await files.run("file.write", { path: join(shared, "new"), contentBase64: Buffer.from("a").toString("base64") });
  assert.equal(written["size"], 1);
  const { entries } = await files.run("dir.list", { path: shared });
  assert.deepEqual(
    (entries as { name: string }[]).map(({ name }) => name),
    ["file", "link", "new", "up"],
  );
  assert.equal((await SharedFiles.open([])).isShared, false);
});

test("a program is found by the search path only, and a gateway sets no variable that changes what it runs", () => {
  const options = { env: { PATH: "/usr/bin:/bin" }, home: "/" };
  const request = { argv: ["true"], cwd: null, env: null, timeoutMs: null, agentId: null, sessionKey: null, approvalId: null };
  assert.equal(findProgram("./true", "/usr/bin"), null);
  assert.equal(findProgram("true", "usr/bin"), null);
  assert.match(planProgram(request, options).argv[0]!, /^\/(usr\/)?bin\/true$/);
  for (const name of ["LD_PRELOAD", "PATH", "NODE_OPTIONS", "BASH_ENV"])
    assert.throws(() => planProgram({ ...request, env: { [name]: "x" } }, options), /cannot be set here/);
  assert.throws(() => planProgram({ ...request, argv: ["no-such-program"] }, options), /not a program of this machine/);
  assert.throws(() => planProgram({ ...request, cwd: "/no/such" }, options), /not a directory/);
});
