import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { textOf, toolContext, type TestToolContext } from "../../../test/fakes/tool-context.ts";
import { until } from "../../../test/until.ts";
import { systemClock } from "../../core/clock.ts";
import type { Tool, ToolResult } from "../tool.ts";
import { GroupWatcher } from "../group-watcher.ts";
import { createBashTool } from "./bash.ts";

const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", GIVEN: "yes" };

type Shell = { tool: Tool; context: TestToolContext; tempDir: string; run: (command: string, timeout?: number) => Promise<ToolResult> };

function shell(t: TestContext, clock?: FakeClock): Shell {
  const context = toolContext(t);
  const tempDir = join(context.workspace, "output");
  const tool = createBashTool({ env, marker: "test-marker", tempDir, watcher: new GroupWatcher(), clock: clock ?? systemClock });
  t.after(() => tool.stop?.());
  return {
    tool,
    context,
    tempDir,
    run: (command, timeout) => tool.run(timeout === undefined ? { command } : { command, timeout }, context),
  };
}

/** Lets the time of a fake clock pass until the call has ended. */
async function advanceUntilDone<T>(clock: FakeClock, call: Promise<T>): Promise<T> {
  let done = false;
  void call.finally(() => (done = true));
  await until("the call has ended", () => {
    clock.advance(10);
    return done;
  });
  return call;
}

/** A command that writes its process id to a file: whether that process still runs is asked later. */
const sleeper = (file: string): string => `sh -c 'echo $$ > ${file}.new; mv ${file}.new ${file}; exec sleep 300'`;

async function pidIn(file: string): Promise<number> {
  return until(`a process id in ${file}`, () => {
    try {
      return Number(readFileSync(file, "utf8"));
    } catch {
      return null;
    }
  });
}

/** A zombie, which waits for its parent, does not run. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

const untilEnded = (pid: number): Promise<boolean> => until(`the end of process ${pid}`, () => !isRunning(pid));

test("the result has what the command wrote to both streams, and its exit code when that is not 0", async (t) => {
  const { run } = shell(t);
  assert.deepEqual(await run("echo out; echo err >&2"), { content: [{ type: "text", text: "out\nerr\n" }], isError: false });
  assert.equal(textOf(await run("true")), "(no output)");
  const failed = await run("echo before; exit 3");
  assert.deepEqual([failed.isError, textOf(failed)], [true, "before\n\n\nThe command failed with exit code 3."]);
  assert.match(textOf(await run("kill -TERM $$")), /exit code 143/);
  assert.match(textOf(await run("if")), /syntax error/);
});

test("a command gets the given environment and the marker, the workspace, no input and no further descriptors", async (t) => {
  const { run, context } = shell(t);
  const names = textOf(await run("env | cut -d= -f1 | sort | tr '\\n' ' '"));
  assert.deepEqual(names.trim().split(" "), ["GIVEN", "OPENCLAW_RUNNER", "PATH", "PWD", "SHLVL", "_"]);
  assert.equal(
    textOf(await run('echo "$GIVEN $OPENCLAW_RUNNER $PWD $(cat)"; cat; umask')),
    `yes test-marker ${context.workspace} \n0077\n`,
  );
  const descriptors = "echo /proc/$$/fd/*";
  const plain = spawnSync("/bin/bash", ["-c", descriptors], { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" }).stdout;
  const outputs = [textOf(await run(descriptors)), plain];
  const [actual, expected] = outputs.map((text) => text.replaceAll(/\/proc\/\d+/g, ""));
  assert.equal(actual, expected);
});

test("a command is the leader of its process group and has no other process in it", async (t) => {
  const { run } = shell(t);
  const output = textOf(await run('echo "$$ $(cut -d" " -f5 /proc/$$/stat)"; cat /proc/[0-9]*/stat 2>/dev/null | cut -d" " -f1,5; true'));
  const [first, ...rows] = output.trim().split("\n");
  const [pid, group] = first!.split(" ");
  assert.equal(group, pid);
  const members = rows.map((row) => row.split(" ")).filter(([, of]) => of === group);
  // The shell, and cat and cut of this very list.
  assert.ok(members.length <= 3, `members of the group: ${members.join(" ")}`);
});

test("the result of a stopped command has its output, and no process of it is left", async (t) => {
  const { run, context } = shell(t);
  const call = run(`trap '' TERM INT HUP; echo began; ${sleeper("child")} & ${sleeper("other")}`);
  const pids = [await pidIn(join(context.workspace, "child")), await pidIn(join(context.workspace, "other"))];
  context.stop();
  const result = await call;
  assert.deepEqual([result.isError, textOf(result)], [true, "began\n\n\nThe command was stopped."]);
  for (const pid of pids) await untilEnded(pid);
});

