import { mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { createServer, type AddressInfo, type Server } from "node:net";
import { basename, join } from "node:path";
import { systemClock, type Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { isAbsent, errnoOf } from "../../core/files.ts";
import type { Log } from "../../core/log.ts";
import { clip } from "../../core/text.ts";
import { runCommand, type CommandEnd, type CommandOptions } from "../command.ts";
import { GroupWatcher } from "../group-watcher.ts";
import { TOOL_LIMITS } from "../limits.ts";
import type { Sandbox, SandboxProbe } from "../sandbox.ts";
import { createBubblewrap, type BubblewrapOptions } from "./bubblewrap.ts";
import { keepProbe } from "./kept-probe.ts";
import { createOtherUser } from "./other-user.ts";
import { AS_USER, findPrograms, INSTALL, PROGRAMS, ROOT_PROGRAMS } from "./programs.ts";
import { isKnownArchitecture } from "./syscall-filter.ts";
import { startedAtIn, TRIAL_PROGRAM, type TrialTargets } from "./trial.ts";

export type SandboxOptions = {
  /** Real paths of what no command may reach: the state directory, the configuration. */
  hidden: readonly string[];
  /** An existing directory in which the trial makes a temporary workspace; best of the file system of the workspaces. */
  directory: string;
  log: Log;
  clock?: Pick<Clock, "after" | "monotonic">;
};

/** What the commands of one trial need. */
type TrialRun = Pick<CommandOptions, "watcher" | "clock" | "log">;

/** As probeSandbox, asked for the first time by the first call. A sandbox is kept; a trial that failed is repeated after `sandboxRetryMs`. */
export const createSandboxProbe = (options: SandboxOptions): (() => Promise<SandboxProbe>) =>
  keepProbe(() => probeSandbox(options), { hasFailed: ({ sandbox }) => sandbox === null, clock: options.clock ?? systemClock });

/** Runs a program that tries to get out of the sandbox. There is a sandbox only if it does not succeed. Never rejects. */
export async function probeSandbox({ hidden, directory, log, clock = systemClock }: SandboxOptions): Promise<SandboxProbe> {
  const { arch, platform } = process;
  if (platform !== "linux") return unavailable("bubblewrap needs the namespaces of Linux", "Run the gateway on Linux, or in WSL.");
  if (!isKnownArchitecture(arch)) return unavailable(`the system calls of ${arch} are not known`, "Run the gateway on x64 or arm64.");
  const watcher = new GroupWatcher({ clock });
  const trial: TrialRun = { watcher, clock, log };
  try {
    const userId = process.getuid!();
    const isRoot = isRootOfHost(userId);
    const { programs, missing } = await findPrograms(isRoot ? [...PROGRAMS, ...ROOT_PROGRAMS] : PROGRAMS);
    if (missing !== undefined) return unavailable(`${missing} is not installed`, INSTALL[missing]);
    const version = await readVersion(programs.bwrap, trial);
    const otherUser = isRoot ? createOtherUser(programs, arch) : null;
    const setup: BubblewrapOptions = { version, architecture: arch, programs, userId, otherUser, hidden };
    const sandbox = createBubblewrap(setup);
    const problem = await findWayOut(sandbox, userId, { directory, trial });
    return problem === null ? { sandbox } : unavailable(problem, findFix(userId));
  } catch (err) {
    return unavailable(reasonOf(err), findFix(process.getuid!()));
  } finally {
    watcher.release();
  }
}

/** False for root of a user namespace, as in a rootless container: outside of it, that is an ordinary user. */
function isRootOfHost(userId: number): boolean {
  const [, outside] = /^ *0 +(\d+) /m.exec(readFileSync("/proc/self/uid_map", "latin1")) ?? [];
  return userId === 0 && outside === "0";
}

const unavailable = (reason: string, fix: string): SandboxProbe => ({ sandbox: null, reason, fix });

async function readVersion(bwrap: string, trial: TrialRun): Promise<string> {
  const { output } = await run({ argv: [bwrap, "--version"], cwd: "/", env: {} }, trial);
  return /\d+(\.\d+)+/.exec(output)?.[0] ?? "of an unknown version";
}

async function run(
  command: Pick<CommandOptions, "argv" | "cwd" | "env" | "inputs">,
  trial: TrialRun,
): Promise<CommandEnd & { output: string }> {
  let output = "";
  const end = await runCommand({
    ...command,
    timeoutMs: TOOL_LIMITS.sandboxTrialMs,
    signal: new AbortController().signal,
    ...trial,
    onOutput: (chunk) => void (output += chunk.toString()),
  });
  return { ...end, output };
}

/** What a command in the sandbox could do, or why none could be run; null when everything failed that must fail. */
async function findWayOut(
  sandbox: Sandbox,
  userId: number,
  { directory: parent, trial }: { directory: string; trial: TrialRun },
): Promise<string | null> {
  const directory = await mkdtemp(join(await realpath(parent), "sandbox-"));
  const servers: Server[] = [];
  try {
    const workspace = join(directory, "workspace");
    const outside = join(directory, "outside");
    for (const each of [workspace, outside]) mkdirSync(each);
    writeFileSync(join(outside, "secret"), "");
    const abstractSocket = `\0openclaw-${basename(directory)}`;
    const port = ((await listen(servers, { host: "127.0.0.1", port: 0 })).address() as AddressInfo).port;
    await listen(servers, { path: join(outside, "socket") });
    await listen(servers, { path: abstractSocket });
    const targets: TrialTargets = { ...thisProcess(), outside, port, abstractSocket, processes: TOOL_LIMITS.sandboxProcesses };
    const node = process.execPath;
    const command = await sandbox.wrap({
      argv: [node, "-e", TRIAL_PROGRAM, JSON.stringify(targets)],
      cwd: workspace,
      workspace,
      workspaceAccess: "rw",
      env: { HOME: directory, PATH: "/usr/bin:/bin" },
      readable: [node],
      network: false,
    });
    return judge(await run(command, trial), join(workspace, "made"), userId);
  } finally {
    for (const server of servers) server.close();
    await rm(directory, { recursive: true, force: true });
  }
}

function listen(servers: Server[], where: { host: string; port: number } | { path: string }): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  servers.push(server);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => resolve(server));
  });
}

