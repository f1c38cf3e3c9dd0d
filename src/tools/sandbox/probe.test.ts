import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { toolContext } from "../../../test/fakes/tool-context.ts";
import { findSkipReason } from "../../../test/sandbox/sandboxed-command.ts";
import { until } from "../../../test/until.ts";
import { silentLog } from "../../core/log.ts";
import { TOOL_LIMITS } from "../limits.ts";
import { createSandboxProbe, probeSandbox } from "./probe.ts";
import { startedAtIn, TRIAL_PROGRAM, type TrialTargets } from "./trial.ts";

const skip = await findSkipReason();
const isRoot = process.getuid?.() === 0;

async function listen(t: TestContext, where: { host: string; port: number } | { path: string }): Promise<AddressInfo> {
  const server = createServer((socket) => socket.destroy()).listen(where);
  t.after(() => server.close());
  await once(server, "listening");
  return server.address() as AddressInfo;
}

test("without a sandbox, the trial finds every way out", { skip: process.platform !== "linux" && "the trial needs Linux" }, async (t) => {
  const { workspace: base } = toolContext(t);
  const [workspace, outside] = [join(base, "workspace"), join(base, "outside")];
  for (const each of [workspace, outside]) mkdirSync(each);
  writeFileSync(join(outside, "secret"), "");
  const abstractSocket = `\0openclaw-${base}`;
  const { port } = await listen(t, { host: "127.0.0.1", port: 0 });
  await listen(t, { path: join(outside, "socket") });
  await listen(t, { path: abstractSocket });
  const names = ["ipc", "mnt", "net", "pid", "user", "uts"];
  const targets: TrialTargets = {
    outside,
    pid: process.pid,
    startedAt: startedAtIn(readFileSync("/proc/self/stat", "latin1")),
    namespaces: Object.fromEntries(names.map((name) => [name, readlinkSync(`/proc/self/ns/${name}`)])),
    port,
    abstractSocket,
    processes: TOOL_LIMITS.sandboxProcesses,
  };
  const child = spawn(process.execPath, ["-e", TRIAL_PROGRAM, JSON.stringify(targets)], {
    cwd: workspace,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const output = (await child.stdout.toArray()).join("");
  const found = JSON.parse(output) as string[];
  const expected = [
    "writes a file outside of the workspace",
    "reads a file outside of the workspace",
    ...names.map((name) => `shares the namespace ${name}`),
    "sees the processes of the host",
    "can get the rights of other users",
    "has no filter of system calls",
    "has no limit of processes",
    "reaches 127.0.0.1 of the host",
    "reaches a Unix socket outside of the workspace",
    "reaches an abstract Unix socket",
    ...(isRoot ? ["may write to /", "can change device files of the host", "can change settings of the kernel", "has capabilities"] : []),
  ];
  assert.deepEqual(
    expected.filter((each) => !found.includes(each)),
    [],
  );
});

test("the probe names the sandbox and its user, and leaves nothing behind", { skip }, async (t) => {
  const { workspace: directory } = toolContext(t);
  const { sandbox } = await probeSandbox({ hidden: [], directory, log: silentLog });
  assert.match(
    sandbox?.name ?? "",
    isRoot ? /^bubblewrap [\d.]+, as user 1900000000 instead of root$/ : /^bubblewrap [\d.]+, as user \d+$/,
  );
  assert.ok((sandbox?.guarantees.length ?? 0) >= 8);
  assert.deepEqual(readdirSync(directory), []);
  const children = `/proc/self/task/${process.pid}/children`;
  await until("no process of the trial is left", () => readFileSync(children, "latin1") === "");
});

test("without a trial there is no sandbox, and the probe says why and what to do", { skip }, async (t) => {
  const { workspace } = toolContext(t);
  const probe = await probeSandbox({ hidden: [], directory: join(workspace, "missing"), log: silentLog });
  assert.equal(probe.sandbox, null);
  assert.match(probe.reason, /ENOENT.*missing/);
  assert.notEqual(probe.fix, "");
});

test("a workspace that no command may see makes the trial fail", { skip }, async (t) => {
  const { workspace: directory } = toolContext(t);
  const probe = await probeSandbox({ hidden: [directory, process.execPath], directory, log: silentLog });
  assert.equal(probe.sandbox, null);
  assert.match(probe.reason, /which no command may reach/);
});

test("a sandbox is kept; a failed trial is repeated, but not at once", { skip }, async (t) => {
  const { workspace } = toolContext(t);
  const directory = join(workspace, "later");
  const clock = new FakeClock();
  const probe = createSandboxProbe({ hidden: [], directory, log: silentLog, clock });
  const first = probe();
  assert.equal((await first).sandbox, null);
  mkdirSync(directory);
  clock.advance(TOOL_LIMITS.sandboxRetryMs - 1);
  assert.equal((await probe()).sandbox, null);
  clock.advance(1);
  const { sandbox } = await probe();
  assert.notEqual(sandbox, null);
  clock.advance(TOOL_LIMITS.sandboxRetryMs);
  assert.equal((await probe()).sandbox, sandbox);
});
