// Group: wire
import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { commandTools, isRunning, pidIn, sleeper, untilEnded, type CommandTools } from "../../../test/fakes/command-tools.ts";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { textOf, type TestToolContext } from "../../../test/fakes/tool-context.ts";
import { settled, until } from "../../../test/until.ts";
import { asId } from "../../core/ids.ts";

/** A command that goes on when the test says so: `go(n)` lets it pass its n-th `wait n`. */
const WAIT = "wait_for() { until [ -e go$1 ]; do sleep 0.01; done; }";
const goIn = (context: TestToolContext) => (step: number) => writeFileSync(join(context.workspace, `go${step}`), "");

/** The same workspace for another session, or another agent. */
const inSession = (context: TestToolContext, sessionKey: string, agentId = "main"): TestToolContext => ({
  ...context,
  caller: { ...context.caller, agentId: asId(agentId), sessionKey: asId(sessionKey) },
});

/** Waits until a command has ended, without a call of `process` that would show it. */
const untilListedEnded = ({ process }: CommandTools, id: string): Promise<boolean> =>
  until(`the end of ${id}`, async () => new RegExp(`^${id}: (ended|was)`, "m").test(await process("list")));

function withFakeClock(t: TestContext): CommandTools & { clock: FakeClock } {
  const clock = new FakeClock();
  return { ...commandTools(t, { clock }), clock };
}

test("list shows the commands of the session, the newest first, and how those that ended did", async (t) => {
  const tools = withFakeClock(t);
  const { background, process, clock } = tools;
  assert.equal(await process("list"), "No commands in the background.");
  const first = await background("exec sleep 300");
  clock.advance(42_000);
  const second = await background(`exit 3 # ${"x".repeat(200)}\n`);
  await untilListedEnded(tools, second);
  const [newest, oldest, ...rest] = (await process("list")).split("\n");
  assert.equal(newest, `${second}: ended with exit code 3 after 0 s: exit 3 # ${"x".repeat(71)}...`);
  assert.match(oldest!, new RegExp(`^${first}: running 42 s, pid \\d+: exec sleep 300$`));
  assert.deepEqual(rest, []);
});

test("poll returns what is new since the last one, and then the end", async (t) => {
  const tools = commandTools(t);
  const { background, process, context } = tools;
  const go = goIn(context);
  const sessionId = await background(`${WAIT}; echo one; wait_for 1; echo two; wait_for 2; echo three; exit 5`);
  const poll = (timeout = 30_000): Promise<string> => process("poll", { sessionId, timeout });
  const running = new RegExp(`\\n\\n${sessionId} is still running after \\d+ s\\.$`);
  assert.match(await poll(), /^one\n/);
  const nothing = await process("poll", { sessionId });
  assert.match(nothing, /^\(no new output\)/);
  assert.match(nothing, running);
  go(1);
  const second = await poll();
  assert.match(second, /^two\n/);
  assert.match(second, running);
  go(2);
  assert.match(await poll(), new RegExp(`^three\\n\\n\\n${sessionId} ended with exit code 5 after \\d+ s\\.$`));
  assert.match(await poll(), /^\(no new output\)\n\n.+ ended with exit code 5/);
  assert.deepEqual(tools.notes, []);
});

test("poll waits for its timeout when nothing happens, and ends with the turn", async (t) => {
  const { background, process, context, clock } = withFakeClock(t);
  const sessionId = await background("exec sleep 300");
  const call = process("poll", { sessionId, timeout: 30_000 });
  await settled();
  clock.advance(29_999);
  await settled();
  const waiting = clock.pending().filter((ms) => ms === 1);
  assert.deepEqual(waiting, [1]);
  clock.advance(1);
  assert.match(await call, /^\(no new output\)\n\n.+ is still running after 30 s\.$/);
  const other = process("poll", { sessionId, timeout: 30_000 });
  await settled();
  context.stop();
  assert.match(await other, /is still running/);
});

test("output that comes soon after the first is in the same poll", async (t) => {
  const { background, process, clock, context } = withFakeClock(t);
  const go = goIn(context);
  const sessionId = await background(`${WAIT}; wait_for 1; echo one; wait_for 2; echo two; touch done; exec sleep 300`);
  const call = process("poll", { sessionId, timeout: 30_000 });
  go(1);
  await until("the first output", async () => clock.pending().includes(1_000));
  go(2);
  await until("the second output", async () => (await process("log", { sessionId })).includes("two"));
  clock.advance(1_000);
  assert.match(await call, /^one\ntwo\n/);
});

test("a timeout above 30 s, and an action that does not exist, are refused", async (t) => {
  const { background, refused } = commandTools(t);
  const sessionId = await background("exec sleep 300");
  assert.match(await refused("poll", { sessionId, timeout: 30_001 }), /timeout must be at most 30000/);
  assert.match(await refused("stop", { sessionId }), /action must be one of list, poll, log, .+, not the text "stop"/);
});

