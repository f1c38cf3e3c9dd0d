import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { advanceUntilDone, commandTools, isRunning, pidIn, sleeper, testEnv, untilEnded } from "../../../test/fakes/command-tools.ts";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { textOf, toolContext } from "../../../test/fakes/tool-context.ts";
import { until } from "../../../test/until.ts";
import { toCommandEnv } from "../../core/command-env.ts";
import type { CommandGate, CommandRequest } from "../command-gate.ts";
import { TOOL_NAMES } from "../tool.ts";

test("the result has what the command wrote to both streams, and its exit code when that is not 0", async (t) => {
  const { exec } = commandTools(t);
  assert.deepEqual(await exec({ command: "echo out; echo err >&2" }), { content: [{ type: "text", text: "out\nerr\n" }], isError: false });
  assert.equal(textOf(await exec({ command: "true" })), "(no output)");
  assert.deepEqual(await exec({ command: "echo before; exit 3" }), {
    content: [{ type: "text", text: "before\n\n\nExit code 3." }],
    isError: false,
  });
  assert.match(textOf(await exec({ command: "kill -TERM $$" })), /Exit code 143\.$/);
  assert.match(textOf(await exec({ command: "if" })), /syntax error/);
});

test("the result of a command that failed says how it was isolated", async (t) => {
  const gate: CommandGate = {
    allow: async ({ command, cwd, env }) => ({
      argv: ["/bin/sh", "-c", command],
      cwd,
      env,
      host: "sandbox",
      isolation: "It ran in the sandbox.",
    }),
  };
  const { exec } = commandTools(t, { gate });
  assert.equal(textOf(await exec({ command: "exit 3" })), "(no output)\n\nExit code 3. It ran in the sandbox.");
  assert.equal(textOf(await exec({ command: "echo fine" })), "fine\n");
});