test("a call that was stopped before it began runs nothing", async (t) => {
  const { run, context } = shell(t);
  context.stop();
  assert.match(textOf(await run("touch made")), /stopped/);
  assert.deepEqual(readdirSync(context.workspace), []);
});

test("a command that runs longer than its timeout is killed with its children", async (t) => {
  const clock = new FakeClock();
  const { run, context } = shell(t, clock);
  const call = run(`echo began; ${sleeper("child")}; echo never`, 5);
  const pid = await pidIn(join(context.workspace, "child"));
  clock.advance(4_999);
  assert.equal(isRunning(pid), true);
  clock.advance(1);
  const result = await advanceUntilDone(clock, call);
  assert.deepEqual([result.isError, textOf(result)], [true, "began\n\n\nThe command was killed: it ran longer than 5 seconds."]);
  await untilEnded(pid);
});

test("an impossible timeout is refused before anything runs", async (t) => {
  const { run, context } = shell(t);
  for (const timeout of [0, -1, 3_000_000]) assert.match(textOf(await run("touch made", timeout)), /timeout must be more than 0/);
  assert.deepEqual(readdirSync(context.workspace), []);
});

test("a process in the background does not delay the result, and runs until the gateway stops", async (t) => {
  const clock = new FakeClock();
  const { run, tool, context } = shell(t, clock);
  const call = run(`${sleeper("child")} & until [ -e child ]; do :; done; echo began`);
  const pid = await pidIn(join(context.workspace, "child"));
  assert.equal(textOf(await advanceUntilDone(clock, call)), "began\n");
  assert.equal(isRunning(pid), true);
  clock.advance(5_000);
  await tool.stop?.();
  await untilEnded(pid);
});

test("reading ends 200 ms after the shell although a process in the background keeps writing", async (t) => {
  const clock = new FakeClock();
  const { run } = shell(t, clock);
  const call = run("(while :; do echo more; sleep 0.01; done) & echo $! > pid");
  await advanceUntilDone(clock, call);
  assert.ok(clock.monotonic() < 100_000);
});

test("output that is longer than a result is cut at the front, and the whole lies in a private file", async (t) => {
  const { run, tempDir } = shell(t);
  const text = textOf(await run("seq 1 30000"));
  const [, from, path] = /\n\[Lines (\d+) to 30000 of 30000 \(164\.9 KB\)\. Full output: (.*)\]$/.exec(text) ?? [];
  assert.equal(from, "28001");
  assert.ok(text.startsWith("28001\n28002\n"));
  const whole = Array.from({ length: 30_000 }, (_, index) => `${index + 1}\n`).join("");
  assert.equal(readFileSync(path!, "utf8"), whole);
  assert.deepEqual([statSync(path!).mode & 0o777, statSync(tempDir).mode & 0o777], [0o600, 0o700]);
  const line = textOf(await run("head -c 300000 /dev/zero | tr '\\0' x"));
  assert.match(line, /^x{51200}\n\n\[The end of line 1, which is longer than 50\.0 KB\. Full output: /);
});

test("output within the limits makes no file", async (t) => {
  const { run, tempDir, context } = shell(t);
  assert.equal(textOf(await run("seq 1 2000")).split("\n").length, 2_001);
  assert.equal(readdirSync(context.workspace).includes(tempDir.split("/").at(-1)!), false);
});

test("when the file for long output cannot be written, the result says so and has the end", async (t) => {
  const { run, tempDir } = shell(t);
  writeFileSync(tempDir, "a file where the directory should be");
  assert.match(textOf(await run("seq 1 3000")), /3000\n\n\[Lines 1001 to 3000 of 3000 .* The rest was not kept: /);
});

test("intermediate results come at once after a pause, then once in 100 ms, and have the end of the output", async (t) => {
  const clock = new FakeClock();
  const { run, context } = shell(t, clock);
  const call = run("for step in 1 2 3; do until [ -e go$step ]; do sleep 0.01; done; echo $step; done");
  const { updates } = context;
  const write = (step: number): void => writeFileSync(join(context.workspace, `go${step}`), "");
  write(1);
  await until("the first update", () => updates.length === 1);
  write(2);
  write(3);
  const result = await advanceUntilDone(clock, call);
  assert.equal(textOf(result), "1\n2\n3\n");
  const texts = updates.map((content) => textOf({ content, isError: false }));
  assert.equal(texts[0], "1\n");
  assert.ok(texts.every((text) => "1\n2\n3\n".startsWith(text)));
  assert.ok(texts.length <= 2 + clock.monotonic() / 100);
});

test("a workspace that does not exist and a command that is too long are errors that say so", async (t) => {
  const { tool, context, run } = shell(t);
  await assert.rejects(
    tool.run({ command: "true" }, { ...context, workspace: "/nonexistent/x" }),
    /Cannot run a command in \/nonexistent\/x: it does not exist/,
  );
  await assert.rejects(run(`#${"x".repeat(200_000)}`), /too long for the system/);
});
