import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { commandTools, isRunning, pidIn, sleeper, testEnv, untilEnded } from "../../../test/fakes/command-tools.ts";
import { textOf, toolContext } from "../../../test/fakes/tool-context.ts";
import { until } from "../../../test/until.ts";

const version = spawnSync("script", ["--version"], { encoding: "utf8" }).stdout ?? "";
const skip = version.includes("util-linux") ? false : "script of util-linux is missing";

test("a command with pty has a terminal of 120 columns and 40 lines for input and output", { skip }, async (t) => {
  const { exec } = commandTools(t);
  const check = "test -t 0 && test -t 1 && test -t 2 && stty size && tput cols && echo $TERM";
  assert.equal(textOf(await exec({ command: check, pty: true })), "40 120\n120\nxterm-256color\n");
  assert.equal(textOf(await exec({ command: "test -t 1 || echo none" })), "none\n");
});

test("escape sequences are removed, and the exit code is that of the command", { skip }, async (t) => {
  const { exec } = commandTools(t);
  const result = await exec({ command: "printf '\\033[1;31mred\\033[0m\\n'; exit 7", pty: true });
  assert.deepEqual([result.isError, textOf(result)], [false, "red\n\n\nExit code 7."]);
  assert.match(textOf(await exec({ command: "kill -TERM $$", pty: true })), /Exit code 143\.$/);
});

test("the environment and the arguments of a command are the same with a terminal", { skip }, async (t) => {
  for (const env of [testEnv, { ...testEnv, SHELL: "/usr/bin/it's a shell", TERM: "vt100" }]) {
    const { exec } = commandTools(t, { env });
    const command = 'env | sort | grep -v ^_=; echo "it\'s" \'"quoted"\' \\$HOME; umask; echo /proc/$$/fd/*';
    const [plain, inTerminal] = [await exec({ command }), await exec({ command, pty: true })].map((result) =>
      textOf(result)
        .replaceAll(/\/proc\/\d+/g, "")
        .split("\n")
        .toSorted(),
    );
    const added = "TERM" in env ? [] : ["TERM=xterm-256color"];
    assert.deepEqual(inTerminal, [...plain!, ...added].toSorted());
  }
});

test("process types into the terminal: lines, keys and C-c, and sees what the command answers", { skip }, async (t) => {
  const { background, process } = commandTools(t);
  const command = "read -p 'name? ' name; trap 'echo interrupted; exit 3' INT; echo hello $name; while :; do sleep 0.1; done";
  const sessionId = await background(command, { pty: true });
  const shows = (text: string): Promise<unknown> => until(text, async () => (await process("log", { sessionId })).includes(text));
  await shows("name?");
  await process("write", { sessionId, data: "Ad" });
  await process("submit", { sessionId, data: "a" });
  await shows("hello Ada");
  await process("send-keys", { sessionId, keys: ["C-c"] });
  await shows("interrupted");
  await until("the end", async () => (await process("poll", { sessionId, timeout: 1_000 })).includes("ended with exit code 3 after"));
});

test("the end of the input of a terminal is C-d", { skip }, async (t) => {
  const { background, process } = commandTools(t);
  const sessionId = await background("cat; echo over", { pty: true });
  await process("submit", { sessionId, data: "line" });
  await process("write", { sessionId, eof: true });
  await until("the end", async () => (await process("poll", { sessionId, timeout: 1_000 })).includes("exit code 0"));
  assert.equal(await process("log", { sessionId }), "line\nline\nover\n");
});

test("text is pasted as such where the program has asked for that, otherwise typed", { skip }, async (t) => {
  const { background, process, context } = commandTools(t);
  for (const [file, first] of [
    ["plain", ":"],
    ["bracketed", "printf '\\033[?2004h'"],
    ["ended", "printf '\\033[?2004h\\033[?2004l'"],
  ] as const) {
    const id = await background(`stty raw -echo; ${first}; echo ready; head -c 12 | od -c > ${file}`, { pty: true });
    await until("the program", async () => (await process("log", { sessionId: id })).includes("ready"));
    await process("paste", { sessionId: id, text: "one\ntwo\r\nthree" });
    await until("its end", async () => (await process("poll", { sessionId: id, timeout: 100 })).includes("exit code 0"));
    const bytes = readFileSync(join(context.workspace, file), "utf8");
    if (file === "bracketed") assert.match(bytes, /033\s+\[\s+2\s+0\s+0\s+~\s+o\s+n\s+e\s+\\r/);
    else assert.match(bytes, /0000000\s+o\s+n\s+e\s+\\r\s+t\s+w\s+o\s+\\r\s+t\s+h\s+r\s+e/);
  }
});

test("a kill ends every process of a terminal, also those in groups of their own that ignore the hangup", { skip }, async (t) => {
  const { background, process, context } = commandTools(t);
  const file = (name: string): string => join(context.workspace, name);
  const id = await background(`trap '' HUP TERM INT; set -m; ${sleeper("one")} & timeout 300 ${sleeper("two")} & ${sleeper("three")}`, {
    pty: true,
  });
  const pids = [await pidIn(file("one")), await pidIn(file("two")), await pidIn(file("three"))];
  assert.match(await process("kill", { sessionId: id }), /was stopped after \d+ s\.$/);
  for (const pid of pids) await untilEnded(pid);
});

test("an abort ends a command in a terminal", { skip }, async (t) => {
  const { exec, context } = commandTools(t);
  const call = exec({ command: `trap '' HUP; ${sleeper("child")}`, pty: true });
  const pid = await pidIn(join(context.workspace, "child"));
  assert.equal(isRunning(pid), true);
  context.stop();
  assert.match(textOf(await call), /The command was stopped\.$/);
  await untilEnded(pid);
});

test("without the script of util-linux a terminal is an error that says how to get one", async (t) => {
  const { workspace: directory } = toolContext(t);
  mkdirSync(join(directory, "bin"));
  const other = join(directory, "bin", "script");
  writeFileSync(other, "#!/bin/sh\necho another program of this name\n");
  chmodSync(other, 0o755);
  for (const PATH of [join(directory, "none"), join(directory, "bin")]) {
    const { exec, context } = commandTools(t, { env: { PATH } });
    const result = await exec({ command: "touch made", pty: true }, context);
    assert.deepEqual(
      [result.isError, textOf(result)],
      [
        true,
        "pty needs the program script of util-linux, which is not installed on this machine. Leave pty out, or have it installed (Debian: apt install bsdutils).",
      ],
    );
  }
});