test("a command gets the given environment and the marks of the gateway, the workspace, no input and no further descriptors", async (t) => {
  const { exec, context, marker } = commandTools(t);
  const names = textOf(await exec({ command: "env | cut -d= -f1 | sort | tr '\\n' ' '" }));
  assert.deepEqual(names.trim().split(" "), ["GIVEN", "OPENCLAW_RUNNER", "OPENCLAW_SHELL", "PATH", "PWD", "SHLVL", "_"]);
  assert.equal(
    textOf(await exec({ command: 'echo "$GIVEN $OPENCLAW_RUNNER $OPENCLAW_SHELL $PWD $(cat)"; cat; umask' })),
    `yes ${marker} exec ${context.workspace} \n0077\n`,
  );
  const descriptors = "echo /proc/$$/fd/*";
  const plain = spawnSync("/bin/bash", ["-c", descriptors], { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" }).stdout;
  const outputs = [textOf(await exec({ command: descriptors })), plain];
  const [actual, expected] = outputs.map((text) => text.replaceAll(/\/proc\/\d+/g, ""));
  assert.equal(actual, expected);
});

test("a secret in the environment of the gateway reaches no process of a command", async (t) => {
  const gateway = {
    ...process.env,
    OPENAI_API_KEY: "canary-1",
    OPENCLAW_GATEWAY_TOKEN: "canary-2",
    DATABASE_URL: "canary-3",
    HOME: "/home/x",
  };
  const { exec } = commandTools(t, { env: toCommandEnv(gateway, "/tmp") });
  const command = "env; cat /proc/self/environ /proc/$$/environ | tr '\\0' '\\n'; sh -c 'sleep 0; cat /proc/$$/environ'";
  for (const args of [{ command }, { command, pty: true }]) {
    const text = textOf(await exec(args));
    assert.match(text, /HOME=\/home\/x/);
    assert.doesNotMatch(text, /canary/);
  }
});

test("a shell runs none of its files of the user, whatever its input is", async (t) => {
  const { workspace: home } = toolContext(t);
  for (const name of [".bashrc", ".bash_profile", ".profile"]) writeFileSync(join(home, name), `echo from ${name}\n`);
  const { exec, background, process } = commandTools(t, { env: { ...testEnv, HOME: home } });
  assert.equal(textOf(await exec({ command: "echo ran" })), "ran\n");
  const sessionId = await background("echo ran; exec sleep 300");
  await until("the output", async () => (await process("log", { sessionId })).includes("ran"));
  assert.equal(await process("log", { sessionId }), "ran\n");
});

test("a command is the leader of its process group and has no other process in it", async (t) => {
  const { exec } = commandTools(t);
  const list = 'echo "$$ $(cut -d" " -f5 /proc/$$/stat)"; cat /proc/[0-9]*/stat 2>/dev/null | cut -d" " -f1,5; true';
  const [first, ...rows] = textOf(await exec({ command: list }))
    .trim()
    .split("\n");
  const [pid, group] = first!.split(" ");
  assert.equal(group, pid);
  const members = rows.map((row) => row.split(" ")).filter(([, of]) => of === group);
  // The shell, and cat and cut of this very list.
  assert.ok(members.length <= 3, `members of the group: ${members.join(" ")}`);
});

test("what the gate returns is what is started", async (t) => {
  const asked: CommandRequest[] = [];
  const gate: CommandGate = {
    allow: async (request, permit) => {
      asked.push(request);
      const env = { PATH: testEnv.PATH, ANSWER: "of the gate" };
      return { argv: ["/bin/sh", "-c", 'echo "$ANSWER" "$(pwd)" "$@"', "sh", request.callId], cwd: "/", env, host: "sandbox", ...permit };
    },
  };
  const { exec, context, marker } = commandTools(t, { gate });
  for (const pty of [false, true])
    assert.equal(textOf(await exec({ command: "echo other", host: "sandbox", env: { MINE: "1" }, pty })), "of the gate / call\n");
  const { env, ...rest } = asked[0]!;
  const expected = {
    command: "echo other",
    cwd: context.workspace,
    host: "sandbox",
    callId: "call",
    ownVariables: ["MINE"],
    input: "none",
  };
  assert.deepEqual(rest, expected);
  assert.deepEqual(env, { ...testEnv, MINE: "1", OPENCLAW_RUNNER: marker, OPENCLAW_SHELL: "exec" });
  assert.equal(asked[1]!.env["TERM"], "xterm-256color");
});

test("what the gate refuses does not run, and its reason is the result", async (t) => {
  const { exec, context } = commandTools(t, { gate: { allow: () => Promise.reject(new Error("Refused: a person said no.")) } });
  for (const args of [{}, { background: true }, { pty: true }]) {
    const result = await exec({ command: "touch made", ...args });
    assert.deepEqual([result.isError, textOf(result)], [true, "Refused: a person said no."]);
  }
  assert.deepEqual(readdirSync(context.workspace), []);
});

test("a call that was stopped before it began, or while the gate decides, runs nothing", async (t) => {
  const decided = Promise.withResolvers<void>();
  const gate: CommandGate = {
    allow: async ({ cwd, env }) => {
      await decided.promise;
      return { argv: ["touch", "made"], cwd, env, host: "gateway" };
    },
  };
  const { exec, context } = commandTools(t, { gate });
  const call = exec({ command: "touch made" });
  context.stop();
  decided.resolve();
  assert.match(textOf(await call), /stopped/);
  assert.match(textOf(await exec({ command: "touch made" })), /stopped/);
  assert.deepEqual(readdirSync(context.workspace), []);
});

test("the sandbox of a gateway without one is refused", async (t) => {
  const { exec } = commandTools(t);
  assert.match(textOf(await exec({ command: "true", host: "sandbox" })), /There is no sandbox on this gateway; nothing was run/);
  assert.equal(textOf(await exec({ command: "echo ran", host: "auto" })), "ran\n");
  assert.match(textOf(await exec({ command: "true", host: "mars" })), /host must be one of sandbox, gateway, node, not the text "mars"/);
});

test("a command for a node goes to that node, and nothing of it runs here", async (t) => {
  const { exec, context } = commandTools(t);
  assert.match(textOf(await exec({ command: "touch made", host: "node" })), /host "node" needs node/);
  assert.match(textOf(await exec({ command: "touch made", node: "mac" })), /^Not done: there are no nodes/);
  assert.match(textOf(await exec({ command: "touch made", node: "mac", background: true })), /background and pty are not there on nodes/);
  assert.deepEqual(readdirSync(context.workspace), []);
});

test("parameters by which models know other tools are taken, and those that ask for other rights are refused", async (t) => {
  const { exec, context } = commandTools(t);
  assert.equal(textOf(await exec({ cmd: "pwd", cwd: ".", timeout: 5, title: "Where am I" })), `${context.workspace}\n`);
  for (const [name, value] of Object.entries({ elevated: true, ask: "off", security: "full" })) {
    const result = await exec({ command: "touch made", [name]: value });
    assert.equal(result.isError, true);
    assert.match(textOf(result), new RegExp(`^exec has no parameter ${name} here: .+\\. Nothing was run\\. Leave it out\\.$`));
  }
  assert.equal(textOf(await exec({ command: "echo ran", elevated: false, ask: null })), "ran\n");
  assert.match(textOf(await exec({ command: " " })), /the command is empty/);
  assert.deepEqual(readdirSync(context.workspace), []);
});

test("the result of a stopped command has its output, and no process of it is left", async (t) => {
  const { exec, context } = commandTools(t);
  const [child, other, grouped] = ["child", "other", "grouped"].map((name) => join(context.workspace, name));
  // timeout(1) makes a process group of its own.
  const call = exec({
    command: `trap '' TERM INT HUP; echo began; ${sleeper("child")} & timeout 300 ${sleeper("grouped")} & ${sleeper("other")}`,
  });
  const pids = [await pidIn(child!), await pidIn(other!), await pidIn(grouped!)];
  context.stop();
  const result = await call;
  assert.deepEqual([result.isError, textOf(result)], [true, "began\n\n\nThe command was stopped."]);
  for (const pid of pids) await untilEnded(pid);
});

test("a command that is stopped while it writes without a pause ends as well", async (t) => {
  const { exec, context } = commandTools(t);
  const call = exec({ command: `${sleeper("child")} & yes 'a long line of output that never ends'` });
  const pid = await pidIn(join(context.workspace, "child"));
  await until("output", () => context.updates.length > 2);
  context.stop();
  assert.match(textOf(await call), /The command was stopped\.$/);
  await untilEnded(pid);
});

test("a command that runs longer than its timeout is killed with its children", async (t) => {
  const clock = new FakeClock();
  const { exec, context } = commandTools(t, { clock });
  const call = exec({ command: `echo began; ${sleeper("child")}; echo never`, timeoutSeconds: 5 });
  const pid = await pidIn(join(context.workspace, "child"));
  clock.advance(4_999);
  assert.equal(isRunning(pid), true);
  clock.advance(1);
  const result = await advanceUntilDone(clock, call);
  assert.deepEqual([result.isError, textOf(result)], [true, "began\n\n\nThe command was killed: it ran longer than 5 seconds."]);
  await untilEnded(pid);
});

test("an impossible timeout or wait is refused before anything runs", async (t) => {
  const { exec, context } = commandTools(t);
  for (const timeoutSeconds of [0, -1, 3_000_000])
    assert.match(textOf(await exec({ command: "touch made", timeoutSeconds })), /timeoutSeconds must be more than 0 and at most 2147483/);
  for (const yieldMs of [0, 120_001])
    assert.match(textOf(await exec({ command: "touch made", yieldMs })), /yieldMs must be at (least|most)/);
  assert.deepEqual(readdirSync(context.workspace), []);
});

test("a process that a command leaves behind does not delay the result, and runs until the gateway stops", async (t) => {
  const clock = new FakeClock();
  const { exec, executor, context } = commandTools(t, { clock });
  const call = exec({ command: `${sleeper("child")} & until [ -e child ]; do :; done; echo began` });
  const pid = await pidIn(join(context.workspace, "child"));
  assert.equal(textOf(await advanceUntilDone(clock, call)), "began\n");
  assert.equal(isRunning(pid), true);
  clock.advance(5_000);
  await executor.stop();
  await untilEnded(pid);
});

test("reading ends 200 ms after the shell although a process that it left behind keeps writing", async (t) => {
  const clock = new FakeClock();
  const { exec } = commandTools(t, { clock });
  const call = exec({ command: "(while :; do echo more; sleep 0.01; done) & echo $! > pid", yieldMs: 120_000 });
  await advanceUntilDone(clock, call);
  assert.ok(clock.monotonic() < 100_000);
});

test("output that is longer than a result is cut at the front; the rest is in a private file and in the log of process", async (t) => {
  const { exec, process, outputDir } = commandTools(t);
  const text = textOf(await exec({ command: "seq 1 30000; exit 4" }));
  const notice =
    /\n\[Lines (\d+) to 30000 of 30000 \(164\.9 KB\)\. The rest is kept for 30 minutes: process log with sessionId (\S+), or the file (.*)\]\n\nExit code 4\.$/;
  const [all, from, id, path] = notice.exec(text) ?? [];
  const output = text.slice(0, -all!.length);
  assert.ok(output.startsWith(`${from}\n`) && output.length <= 32_000 && output.length > 31_000);
  const whole = Array.from({ length: 30_000 }, (_, index) => `${index + 1}\n`).join("");
  assert.equal(readFileSync(path!, "utf8"), whole);
  assert.deepEqual([statSync(path!).mode & 0o777, statSync(outputDir).mode & 0o777], [0o600, 0o700]);
  assert.equal(await process("log", { sessionId: id, offset: 7, limit: 2 }), "7\n8\n\n[Lines 7 to 8 of 30000. Continue with offset=9.]");
  await process("remove", { sessionId: id });
  assert.deepEqual(readdirSync(outputDir), []);
});

test("output within the limits makes no file", async (t) => {
  const { exec, process, context } = commandTools(t);
  assert.equal(textOf(await exec({ command: "seq 1 5000" })).split("\n").length, 5_001);
  // Long only before the escape sequences are removed: the file is removed with the result.
  assert.equal(textOf(await exec({ command: "for i in $(seq 9000); do printf '\\033[0m1'; done" })), "1".repeat(9_000));
  assert.deepEqual(readdirSync(context.workspace), ["output"]);
  assert.deepEqual(readdirSync(join(context.workspace, "output")), []);
  assert.equal(await process("list"), "No commands in the background.");
});

test("the output is shown at once and then every 100 ms, and nothing is shown after the result", async (t) => {
  const clock = new FakeClock();
  const { exec, context } = commandTools(t, { clock });
  const go = join(context.workspace, "go");
  const write = (count: number): void => writeFileSync(`${go}${count}`, "");
  const call = exec({ command: "for i in 1 2 3; do until [ -e go$i ]; do sleep 0.01; done; echo $i; done", yieldMs: 120_000 });
  const { updates } = context;
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

test("updates have at most 8000 characters of the end", async (t) => {
  const { exec, context } = commandTools(t);
  const text = textOf(await exec({ command: "seq 1 200000; echo last" }));
  const updates = context.updates.map((content) => textOf({ content, isError: false }));
  assert.match(text, /\nlast\n\n\[Lines /);
  assert.ok(updates.length > 0 && updates.every((each) => each.length <= 8_000));
});

test("a command that is too long is an error that says so", async (t) => {
  const { exec } = commandTools(t);
  for (const pty of [false, true]) assert.match(textOf(await exec({ command: `#${"x".repeat(200_000)}`, pty })), /too long for the system/);
});

test("the descriptions of exec and process together have at most 2.2 KB", (t) => {
  const described = commandTools(t).executor.describe(TOOL_NAMES.filter((name) => name === "exec" || name === "process"));
  assert.equal(described.length, 2);
  assert.ok(JSON.stringify(described).length <= 2_200, `${JSON.stringify(described).length} characters`);
});