test("log pages through the lines of the whole output", async (t) => {
  const tools = commandTools(t);
  const { background, process } = tools;
  for (const count of [500, 50_000]) {
    const sessionId = await background(`seq ${count}`);
    await untilListedEnded(tools, sessionId);
    const log = (args: object): Promise<string> => process("log", { sessionId, ...args });
    assert.equal(await log({ offset: 3, limit: 2 }), `3\n4\n\n[Lines 3 to 4 of ${count}. Continue with offset=5.]`);
    const last = await log({});
    assert.ok(last.startsWith(`${count - 199}\n`) && last.endsWith(`\n${count}\n\n[Lines ${count - 199} to ${count} of ${count}.]`));
    const most = await log({ offset: 1, limit: 9_999 });
    assert.ok(most.endsWith(count === 500 ? "\n499\n500\n" : "\n1999\n2000\n\n[Lines 1 to 2000 of 50000. Continue with offset=2001.]"));
    assert.equal(await log({ offset: count + 1 }), `(no output)\n\n[The output has ${count} lines.]`);
  }
});

test("write, submit and paste reach the input of a command, and eof ends it", async (t) => {
  const { background, process, refused } = commandTools(t);
  const sessionId = await background("cat; echo over");
  assert.equal(await process("write", { sessionId, data: "one " }), `Wrote 4 characters to ${sessionId}.`);
  await process("submit", { sessionId, data: "two" });
  await process("paste", { sessionId, text: "three\nfour\n" });
  assert.equal(
    await process("write", { sessionId, data: "five\n", eof: true }),
    `Wrote 5 characters to ${sessionId}, and nothing follows.`,
  );
  await until("the end", async () => (await process("poll", { sessionId, timeout: 1_000 })).includes("exit code 0"));
  assert.equal(await process("log", { sessionId }), "one two\nthree\nfour\nfive\nover\n");
  assert.match(await refused("write", { sessionId, data: "more" }), /has ended, and reads nothing more/);
});

