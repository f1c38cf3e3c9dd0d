// Group: wire
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { testSettings } from "../../../../test/sandbox/test-containers.ts";
import type { SandboxRequest } from "../../sandbox.ts";
import { checkBinds, checkSources } from "./binds.ts";
import { checkBindable, createArguments, enterCommand, startArguments, type ContainerPlan } from "./command-lines.ts";

const plan = (more: Partial<ContainerPlan> = {}): ContainerPlan => ({
  name: "openclaw-sbx-agent-main-1",
  labels: { "openclaw.sandbox": "1" },
  settings: testSettings({ binds: [] }),
  mounts: { workspace: "/w", workspaceAccess: "rw", readable: ["/skills"], home: "/home/u" },
  userId: 1_000,
  groupId: 1_001,
  seccomp: null,
  openFiles: 1_024,
  ...more,
});

const request = (more: Partial<SandboxRequest> = {}): SandboxRequest => ({
  argv: ["/bin/bash", "-c", "ls"],
  cwd: "/w/sub",
  workspace: "/w",
  workspaceAccess: "rw",
  env: { PATH: "/usr/bin", TEXT: "a 'b'", LINES: "a\nb" },
  readable: [],
  network: false,
  ...more,
});

const entered = (more: Partial<SandboxRequest> = {}) =>
  enterCommand(request(more), {
    program: "/usr/bin/docker",
    name: "n",
    id: "id",
    settings: testSettings(),
    imageVariables: ["LANG", "PATH"],
  });

/** The value behind each use of a flag. */
const valuesOf = (args: readonly string[], flag: string): string[] => args.flatMap((each, at) => (args[at - 1] === flag ? [each] : []));

// No engine of docker runs where the tests are made: its command lines are compared with a recording, and parsed by its own client.
test("recorded: the command line of docker that makes a container", () => {
  const args = createArguments(plan({ settings: testSettings({ engine: "docker", binds: [] }) }));
  const recorded =
    "create --name openclaw-sbx-agent-main-1 --interactive --attach stdin --attach stdout --pull never --label openclaw.sandbox=1 " +
    "--network none --ipc private --cgroupns private --hostname sandbox --log-driver none --cap-drop ALL --security-opt no-new-privileges " +
    "--user 1000:1001 --read-only --pids-limit 1024 --memory 4g --memory-swap 4g --shm-size 67108864 --oom-score-adj 1000 " +
    "--ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --ulimit fsize=4294967296:4294967296 --ulimit data=8589934592:8589934592 --ulimit core=1:1 " +
    "--tmpfs /tmp:rw,exec,nosuid,nodev,mode=1777,size=536870912 --tmpfs /var/tmp:rw,exec,nosuid,nodev,mode=1777,size=536870912 " +
    "--tmpfs /run:rw,exec,nosuid,nodev,mode=1777,size=536870912 --tmpfs /home/u:rw,exec,nosuid,nodev,mode=1777,size=536870912 " +
    "--volume /w:/w:rw,z --volume /skills:/skills:ro,z --workdir / --entrypoint /bin/sh openclaw-sandbox-test:empty -c";
  assert.equal(args.slice(0, -1).join(" "), recorded);
});

test("recorded: the command line of docker that runs a command, with its variables in no list of processes", () => {
  const { argv, input } = entered();
  const exec = argv.slice(4);
  assert.deepEqual(exec.slice(0, 9), [
    "/usr/bin/docker",
    "exec",
    "--interactive",
    "--env-file",
    "/dev/fd/6",
    "--workdir",
    "/w/sub",
    "n",
    "/bin/sh",
  ]);
  assert.deepEqual(exec.slice(-6), ["sh", "env", "LINES=a\nb", "/bin/bash", "-c", "ls"]);
  assert.equal(input.toString(), "PATH=/usr/bin\nTEXT=a 'b'\nOPENCLAW_SANDBOX_COMMAND=id\n");
  assert.ok(!argv.some((each) => each.includes("a 'b'")));
  assert.match(argv.join(" "), /unset container HOSTNAME TERM HOME LANG\n/);
});

const hasDocker = spawnSync("docker", ["--version"]).error === undefined;

