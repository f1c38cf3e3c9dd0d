// Group: wire
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { TEST_DIRECTORY } from "../../../../test/sandbox/sandboxed-command.ts";
import { findContainerObstacle, testContainers, testSettings } from "../../../../test/sandbox/test-containers.ts";
import { until } from "../../../../test/until.ts";
import { systemClock } from "../../../core/clock.ts";
import { silentLog } from "../../../core/log.ts";
import { runCommand } from "../../command.ts";
import { GroupWatcher } from "../../group-watcher.ts";
import type { Sandbox, SandboxRequest } from "../../sandbox.ts";
import type { Containers } from "./containers.ts";
import { processesOf } from "./processes.ts";
import type { ContainerSettings } from "./settings.ts";

const skip = findContainerObstacle();
const watcher = new GroupWatcher();
const OWNER = { agentId: "main", sessionKey: "agent:main:main" };

type Bench = { directory: string; workspace: string; containers: Containers; sandbox: Sandbox };

function openDirectory(t: TestContext): { directory: string; workspace: string } {
  const directory = realpathSync(mkdtempSync(join(TEST_DIRECTORY, "openclaw-containers-")));
  const workspace = join(directory, "workspace");
  mkdirSync(workspace);
  t.after(async () => {
    const containers = testContainers(directory);
    await containers.remove(() => true);
    await containers.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  return { directory, workspace };
}

async function open(t: TestContext, more: Partial<ContainerSettings> = {}): Promise<Bench> {
  const { directory, workspace } = openDirectory(t);
  const containers = testContainers(directory);
  t.after(() => containers.stop());
  const settings = testSettings(more);
  const probe = await containers.probe(settings);
  if (probe.sandboxFor === null) throw new Error(`${probe.reason}. ${probe.fix}`);
  return { directory, workspace, containers, sandbox: probe.sandboxFor(settings, OWNER) };
}

async function run(
  { sandbox, workspace }: Pick<Bench, "sandbox" | "workspace">,
  script: string,
  { signal = new AbortController().signal, ...more }: Partial<SandboxRequest> & { signal?: AbortSignal } = {},
): Promise<{ exitCode: number | null; reason: string; output: string }> {
  const request: SandboxRequest = {
    argv: ["/bin/bash", "-c", script],
    cwd: workspace,
    workspace,
    workspaceAccess: "rw",
    env: { PATH: "/usr/bin:/bin" },
    readable: [],
    network: false,
    ...more,
  };
  const command = await sandbox.wrap(request);
  let output = "";
  const onOutput = (chunk: Buffer): void => void (output += chunk.toString());
  const end = await runCommand({ ...command, timeoutMs: undefined, signal, watcher, clock: systemClock, log: silentLog, onOutput });
  return { ...end, output };
}

const firstProcess = async ({ containers }: Bench): Promise<number> => (await containers.list())[0]!.pid;

test("a command gets the environment, the directory and the arguments of the request", { skip }, async (t) => {
  const bench = await open(t, { env: { SET: "by the configuration" } });
  const cwd = join(bench.workspace, "in it");
  mkdirSync(cwd);
  const env = { PATH: "/usr/bin:/bin", TEXT: "a 'b' \"c\" $d --bind", EMPTY: "", LINES: "one\ntwo" };
  const { output, exitCode } = await run(bench, "env -0 | sort -z | tr '\\0' '|'; pwd; umask", { env, cwd });
  const entries = output.slice(0, output.lastIndexOf("|")).split("|");
  const shown = entries.filter((each) => each !== "" && !/^(OPENCLAW_SANDBOX_COMMAND|PWD|SHLVL|_|OLDPWD)=/.test(each));
  const wanted = [...Object.entries(env), ["SET", "by the configuration"]].map(([name, value]) => `${name}=${value}`);
  assert.deepEqual([shown, exitCode], [wanted.toSorted(), 0]);
  assert.match(output, /\/in it\n0077\n$/);
});

test("files belong to the user who runs the gateway, and exit codes reach the caller", { skip }, async (t) => {
  const bench = await open(t);
  assert.equal((await run(bench, "mkdir a && echo x > a/b && exit 7")).exitCode, 7);
  const { uid, gid, mode } = statSync(join(bench.workspace, "a/b"));
  assert.deepEqual([uid, gid, mode & 0o777], [process.getuid!(), process.getgid!(), 0o600]);
  assert.equal((await run(bench, "kill -KILL $$")).exitCode, 137);
  const readOnly = await run(bench, "cat a/b; echo y > a/b", { workspaceAccess: "ro" });
  assert.match(readOnly.output, /^x\n.*Read-only file system/);
  assert.equal((await run(bench, "pwd; ls -A", { workspaceAccess: "none" })).output, `${bench.workspace}\n`);
});

test("commands of one agent share a container and its temporary files, and each has its own processes ended", { skip }, async (t) => {
  const bench = await open(t);
  const background = run(bench, "echo shared > /tmp/file; touch began; exec sleep 300", { signal: t.signal });
  await until("the first command", () => existsSync(join(bench.workspace, "began")));
  const { output } = await run(bench, "cat /tmp/file; setsid sleep 299 & echo started");
  assert.equal(output, "shared\nstarted\n");
  const all = (await processesOf(await firstProcess(bench)))!.map((pid) => readFileSync(`/proc/${pid}/cmdline`, "latin1"));
  assert.deepEqual([all.some((each) => each.startsWith("sleep\u0000300")), all.some((each) => each.includes("299"))], [true, false]);
  assert.equal((await bench.containers.list()).length, 1);
  await bench.containers.remove(() => true);
  assert.equal((await background).exitCode, 137);
});

test("when a command is stopped, none of its processes is left, and the container serves the next one", { skip }, async (t) => {
  const bench = await open(t);
  const controller = new AbortController();
  const script = `setsid sh -c 'trap "" TERM HUP; sleep 300' & env -i setsid sleep 300 & touch began; wait`;
  const call = run(bench, script, { signal: controller.signal });
  await until("the command", () => existsSync(join(bench.workspace, "began")));
  const pids = (await processesOf(await firstProcess(bench)))!;
  assert.ok(pids.length >= 5, String(pids.length));
  controller.abort();
  assert.equal((await call).reason, "stopped");
  assert.deepEqual(
    pids.filter((pid) => existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, "latin1") !== ""),
    [],
  );
  assert.equal((await run(bench, "echo again")).output, "again\n");
});

test("a process that hides its environment ends with the last command of its container", { skip }, async (t) => {
  const bench = await open(t);
  const { output } = await run(bench, "env -i setsid sleep 298 >/dev/null 2>&1 & echo over");
  assert.equal(output, "over\n");
  const [container] = await bench.containers.list();
  assert.equal(container!.isRunning, false);
});

const GATEWAY = `
import { testContainers, testSettings } from ${JSON.stringify(join(import.meta.dirname, "../../../../test/sandbox/test-containers.ts"))};
import { writeFileSync } from "node:fs";
const [directory, workspace] = process.argv.slice(1);
const settings = testSettings();
const { sandboxFor } = await testContainers(directory).probe(settings);
const request = { argv: ["true"], cwd: workspace, workspace, workspaceAccess: "rw", env: {}, readable: [], network: false };
await sandboxFor(settings, { agentId: "main", sessionKey: "agent:main:main" }).wrap(request);
writeFileSync(workspace + "/began", "");
setInterval(() => {}, 1000);
`;

test("when the gateway is killed, its containers end", { skip }, async (t) => {
  const { directory, workspace } = openDirectory(t);
  const args = ["--input-type=module", "-e", GATEWAY, directory, workspace];
  const gateway = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
  t.after(() => gateway.kill("SIGKILL"));
  await until("the container", () => existsSync(join(workspace, "began")), 60_000);
  const names = (): string[] => {
    const { stdout } = spawnSync("podman", ["ps", "--quiet", "--filter", `label=openclaw.stateId=${directory.split("/").at(-1)}`], {
      encoding: "utf8",
    });
    return stdout.split("\n").filter(Boolean);
  };
  assert.equal(names().length, 1);
  gateway.kill("SIGKILL");
  await until("the end of the container", () => names().length === 0);
});

test("what an earlier gateway has left running is removed by the next one", { skip }, async (t) => {
  const { directory } = openDirectory(t);
  const labels = ["openclaw.sandbox=1", `openclaw.stateId=${directory.split("/").at(-1)}`].flatMap((each) => ["--label", each]);
  const limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--volume", "/usr:/usr:ro"];
  const args = ["run", "--detach", "--network", "none", ...labels, ...limits, testSettings().image, "sleep", "300"];
  const { status, stdout, stderr } = spawnSync("podman", args, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  const containers = testContainers(directory);
  t.after(() => containers.stop());
  assert.deepEqual(await containers.list(), []);
  assert.notEqual(spawnSync("podman", ["container", "exists", stdout.trim()]).status, 0);
});

test("a new container is set up once, and other settings make another one", { skip }, async (t) => {
  const settings = testSettings({ setupCommand: 'echo "made by $(id -u)" > /tmp/setup', tmpfs: ["/tmp"] });
  const bench = await open(t, settings);
  assert.equal((await run(bench, "cat /tmp/setup")).output, `made by ${process.getuid!()}\n`);
  const failing = testSettings({ setupCommand: "echo no such package; exit 3" });
  const probe = await bench.containers.probe(failing);
  assert.ok(probe.sandboxFor);
  const sandbox = probe.sandboxFor(failing, OWNER);
  await assert.rejects(
    run({ ...bench, sandbox }, "true"),
    /could not be set up by sandbox.docker.setupCommand: podman exec failed: no such package/,
  );
  const other = testSettings({ memory: "3g" });
  const { sandboxFor } = await bench.containers.probe(other);
  await bench.containers.stop();
  assert.equal((await run({ ...bench, sandbox: sandboxFor!(other, OWNER) }, "echo other")).output, "other\n");
  // The one with the old settings was removed with the first command of the new one.
  assert.equal((await bench.containers.list()).length, 1);
});

test("an image that is not there, or a bind that shows too much, is a reason, not another sandbox", { skip }, async (t) => {
  const { directory } = openDirectory(t);
  const containers = testContainers(directory);
  t.after(() => containers.stop());
  const missing = await containers.probe(testSettings({ image: "no-such-image:1" }));
  assert.equal(missing.sandboxFor, null);
  assert.match(missing.reason, /podman has no image no-such-image:1/);
  assert.match(missing.fix, /podman import/);
  const open2 = await containers.probe(testSettings({ binds: ["/etc:/etc:ro"] }));
  assert.equal(open2.sandboxFor, null);
  assert.match(open2.reason, /sandbox.docker.binds has \/etc/);
});
