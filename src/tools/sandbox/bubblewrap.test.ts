// Group: wire
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { toolContext } from "../../../test/fakes/tool-context.ts";
import { aRequest, findSkipReason, runScript, TEST_DIRECTORY } from "../../../test/sandbox/sandboxed-command.ts";
import { until } from "../../../test/until.ts";
import { TOOL_LIMITS } from "../limits.ts";

const skip = await findSkipReason();

const readIfThere = (path: string): string | null => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
};

/** Processes whose environment has this text. */
const processesWith = (text: string): string[] =>
  readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && readIfThere(`/proc/${pid}/environ`)?.includes(text));

test("a command gets the environment, the directory and the arguments of the request, and no other descriptors", { skip }, async (t) => {
  const { workspace } = toolContext(t);
  const cwd = join(workspace, "in it");
  mkdirSync(cwd);
  const env = { PATH: "/usr/bin:/bin", TEXT: "a 'b' \"c\" $d\n--bind", EMPTY: "", LD_BIND_NOW: "1" };
  const { output, exitCode } = await runScript("env -0 | sort -z | tr '\\0' '|'; pwd; umask; id -un", aRequest(workspace, { env, cwd }));
  const variables = Object.entries({ ...env, PWD: cwd }).map(([name, value]) => `${name}=${value}|`);
  assert.deepEqual([output, exitCode], [`${variables.toSorted().join("")}${cwd}\n0077\nagent\n`, 0]);
  const descriptors = await runScript("for each in /proc/self/fd/*; do readlink $each; done", aRequest(workspace));
  const others = descriptors.output.split("\n").filter((line) => !/^(socket:.*|\/dev\/null|\/proc\/\d+\/fd|)$/.test(line));
  assert.deepEqual(others, []);
});

test("files of a command belong to the user who runs the gateway, and are read with the same path", { skip }, async (t) => {
  const { workspace } = toolContext(t);
  const { output } = await runScript(`mkdir a && echo x > a/b && cat "${workspace}/a/b" && stat -c %u a/b`, aRequest(workspace));
  assert.equal(output, "x\n1000\n");
  const stats = statSync(join(workspace, "a/b"));
  assert.deepEqual([stats.uid, stats.gid, stats.mode & 0o777], [process.getuid!(), process.getgid!(), 0o600]);
});

test("exit codes and the end by a signal reach the caller, and a program that does not exist is named", { skip }, async (t) => {
  const { workspace } = toolContext(t);
  const request = aRequest(workspace);
  assert.equal((await runScript("exit 7", request)).exitCode, 7);
  assert.equal((await runScript("kill -KILL $$", request)).exitCode, 137);
  const { output, exitCode } = await runScript("exec no-such-program", request);
  assert.deepEqual([exitCode, /no-such-program: not found/.test(output)], [127, true]);
});

test("a directory and a file that are named may be read, also when the way to them may not be entered", { skip }, async (t) => {
  const { workspace } = toolContext(t);
  const { workspace: other } = toolContext(t);
  const closed = join(other, "closed");
  const skills = join(closed, "skills");
  mkdirSync(skills, { recursive: true, mode: 0o700 });
  for (const file of ["skills/SKILL.md", "one", "two"]) writeFileSync(join(closed, file), file, { mode: 0o600 });
  const request = aRequest(workspace, { readable: [skills, join(closed, "one")] });
  const { output } = await runScript(`cd ${closed} && cat skills/SKILL.md one; ls`, request);
  assert.equal(output, "skills/SKILL.mdoneone\nskills\n");
});