test("the client of docker accepts the command lines", { skip: !hasDocker && "the client of docker is not installed" }, () => {
  const settings = testSettings({ engine: "docker", cpus: 0.5 });
  const { argv } = entered();
  for (const args of [createArguments(plan({ settings })), argv.slice(5), startArguments(plan({ settings }))]) {
    const given = args.map((each) => (each === "/dev/fd/6" ? "/dev/null" : each));
    const env = { ...process.env, DOCKER_HOST: "unix:///nowhere/docker.sock" };
    const { stderr } = spawnSync("docker", given, { encoding: "utf8", env });
    assert.match(stderr, /Cannot connect to the Docker daemon|failed to connect/, args.join(" "));
  }
});

test("no setting gives a container the network, a capability or another user", () => {
  for (const engine of ["podman", "docker"] as const) {
    for (const userId of [0, 1_000]) {
      const args = createArguments(plan({ userId, settings: testSettings({ engine, readOnlyRoot: false, env: { A: "b" } }) }));
      assert.deepEqual(valuesOf(args, "--network"), ["none"]);
      assert.deepEqual(valuesOf(args, "--cap-drop"), ["ALL"]);
      assert.deepEqual(valuesOf(args, "--user"), [`${userId}:1001`]);
      assert.ok(valuesOf(args, "--security-opt").includes("no-new-privileges"));
      assert.ok(!args.some((each) => /^--(privileged|cap-add|device|pid|volumes-from)(=|$)/.test(each)), args.join(" "));
      assert.deepEqual(valuesOf(args, "--userns"), engine === "podman" && userId !== 0 ? ["keep-id"] : []);
    }
  }
});

function volumes(workspaceAccess: "none" | "ro" | "rw"): string[] {
  const args = createArguments(plan({ mounts: { workspace: "/w", workspaceAccess, readable: [], home: null } }));
  return [...valuesOf(args, "--volume"), ...valuesOf(args, "--tmpfs").filter((each) => each.startsWith("/w:"))];
}

test("the workspace is shown as the settings say", () => {
  assert.deepEqual(volumes("rw"), ["/w:/w:rw,z"]);
  assert.deepEqual(volumes("ro"), ["/w:/w:ro,z"]);
  assert.deepEqual(volumes("none"), ["/w:rw,exec,nosuid,nodev,mode=1777,size=536870912"]);
  assert.ok(entered({ workspaceAccess: "none" }).argv.join(" ").includes("--workdir /w n"));
  assert.ok(entered({ terminal: true }).argv.includes("--tty"));
});

test("a path that an engine would take apart is refused", () => {
  for (const path of ["/a:b", "/a,b", "/a\nb"]) assert.throws(() => checkBindable(["/w", path]), /a colon, a comma or a line break/);
  checkBindable(["/w w", "/ü"]);
});

const HIDDEN = ["/home/u/.openclaw"];
const BINDS: readonly [bind: string, problem: RegExp | null][] = [
  ["/data:/data", null],
  ["/data:/data:ro", null],
  ["/usr:/usr:ro", null],
  ["/usr:/usr", /only read/],
  ["/usr/lib:/x:rw", /only read/],
  ["/:/host", /no command may reach/],
  ["/etc:/etc:ro", /no command may reach \/etc/],
  ["/var/run/docker.sock:/var/run/docker.sock", /no command may reach \/var\/run/],
  ["/home/u/.openclaw:/x:ro", /no command may reach \/home\/u\/.openclaw/],
  ["/home/u:/home/u:ro", /no command may reach \/home\/u\/.openclaw/],
  ["/home/u/.openclaw/workspace:/x", /no command may reach/],
  ["/data/../etc:/x", /detours/],
  ["/data:/", /replace the files of the image/],
];

for (const [bind, problem] of BINDS) {
  test(`the bind ${bind} is ${problem === null ? "allowed" : "refused"}`, () => {
    if (problem === null) checkBinds([bind], HIDDEN);
    else assert.throws(() => checkBinds([bind], HIDDEN), problem);
  });
}

test("a bind whose source is a link, or lies behind one, is refused", async (t) => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "binds-")));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, "real/below"), { recursive: true });
  symlinkSync("real", join(root, "link"));
  await checkSources([`${root}/real:/x`, `${root}/real/below:/y:ro`]);
  for (const source of ["link", "link/below"])
    await assert.rejects(checkSources([`${root}/${source}:/x:ro`]), /is a link to .*real/, source);
  await assert.rejects(checkSources([`${root}/absent:/x`]), /there is no .*absent/);
});
