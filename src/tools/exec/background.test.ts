// Group: wire
import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { advanceUntilDone, commandTools, isRunning, pidIn, sleeper, untilEnded } from "../../../test/fakes/command-tools.ts";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { textOf, toolContext } from "../../../test/fakes/tool-context.ts";
import { settled, until } from "../../../test/until.ts";
import { openGate } from "../../../test/fakes/open-gate.ts";
import { asId, type SessionKey } from "../../core/ids.ts";

const RUNNING =
  /^Still running as ([a-z]+-[a-z]+) \(pid (\d+)\) after (\d+) s\. Output so far:\n([^]*)\n\nUse process poll, log or kill\.$/;

test("a command that runs longer than yieldMs goes on in the background, and the result has the end of its output", async (t) => {
  for (const [yieldMs, seconds] of [
    [undefined, 10],
    [3_000, 3],
  ] as const) {
    const clock = new FakeClock();
    const { exec, process, context } = commandTools(t, { clock });
    const call = exec({ command: `seq 5000; ${sleeper("child")}`, ...(yieldMs && { yieldMs }) });
    const pid = await pidIn(join(context.workspace, "child"));
    await until("the output", () => context.updates.length > 0);
    clock.advance(seconds * 1_000 - 1);
    await settled();
    clock.advance(1);
    const result = await call;
    const [, id, shell, after, tail] = RUNNING.exec(textOf(result)) ?? [];
    assert.deepEqual([result.isError, after], [false, String(seconds)]);
    const [shown, cut] = tail!.split("\n\n");
    assert.ok(shown!.length <= 8_000 && shown!.endsWith("\n5000"));
    assert.match(cut!, /^\[Lines \d+ to 5000 of 5000 \(23\.3 KB\)\.\]$/);
    assert.deepEqual([isRunning(pid), isRunning(Number(shell))], [true, true]);
    // What the result has shown is not new.
    assert.match(await process("poll", { sessionId: id! }), /^\(no new output\)\n\n\S+ is still running after/);
    await process("remove", { sessionId: id! });
    await untilEnded(pid);
  }
});

test("an abort of the turn does not end a command that has gone to the background, and shows nothing more of it", async (t) => {
  const clock = new FakeClock();
  const { exec, process, context } = commandTools(t, { clock });
  const call = exec({ command: `${sleeper("child")} & until [ -e go ]; do sleep 0.01; done; echo later; wait` });
  const pid = await pidIn(join(context.workspace, "child"));
  clock.advance(10_000);
  const [, id] = RUNNING.exec(textOf(await call)) ?? [];
  const shown = context.updates.length;
  context.stop();
  writeFileSync(join(context.workspace, "go"), "");
  const later = { ...context, signal: new AbortController().signal };
  await until("its output", async () => (await process("log", { sessionId: id! }, later)).includes("later"));
  clock.advance(1_000);
  assert.deepEqual([isRunning(pid), context.updates.length], [true, shown]);
  assert.match(await process("kill", { sessionId: id! }, later), /was stopped/);
  await untilEnded(pid);
});

test("background returns at once, and the command has an input that is open", async (t) => {
  const { exec, process } = commandTools(t);
  const result = await exec({ command: "read line; echo got $line", background: true, yieldMs: 5_000 });
  const text = /^Running in the background as (\S+) \(pid \d+\)\. Use process poll, log, write or kill\.$/;
  const [, id] = text.exec(textOf(result)) ?? [];
  assert.equal(result.isError, false);
  await process("submit", { sessionId: id!, data: "it" });
  await until("the answer", async () => (await process("log", { sessionId: id! })).includes("got it"));
});