function thisProcess(): Pick<TrialTargets, "pid" | "startedAt" | "namespaces"> {
  const names = ["ipc", "mnt", "net", "pid", "user", "uts"];
  const namespaces = Object.fromEntries(names.map((name) => [name, readlinkSync(`/proc/self/ns/${name}`)]));
  return { pid: process.pid, startedAt: startedAtIn(readFileSync("/proc/self/stat", "latin1")), namespaces };
}

/** Characters of the output of a trial that a reason quotes. */
const QUOTED_CHARS = 400;

function judge({ exitCode, reason, output }: CommandEnd & { output: string }, made: string, userId: number): string | null {
  if (reason !== "exited") return "the trial did not end in time";
  if (exitCode !== 0) return `no command can be started in it: ${clip(output.trim(), QUOTED_CHARS)}`;
  const found = JSON.parse(output) as string[];
  if (found.length > 0) return `a command in it ${found.join(", ")}`;
  if (statSync(made).uid !== userId) return "files of commands would belong to another user";
  return null;
}

/** The setting that is the usual cause, where it has the value that forbids the sandbox. */
const SETTINGS: readonly { path: string; value: string; fix: string }[] = [
  {
    path: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    value: "1",
    fix: "AppArmor does not let bubblewrap make user namespaces. Give /usr/bin/bwrap a profile with `userns,`, or run: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
  },
  {
    path: "/proc/sys/kernel/unprivileged_userns_clone",
    value: "0",
    fix: "The kernel does not let users make user namespaces. Run: sudo sysctl -w kernel.unprivileged_userns_clone=1",
  },
  {
    path: "/proc/sys/user/max_user_namespaces",
    value: "0",
    fix: "The kernel does not let users make user namespaces. Run: sudo sysctl -w user.max_user_namespaces=10000",
  },
];

function findFix(userId: number): string {
  const setting = SETTINGS.find(({ path, value }) => readSetting(path) === value);
  if (setting !== undefined) return setting.fix;
  const user = userId === 0 ? `Best, ${AS_USER}. ` : "";
  return `${user}bubblewrap has to be version 0.8.0 or newer. A container has to allow user namespaces and mounts in them.`;
}

function readSetting(path: string): string | null {
  try {
    return readFileSync(path, "latin1").trim();
  } catch (err) {
    if (isAbsent(err) || errnoOf(err) === "EACCES") return null;
    throw err;
  }
}
