import { MARKER_VARIABLE } from "../../core/marked-processes.ts";
import { TOOL_LIMITS } from "../limits.ts";
import type { Sandbox, SandboxedCommand, SandboxRequest } from "../sandbox.ts";
import { checkPaths, inOrder, INSIDE_ID, requestMounts, smallFiles, systemMounts, type Mount } from "./mounts.ts";
import type { OtherUser, SourceOf } from "./other-user.ts";
import { syscallFilter, type Architecture } from "./syscall-filter.ts";

export type BubblewrapOptions = {
  version: string;
  architecture: Architecture;
  /** Absolute paths of programs. */
  programs: { bwrap: string; choom: string; prlimit: string };
  /** The user who runs the gateway. */
  userId: number;
  /** Set when the gateway runs as root. */
  otherUser: OtherUser | null;
  /** Real paths of what no command may reach, also when a request asks for it: the state directory, the configuration. */
  hidden: readonly string[];
};

/** The first descriptor of `runCommand`'s inputs. */
const FIRST_INPUT = 4;

/** The kernel ends these before others when memory is short: a command, not the gateway. */
const FIRST_TO_END = "1000";

/**
 * Each command in namespaces of its own (files, processes, network, users, IPC), without capabilities and with a filter of system calls.
 * No process of it is left when its first process has ended.
 */
export function createBubblewrap(
  options: BubblewrapOptions,
): Omit<Sandbox, "wrap"> & { wrap: (request: SandboxRequest) => SandboxedCommand } {
  const { version, architecture, userId, otherUser } = options;
  const mounts = systemMounts();
  const filter = syscallFilter(architecture);
  const user = otherUser === null ? `user ${userId}` : `user ${otherUser.id}`;
  return {
    name: `bubblewrap ${version}, as ${user}${otherUser === null ? "" : " instead of root"}`,
    guarantees: GUARANTEES,
    wrap: (request) => wrap(request, options, mounts, filter),
  };
}

function wrap(request: SandboxRequest, options: BubblewrapOptions, mounts: readonly Mount[], filter: Uint8Array): SandboxedCommand {
  const { programs, otherUser, hidden } = options;
  checkPaths(request, hidden);
  checkEnvironment(request.env);
  const paths = [...new Set([request.workspace, ...request.readable])];
  const { argv: enter, sourceOf } = otherUser?.enter(paths) ?? { argv: [], sourceOf: (path: string) => path };
  const files = smallFiles(request.network).map(([path, content], index) => ({ path, content, descriptor: FIRST_INPUT + 2 + index }));
  const build = [programs.bwrap, "--args", String(FIRST_INPUT), "--seccomp", String(FIRST_INPUT + 1), "--"];
  const marker = request.env[MARKER_VARIABLE];
  return {
    argv: [programs.choom, "-n", FIRST_TO_END, "--", ...enter, ...build, ...limitsOf(programs.prlimit), ...request.argv],
    cwd: "/",
    env: marker === undefined ? {} : { [MARKER_VARIABLE]: marker },
    inputs: [toArguments(toOptions(request, mounts, files, sourceOf)), filter, ...files.map(({ content }) => Buffer.from(content))],
  };
}

const NAMESPACES = ["--unshare-all", "--unshare-user", "--disable-userns", "--uid", String(INSIDE_ID), "--gid", String(INSIDE_ID)];
const OTHER_SETTINGS = ["--hostname", "sandbox", "--cap-drop", "ALL", "--die-with-parent"];

type SmallFile = { path: string; content: string; descriptor: number };

function toOptions(request: SandboxRequest, mounts: readonly Mount[], files: readonly SmallFile[], sourceOf: SourceOf): string[] {
  const { env, network } = request;
  // Nothing of the workspace is in the directory that takes its place.
  const cwd = request.workspaceAccess === "none" ? request.workspace : request.cwd;
  const small = files.map(({ path, descriptor }) => ({ path, options: ["--ro-bind-data", String(descriptor), path] }));
  // What is written into these would be in memory, without a limit.
  const closed = ["--remount-ro", "/dev", "--remount-ro", "/"];
  return [
    ...NAMESPACES,
    ...OTHER_SETTINGS,
    // In a terminal of its own the command has to stay in that session; the filter refuses to write into it for others.
    ...(request.terminal ? [] : ["--new-session"]),
    ...(network ? ["--share-net"] : []),
    ...inOrder([...mounts, ...small, ...requestMounts(request, sourceOf)]).flatMap((mount) => mount.options),
    ...closed,
    "--chdir",
    cwd,
    // Not for the programs that build the sandbox: some variables, such as LD_PRELOAD, would act in them.
    "--clearenv",
    ...Object.entries(env).flatMap(([name, value]) => ["--setenv", name, value]),
  ];
}

/** Set inside, where the processes of the command are counted without those of the same user outside. */
function limitsOf(prlimit: string): string[] {
  const { sandboxProcesses, sandboxFileBytes, sandboxProcessBytes } = TOOL_LIMITS;
  // A limit of 1 byte keeps the kernel from giving dumps to a program of the host.
  return [prlimit, `--nproc=${sandboxProcesses}`, `--fsize=${sandboxFileBytes}`, `--data=${sandboxProcessBytes}`, "--core=1", "--"];
}

/** Throws when a variable cannot be given to a command. */
export function checkEnvironment(env: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(env)) {
    if (name === "" || /[=\0]/.test(name))
      throw new Error(`${JSON.stringify(name)} cannot be the name of an environment variable. Choose another.`);
    if (value.includes("\0")) throw new Error(`The environment variable ${name} contains a NUL character. Remove it.`);
  }
}

/** Arguments as bubblewrap reads them from a descriptor. */
const toArguments = (options: readonly string[]): Uint8Array => Buffer.from(options.map((each) => `${each}\0`).join(""));

const GUARANTEES: readonly string[] = [
  "Files: a command changes only the workspace, and reads besides it only programs, libraries, certificates and what was named for it.",
  "Its home directory, /tmp and /dev/shm are empty, have a limited size and last as long as the command.",
  "Processes: it sees, signals and traces only its own, and all of them end with it.",
  "Network: none but its own loopback, and through a proxy the hosts that sandbox.egress lists; never this machine.",
  "Rights: no capabilities, no programs with the rights of another user, no new namespaces, no keys of the gateway's session.",
  "Limits for each command: processes, size of one file, memory of one process, memory of temporary files.",
  "Not limited: CPU, memory of all its processes together, disk space that many files in the workspace use.",
  "Not protected: Unix sockets that a program of the host opens in the workspace, and files there that the host later runs.",
  "Not protected: faults of the kernel.",
];
