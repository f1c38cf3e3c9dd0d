// The host of the escape tests: a process of one user with secrets, listening sockets and a victim, which runs commands with and without
// the sandbox and says what happened outside. Reads one request a line from stdin.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  globSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { arch } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { systemClock } from "../../src/core/clock.ts";
import { isBeneath } from "../../src/core/files.ts";
import { silentLog } from "../../src/core/log.ts";
import { runCommand } from "../../src/tools/command.ts";
import { GroupWatcher } from "../../src/tools/group-watcher.ts";
import { TOOL_LIMITS } from "../../src/tools/limits.ts";
import { probeSandbox } from "../../src/tools/sandbox/probe.ts";
import { until } from "../until.ts";
import { probeContainers, testContainers } from "./test-containers.ts";
import { ESCAPE_CASES, type EscapeCase } from "./escape-cases.ts";

export type EscapeRequest = { name: string; sandboxed: boolean };
/** `found`: in which ways the command got out, as sentences. */
export type EscapeAnswer = { found: readonly string[]; output: string };
/** The first line of the host. */
export type EscapeGreeting = { sandbox: string | null; reason: string };

const SENTINEL = "the script has ended";
/** In front of scripts that would harm the machine: a sandbox may be broken when its tests run. */
const ONLY_INSIDE = `for each in pid mnt; do
  [ "$(readlink /proc/self/ns/$each)" != "$(eval echo \\$HOST_$each)" ] || { echo "ESCAPED: shares $each"; echo '${SENTINEL}'; exit; }
done`;
/** What a shell and Perl say of scripts that try nothing. */
const BROKEN_SCRIPT = /: not found|syntax error|read-only value|Can't locate|No such file or directory at -e/;
const VICTIM_SECONDS = "7654";
const SHARED_BYTES = 8;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Numbers of system calls that scripts use. */
const CALLS: Readonly<Record<string, readonly [x64: number, arm64: number]>> = {
  add_key: [248, 217],
  bpf: [321, 280],
  clone: [56, 220],
  io_uring_setup: [425, 425],
  keyctl: [250, 219],
  mknodat: [259, 33],
  name_to_handle_at: [303, 264],
  open_by_handle_at: [304, 265],
  perf_event_open: [298, 241],
  pivot_root: [155, 41],
  mount: [165, 40],
  ptrace: [101, 117],
  sethostname: [170, 161],
  syslog: [103, 116],
  umount2: [166, 39],
  userfaultfd: [323, 282],
};
const callVariables = (): Record<string, string> =>
  Object.fromEntries(Object.entries(CALLS).map(([name, [x64, arm64]]) => [`SYS_${name}`, String(arch() === "arm64" ? arm64 : x64)]));

/** The files of one run. Everyone may enter the directories: what keeps a command out must be the sandbox. */
function makePlace(parent: string) {
  const base = mkdtempSync(join(parent, "run-"));
  chmodSync(base, 0o755);
  const home = join(base, "home");
  const state = join(home, ".openclaw");
  const place = { base, home, state, workspace: join(state, "workspace"), outside: join(base, "outside"), skills: join(base, "skills") };
  for (const each of [place.workspace, place.outside, place.skills, join(home, ".ssh")]) mkdirSync(each, { recursive: true });
  writeFileSync(join(state, "token"), "token");
  writeFileSync(join(home, ".ssh/id"), "key");
  writeFileSync(join(place.outside, "file"), "unchanged");
  writeFileSync(join(place.skills, "SKILL.md"), "skill");
  writeFileSync(join(place.workspace, "file"), "own");
  symlinkSync(place.outside, join(place.workspace, "to-outside"));
  const module = `if (open(my $file, ">", "${place.outside}/module")) { print $file "x" } 1;`;
  writeFileSync(join(place.workspace, "Own.pm"), module);
  return place;
}
type Place = ReturnType<typeof makePlace>;

/** Every file with its mode and content; of the workspace, only when it may not be changed. */
function snapshot({ base, workspace }: Place, withWorkspace: boolean): string {
  const lines = filesBelow(base)
    .filter((path) => withWorkspace || !isBeneath(workspace, path))
    .map((path) => {
      const stats = lstatSync(path);
      return `${path} ${stats.mode.toString(8)} ${stats.isFile() ? readFileSync(path, "latin1") : ""}`;
    });
  return lines.join("\n");
}

const filesBelow = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, encoding: "utf8" })
    .toSorted()
    .map((name) => join(directory, name));

const hasSetId = (directory: string): boolean => filesBelow(directory).some((path) => (lstatSync(path).mode & 0o6000) !== 0);

/** Processes whose environment names this run; only of the same user, or for root. */
function processesOf(unique: string): number[] {
  return globSync("/proc/[0-9]*/environ").flatMap((path) => {
    try {
      return readFileSync(path, "latin1").includes(`UNIQUE=${unique}\0`) ? [Number(path.split("/")[2])] : [];
    } catch {
      return [];
    }
  });
}

function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

const parent = process.argv[2]!;
const watcher = new GroupWatcher();
const options = { hidden: [], directory: parent, log: silentLog };
const containers = process.env["BACKEND"] === "podman" ? testContainers(parent) : null;
const probe = containers ? await probeContainers(containers) : await probeSandbox(options);
const greeting: EscapeGreeting = {
  sandbox: probe.sandbox?.name ?? null,
  reason: probe.sandbox === null ? `${probe.reason}. ${probe.fix}` : "",
};
console.log(JSON.stringify(greeting));

async function listen(where: { path: string } | { host: string; port: number }) {
  const server = createServer((socket) => socket.destroy()).listen(where);
  await once(server, "listening");
  return server;
}