test("what cannot be written is an error that says why", async (t) => {
  const tools = withFakeClock(t);
  const { exec, background, refused, clock } = tools;
  const sessionId = await background("exec 0<&-; echo closed; exec sleep 300");
  await until("the closed input", async () => (await tools.process("log", { sessionId })).includes("closed"));
  assert.equal(await refused("write", { sessionId, data: "x" }), `${sessionId} has closed its input.`);
  assert.match(await refused("write", { sessionId }), /Nothing was written: data is empty/);
  assert.match(await refused("send-keys", { sessionId, keys: ["Enter"] }), /has no terminal, which send-keys needs/);
  assert.match(await refused("send-keys", { sessionId, keys: [] }), /Nothing was sent: keys is empty/);
  const call = exec({ command: "exec sleep 300" });
  await until("the command", () => clock.pending().includes(10_000));
  clock.advance(10_000);
  const [, yielded] = /as (\S+) \(pid/.exec(textOf(await call))!;
  assert.match(await refused("write", { sessionId: yielded, data: "x" }), /has no input\. Start a command with background or pty/);
});

test("a command that does not read its input gets only so much of it", async (t) => {
  const { background, process, refused, clock } = withFakeClock(t);
  const sessionId = await background("exec sleep 300");
  const call = process("write", { sessionId, data: "x".repeat(900_000) });
  await until("the wait", () => clock.pending().includes(1_000));
  clock.advance(1_000);
  assert.equal(await call, `Wrote 900000 characters to ${sessionId}. It has not read all of them yet.`);
  assert.match(
    await refused("write", { sessionId, data: "x".repeat(400_000) }),
    /does not read its input: \d+ bytes wait for it\. Nothing was written/,
  );
});

test("kill ends a command with all of its processes, without a note", async (t) => {
  const { background, process, context, notes } = commandTools(t);
  const sessionId = await background(`trap '' TERM INT HUP; timeout 300 ${sleeper("grouped")} & ${sleeper("child")}`);
  const pids = [await pidIn(join(context.workspace, "grouped")), await pidIn(join(context.workspace, "child"))];
  assert.match(await process("kill", { sessionId }), new RegExp(`^${sessionId} was stopped after \\d+ s\\.$`));
  for (const pid of pids) await untilEnded(pid);
  assert.match(await process("kill", { sessionId }), /^Nothing was killed: .+ was stopped after/);
  assert.match(await process("poll", { sessionId }), /was stopped after/);
  assert.deepEqual(notes, []);
});

test("clear forgets what has ended, and remove also ends what runs; the files go with them", async (t) => {
  const tools = commandTools(t);
  const { background, process, refused, context, outputDir } = tools;
  const long = "seq 100000";
  const [ended, running] = [await background(long), await background(`${long}; ${sleeper("child")}`)];
  const pid = await pidIn(join(context.workspace, "child"));
  await untilListedEnded(tools, ended);
  assert.equal(readdirSync(outputDir).length, 2);
  assert.equal(await process("clear"), "Forgot 1 ended command.");
  assert.match(
    await refused("poll", { sessionId: ended }),
    new RegExp(`There is no command "${ended}" in this session\\. .+ There are ${running}\\.$`),
  );
  await until("the file is gone", () => readdirSync(outputDir).length === 1);
  assert.equal(await process("remove", { sessionId: running.toUpperCase() }), `Killed and removed ${running}.`);
  await untilEnded(pid);
  await until("the other file is gone", () => readdirSync(outputDir).length === 0);
  assert.equal(await process("clear"), "Forgot 0 ended commands.");
  assert.match(await refused("log"), /^log needs a sessionId\. There is none\.$/);
});

test("other sessions and other agents neither see a command nor reach it", async (t) => {
  const { background, process, refused, context } = commandTools(t);
  const sessionId = await background(`${sleeper("child")}`);
  const pid = await pidIn(join(context.workspace, "child"));
  for (const other of [inSession(context, "agent:main:other"), inSession(context, "agent:main:main", "second")]) {
    assert.equal(await process("list", {}, other), "No commands in the background.");
    assert.equal(await process("clear", {}, other), "Forgot 0 ended commands.");
    for (const action of ["poll", "log", "write", "send-keys", "submit", "paste", "kill", "remove"])
      assert.match(
        await refused(action, { sessionId, data: "x", keys: ["Enter"] }, other),
        /There is no command .+ in this session\. .+ There is none\.$/,
      );
  }
  assert.equal(isRunning(pid), true);
});

test("what ends by itself is noted once for its session, unless a poll has shown it", async (t) => {
  const tools = commandTools(t);
  const { background, process, context, notes } = tools;
  const other = inSession(context, "agent:main:other");
  const command = "exit 7 #  with\n  more lines";
  const noted = await background(command, {}, other);
  await until("the note", () => notes.length === 1);
  const { caller, text } = notes[0]!;
  assert.equal(caller.sessionKey, "agent:main:other");
  assert.match(text, new RegExp(`^Background command ${noted} \\(exit 7 # with more lines\\) ended with exit code 7 after \\d+ s\\.$`));
  const go = goIn(context);
  const polled = await background(`${WAIT}; wait_for 1`);
  const poll = process("poll", { sessionId: polled, timeout: 30_000 });
  go(1);
  assert.match(await poll, /ended with exit code 0/);
  await settled();
  assert.equal(notes.length, 1);
});

test("output of a command that has ended is kept for half an hour, and of the last 32 of a session", async (t) => {
  const tools = withFakeClock(t);
  const { background, process, refused, clock } = tools;
  const ids: string[] = [];
  for (let count = 0; count < 34; count++) {
    ids.push(await background(`echo number ${count}`));
    await untilListedEnded(tools, ids[count]!);
  }
  assert.equal((await process("list")).split("\n").length, 32);
  for (const sessionId of ids.slice(0, 2)) assert.match(await refused("log", { sessionId }), /There is no command/);
  assert.equal(await process("log", { sessionId: ids[2] }), "number 2\n");
  clock.advance(1_799_999);
  assert.equal(await process("log", { sessionId: ids[33] }), "number 33\n");
  clock.advance(1);
  assert.match(await refused("log", { sessionId: ids[33] }), /Ended ones are forgotten after 30 minutes/);
  assert.equal(await process("list"), "No commands in the background.");
});

test("the end of a session ends its commands without a note, and no others", async (t) => {
  const { background, process, executor, context, notes, outputDir } = commandTools(t);
  const other = inSession(context, "agent:main:other");
  const kept = await background(sleeper("kept"), {}, other);
  await background(`seq 100000; ${sleeper("ended")}`);
  const [keptPid, endedPid] = [await pidIn(join(context.workspace, "kept")), await pidIn(join(context.workspace, "ended"))];
  executor.endSession(asId("agent:main:main"));
  await untilEnded(endedPid);
  await until("its file is gone", () => readdirSync(outputDir).length === 0);
  assert.equal(await process("list"), "No commands in the background.");
  assert.match(await process("list", {}, other), new RegExp(`^${kept}: running`));
  assert.equal(isRunning(keptPid), true);
  assert.deepEqual(notes, []);
});

test("a stop of the gateway ends the commands in the background, without a note", async (t) => {
  const { background, executor, context, notes } = commandTools(t);
  await background(`trap '' TERM; timeout 300 ${sleeper("grouped")} & ${sleeper("child")}`);
  const pids = [await pidIn(join(context.workspace, "grouped")), await pidIn(join(context.workspace, "child"))];
  await executor.stop();
  for (const pid of pids) await untilEnded(pid);
  assert.deepEqual(notes, []);
});