test("a workspace in the home directory is kept when the rest of that is empty", { skip }, async (t) => {
  const home = mkdtempSync(join(TEST_DIRECTORY, "openclaw-home-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const workspace = join(home, ".openclaw/workspace");
  mkdirSync(workspace, { recursive: true });
  writeFileSync(join(home, ".profile"), "");
  const env = { PATH: "/usr/bin:/bin", HOME: home };
  const { output } = await runScript(
    "ls -A ~ ~/.openclaw; echo x > ~/new && echo y > new; df --output=size -B1 ~ | tail -1",
    aRequest(workspace, { env }),
  );
  assert.equal(output, `${home}:\n.openclaw\n\n${home}/.openclaw:\nworkspace\n${TOOL_LIMITS.sandboxHomeBytes}\n`);
  assert.deepEqual([readdirSync(home).toSorted(), readdirSync(workspace)], [[".openclaw", ".profile"], ["new"]]);
});

test("with the network, a command reaches what listens on this machine; without, its own loopback works", { skip }, async (t) => {
  const { workspace } = toolContext(t);
  const server = createServer((socket) => socket.end("hello\n")).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await until("the server", () => server.listening);
  const { port } = server.address() as AddressInfo;
  const read = `perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); connect(S, pack_sockaddr_in(${port}, inet_aton("localhost"))) or die "$!"; print <S>'`;
  assert.equal((await runScript(read, aRequest(workspace, { network: true }))).output, "hello\n");
  assert.match((await runScript(read, aRequest(workspace))).output, /^Connection refused/);
  const own = `perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); listen(S, 1) or die; socket(C, PF_INET, SOCK_STREAM, 0);
    connect(C, pack_sockaddr_in((unpack_sockaddr_in(getsockname(S)))[0], inet_aton("localhost"))) and print "connected"'`;
  assert.equal((await runScript(own, aRequest(workspace))).output, "connected");
});

test("the limits are those of TOOL_LIMITS", { skip }, async (t) => {
  const { workspace } = toolContext(t);
  const { output } = await runScript("cat /proc/self/limits; cat /proc/self/oom_score_adj", aRequest(workspace));
  const limit = (name: string): number => Number(new RegExp(`^${name}\\s+\\d+\\s+(\\d+)`, "m").exec(output)?.[1]);
  assert.equal(limit("Max processes"), TOOL_LIMITS.sandboxProcesses);
  assert.equal(limit("Max file size"), TOOL_LIMITS.sandboxFileBytes);
  assert.equal(limit("Max data size"), TOOL_LIMITS.sandboxProcessBytes);
  assert.match(output, /\n1000\n$/);
  const full = await runScript("cat /dev/zero > /dev/shm/full; stat -c %s /dev/shm/full", aRequest(workspace));
  assert.match(full.output, new RegExp(`No space left on device\n${TOOL_LIMITS.sandboxSharedBytes}\n$`));
});

/** Starts two processes in sessions of their own and waits. */
const LONG = `setsid sleep 300 & setsid sh -c 'trap "" TERM HUP; sleep 300' & echo began > began; wait`;

test("a stopped command leaves no process", { skip }, async (t) => {
  const { workspace } = toolContext(t);
  const controller = new AbortController();
  const call = runScript(LONG, aRequest(workspace, { env: { PATH: "/usr/bin:/bin", OPENCLAW_RUNNER: workspace } }), controller.signal);
  await until("the command", () => readIfThere(join(workspace, "began")));
  assert.ok(processesWith(`OPENCLAW_RUNNER=${workspace}`).length >= 3);
  controller.abort();
  assert.equal((await call).reason, "stopped");
  await until("the end of all processes", () => processesWith(`OPENCLAW_RUNNER=${workspace}`).length === 0);
});

const GATEWAY = `
import { aRequest, runScript } from ${JSON.stringify(join(import.meta.dirname, "../../../test/sandbox/sandboxed-command.ts"))};
const [workspace, script] = process.argv.slice(1);
await runScript(script, aRequest(workspace, { env: { PATH: "/usr/bin:/bin", OPENCLAW_RUNNER: workspace } }));
`;

test("when the gateway is killed, no process of a sandboxed command is left", { skip }, async (t) => {
  const { workspace } = toolContext(t);
  const args = ["--input-type=module", "-e", GATEWAY, workspace, LONG];
  const gateway = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
  t.after(() => gateway.kill("SIGKILL"));
  await until("the command", () => readIfThere(join(workspace, "began")));
  assert.ok(processesWith(`OPENCLAW_RUNNER=${workspace}`).length >= 3);
  gateway.kill("SIGKILL");
  await until("the end of all processes", () => processesWith(`OPENCLAW_RUNNER=${workspace}`).length === 0);
});

test("a directory that was replaced by a link leads nowhere", { skip }, async (t) => {
  const { workspace } = toolContext(t);
  symlinkSync("/root", join(workspace, "link"));
  const { exitCode, output } = await runScript("pwd", aRequest(workspace, { cwd: join(workspace, "link") }));
  assert.notEqual(exitCode, 0);
  assert.match(output, /bwrap: Can't chdir/);
});