test("a command in the background that cannot be started is an error", async (t) => {
  const gate = {
    allow: (request: Parameters<typeof openGate.allow>[0]) => Promise.resolve({ ...request, argv: ["/none"], host: "gateway" as const }),
  };
  const { exec, process } = commandTools(t, { gate });
  assert.match(textOf(await exec({ command: "true" })), /not found[^]*Exit code 127/);
  const gone = {
    allow: async (request: Parameters<typeof openGate.allow>[0]) => ({
      ...request,
      argv: ["true"],
      cwd: "/none",
      host: "gateway" as const,
    }),
  };
  const other = commandTools(t, { gate: gone });
  const result = await other.exec({ command: "true", background: true });
  assert.deepEqual([result.isError, textOf(result)], [true, "Cannot start the command in /none: it does not exist (ENOENT)."]);
  assert.equal(await process("list"), "No commands in the background.");
});

test("a command in the background is killed at its timeout, which is half an hour where the call has none", async (t) => {
  for (const [args, seconds] of [
    [{}, 1_800],
    [{ timeoutSeconds: 60 }, 60],
  ] as const) {
    const clock = new FakeClock();
    const { background, process, context, notes } = commandTools(t, { clock });
    const id = await background(sleeper("child"), args);
    const pid = await pidIn(join(context.workspace, "child"));
    clock.advance(seconds * 1_000 - 1);
    assert.equal(isRunning(pid), true);
    clock.advance(1);
    await until("the note", () => {
      clock.advance(1);
      return notes.length === 1;
    });
    await untilEnded(pid);
    const text = `was killed after ${seconds} s: it ran longer than its timeout of ${seconds} s.`;
    assert.match(await process("poll", { sessionId: id }), new RegExp(`${text}$`));
    assert.ok(notes[0]!.text.endsWith(text), notes[0]!.text);
  }
});

test("a session has at most 16 commands in the background, and above that a command is waited for", async (t) => {
  const clock = new FakeClock();
  const { exec, background, process, context } = commandTools(t, { clock });
  const ids: string[] = [];
  for (let count = 0; count < 16; count++) ids.push(await background("sleep 300"));
  assert.equal(new Set(ids).size, 16);
  const refused = await exec({ command: "touch made", background: true });
  assert.match(textOf(refused), /^16 commands of this session run in the background, which is the limit\. .+ Nothing was run\.$/);
  const call = exec({ command: "until [ -e go ]; do sleep 0.01; done; echo done" });
  await until("the command", () => clock.pending().includes(10_000));
  clock.advance(20_000);
  await settled();
  writeFileSync(join(context.workspace, "go"), "");
  assert.equal(textOf(await advanceUntilDone(clock, call)), "done\n");
  assert.ok(!readdirSync(context.workspace).includes("made"));
  const other = toolContext(t);
  const elsewhere = { ...other, caller: { ...other.caller, sessionKey: asId<SessionKey>("agent:main:other") } };
  await background("sleep 300", {}, elsewhere);
  await process("kill", { sessionId: ids[0]! });
  await background("sleep 300");
});

test("all sessions together have at most 64 commands in the background", async (t) => {
  const { exec, background, context } = commandTools(t);
  const inSession = (name: string) => ({ ...context, caller: { ...context.caller, sessionKey: asId<SessionKey>(`agent:main:${name}`) } });
  for (let count = 0; count < 64; count++) await background("exec sleep 300", {}, inSession(`s${count % 4}`));
  const refused = await exec({ command: "touch made", background: true }, inSession("s4"));
  assert.match(textOf(refused), /^All agents together have 64 commands in the background, which is the limit\. .+ Nothing was run\.$/);
});

test("a command that was started while others reached the limit is stopped", async (t) => {
  const decided = Promise.withResolvers<void>();
  let asked = 0;
  const gate: typeof openGate = {
    async allow(request, permit, signal) {
      asked += 1;
      if (request.command.includes("last")) await decided.promise;
      return openGate.allow(request, permit, signal);
    },
  };
  const { exec, background } = commandTools(t, { gate });
  const last = exec({ command: "echo last; exec sleep 300", background: true });
  await until("the question", () => asked === 1);
  for (let count = 0; count < 16; count++) await background("exec sleep 300");
  decided.resolve();
  const result = await last;
  assert.deepEqual([result.isError, /which is the limit\. .+ The command was stopped\.$/.test(textOf(result))], [true, true]);
});