type Command = { script: string; env: Record<string, string>; place: Place; workspaceAccess: "ro" | "rw" };

async function runSandboxed({ script, env, place, workspaceAccess }: Command): Promise<string> {
  if (probe.sandbox === null) throw new Error(probe.reason);
  const { workspace, skills } = place;
  let output = "";
  await runCommand({
    ...(await probe.sandbox.wrap({
      argv: ["/bin/sh", "-c", script],
      cwd: workspace,
      workspace,
      workspaceAccess,
      env,
      readable: [skills],
      network: false,
    })),
    timeoutMs: undefined,
    signal: new AbortController().signal,
    watcher,
    clock: systemClock,
    log: silentLog,
    onOutput: (chunk) => void (output += chunk.toString()),
  });
  return output;
}

/** As a program does that takes no care: what the gateway has inherited is inherited again. */
function runPlain({ script, env, place }: Command): string {
  const { stdout, stderr } = spawnSync("/bin/sh", ["-c", script], {
    cwd: place.workspace,
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  return stdout + stderr;
}

async function run(each: EscapeCase, sandboxed: boolean): Promise<EscapeAnswer> {
  const place = makePlace(parent);
  const unique = `openclaw-${basename(place.base)}`;
  const temporary = join("/tmp", unique);
  const shared = join("/dev/shm", unique);
  for (const path of [temporary, shared]) writeFileSync(path, "temporary");
  const servers = [
    await listen({ host: "0.0.0.0", port: 0 }),
    await listen({ path: join(place.outside, "socket") }),
    await listen({ path: `\0${unique}` }),
  ];
  const victim = spawn("sleep", [VICTIM_SECONDS], { stdio: "ignore", env: { PATH } });
  await once(victim, "spawn");
  const sharedKey = process.pid;
  spawnSync("perl", ["-e", `defined(shmget(${sharedKey}, ${SHARED_BYTES}, 01600)) or die`]);
  const scriptVariables = {
    ...callVariables(),
    HOST_pid: readlinkSync("/proc/self/ns/pid"),
    HOST_mnt: readlinkSync("/proc/self/ns/mnt"),
    PATH,
    UNIQUE: unique,
    HOME: place.home,
    STATE: place.state,
    WORKSPACE: place.workspace,
    OUTSIDE: place.outside,
    SKILLS: place.skills,
    TEMPORARY: temporary,
    SHARED: shared,
    SHARED_KEY: String(sharedKey),
    PORT: String((servers[0]!.address() as AddressInfo).port),
    VICTIM: String(victim.pid),
    VICTIM_SECONDS,
    MAX_PROCESSES: String(TOOL_LIMITS.sandboxProcesses),
    TOO_LARGE: String(TOOL_LIMITS.sandboxTemporaryBytes + 1),
    TOO_LARGE_FILE: String(TOOL_LIMITS.sandboxFileBytes + 1),
  };
  const own = Object.entries(each.env ?? {}).map(([name, value]) => [
    name,
    value.replace(/\$(OUTSIDE|WORKSPACE)/, (_, key: "OUTSIDE" | "WORKSPACE") => scriptVariables[key]),
  ]);
  const workspaceAccess = each.workspaceAccess ?? "rw";
  const before = snapshot(place, workspaceAccess === "ro");
  try {
    const script = `${typeof each.outside === "string" ? "" : ONLY_INSIDE}\n${each.script}\necho '${SENTINEL}'`;
    const env = { ...scriptVariables, ...Object.fromEntries(own) };
    const output = await (sandboxed ? runSandboxed : runPlain)({ script, env, place, workspaceAccess });
    const found: string[] = [];
    if (!output.includes(SENTINEL)) throw new Error(`the script did not end: ${output}`);
    if (BROKEN_SCRIPT.test(output)) throw new Error(`the script is wrong: ${output}`);
    if (output.includes("ESCAPED")) found.push("the script got out");
    if (snapshot(place, workspaceAccess === "ro") !== before) found.push("files outside were changed");
    if (!lstatSync(place.workspace).isDirectory()) found.push("the workspace was replaced");
    else if (hasSetId(place.workspace)) found.push("there is a set-id program in the workspace");
    if (!isRunning(victim.pid!)) found.push("the victim was killed");
    const left = sandboxed ? await untilNone(() => processesOf(unique)) : processesOf(unique);
    if (left.length > 0) found.push("processes were left");
    return { found, output };
  } finally {
    victim.kill("SIGKILL");
    // Each run has a workspace, and so a container, of its own.
    await containers?.remove(() => true);
    for (const pid of processesOf(unique)) process.kill(pid, "SIGKILL");
    for (const server of servers) server.close();
    spawnSync("perl", ["-e", `my $id = shmget(${sharedKey}, ${SHARED_BYTES}, 0); shmctl($id, 0, 0) if defined $id`]);
    for (const path of [place.base, temporary, shared]) rmSync(path, { recursive: true, force: true });
  }
}

/** The kernel ends the processes of a sandbox after the first of them: they may still be seen for a moment. */
async function untilNone(list: () => number[]): Promise<number[]> {
  return until("the end of all processes", () => list().length === 0).then(
    () => [],
    () => list(),
  );
}

for await (const line of createInterface({ input: process.stdin })) {
  const { name, sandboxed } = JSON.parse(line) as EscapeRequest;
  const each = ESCAPE_CASES.find((one) => one.name === name)!;
  const answer = await run(each, sandboxed).catch((err: unknown): EscapeAnswer => ({
    found: [`the run failed: ${String(err)}`],
    output: "",
  }));
  console.log(JSON.stringify(answer));
}
watcher.killAll();
await containers?.stop();
