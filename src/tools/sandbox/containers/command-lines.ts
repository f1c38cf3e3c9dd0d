import { TOOL_LIMITS } from "../../limits.ts";
import type { SandboxRequest } from "../../sandbox.ts";
import type { ContainerMounts, ContainerSettings } from "./settings.ts";

/** By these, containers of a gateway are found. */
export const LABELS = {
  sandbox: "openclaw.sandbox",
  state: "openclaw.stateId",
  scope: "openclaw.scope",
  agent: "openclaw.agentId",
  session: "openclaw.sessionKey",
  config: "openclaw.configHash",
} as const;

/** The variable by which the processes of one command are found in a container. */
export const COMMAND_VARIABLE = "OPENCLAW_SANDBOX_COMMAND";

/** The number of the process that holds the container is the second word of its output. */
export const READY = "ready";

/**
 * The first process of a container: it ends with the input that the gateway holds, and with it the kernel ends all others. A shell that
 * waits also takes the ends of processes that nothing else waits for.
 */
const KEEPER = `exec 3<&0; cat <&3 >/dev/null & echo "${READY} $!"; wait`;

/** What images and engines set, and a command gets only where its request has it. */
const FOREIGN_VARIABLES = ["container", "HOSTNAME", "TERM", "HOME", "PATH"];

/** Takes away the variables that the command must not have; without bash in the image, its commands are for sh. */
const launchScript = (unset: readonly string[]): string =>
  `umask 077\nunset ${unset.join(" ")}\n[ "$1" = /bin/bash ] && [ ! -x /bin/bash ] && shift && set -- /bin/sh "$@"\nexec "$@"`;

/** Hands the variables of a command to the engine, which reads files only, through a pipe: they are in no file and in no list of processes. */
const ENTER_SCRIPT = `exec 5<&0
cat <&4 4<&- | { exec 6<&0 0<&5 5<&- 4<&-; exec "$@"; }`;

export type ContainerPlan = {
  name: string;
  labels: Readonly<Record<string, string>>;
  settings: ContainerSettings;
  mounts: ContainerMounts;
  /** The user who runs the gateway. */
  userId: number;
  groupId: number;
  /** Path of the filter of system calls; null for the engine's own. */
  seccomp: string | null;
  /** The hard limit of open files of the gateway. */
  openFiles: number;
};

/** The words of a command line of which none has a space. */
const words = (text: string): string[] => text.split(" ");

const limit = (kind: string, value: number): string[] => ["--ulimit", `${kind}=${value}:${value}`];
const temporary = (path: string, bytes: number): string[] => ["--tmpfs", `${path}:rw,exec,nosuid,nodev,mode=1777,size=${bytes}`];
/** `z` shares the label of SELinux, where there is one. */
const volume = (path: string, access: "ro" | "rw"): string[] => ["--volume", `${path}:${path}:${access},z`];

/** The arguments of `podman` or `docker` that make a container. Pure. */
export function createArguments({ name, labels, settings, mounts, userId, groupId, seccomp, openFiles }: ContainerPlan): string[] {
  const isPodman = settings.engine === "podman";
  const { image, pidsLimit, memory, memorySwap = memory, cpus, readOnlyRoot, binds } = settings;
  return [
    ...words(`create --name ${name} --interactive --attach stdin --attach stdout --pull never`),
    ...Object.entries(labels).flatMap(([key, value]) => ["--label", `${key}=${value}`]),
    ...words("--network none --ipc private --cgroupns private --hostname sandbox --log-driver none"),
    ...words("--cap-drop ALL --security-opt no-new-privileges"),
    ...(seccomp === null ? [] : ["--security-opt", `seccomp=${seccomp}`]),
    ...(isPodman ? words("--security-opt mask=/sys --read-only-tmpfs=false --http-proxy=false") : []),
    ...(isPodman && userId !== 0 ? words("--userns keep-id") : []),
    ...words(`--user ${userId}:${groupId}`),
    ...(readOnlyRoot ? ["--read-only"] : []),
    ...words(`--pids-limit ${pidsLimit} --memory ${memory} --memory-swap ${memorySwap}`),
    ...(cpus === undefined ? [] : words(`--cpus ${cpus}`)),
    ...words(`--shm-size ${TOOL_LIMITS.sandboxSharedBytes} --oom-score-adj 1000`),
    ...limit("nofile", openFiles),
    ...limit("nproc", pidsLimit),
    ...limit("fsize", TOOL_LIMITS.sandboxFileBytes),
    ...limit("data", TOOL_LIMITS.sandboxProcessBytes),
    // A limit of 1 byte keeps the kernel from giving dumps to a program of the host.
    ...limit("core", 1),
    ...temporaryArguments(settings, mounts),
    ...binds.flatMap((bind) => ["--volume", bind]),
    ...bindArguments(mounts),
    ...words(`--workdir / --entrypoint /bin/sh ${image} -c`),
    KEEPER,
  ];
}

/** The arguments that start a container, and hold it for as long as its input is open. Pure. */
export const startArguments = ({ name, settings }: Pick<ContainerPlan, "name" | "settings">): string[] => [
  ...words("start --attach --interactive"),
  ...(settings.engine === "podman" ? ["--sig-proxy=false"] : []),
  name,
];

function temporaryArguments({ tmpfs }: ContainerSettings, { workspace, workspaceAccess, home }: ContainerMounts): string[] {
  return [
    ...tmpfs.flatMap((path) => temporary(path, TOOL_LIMITS.sandboxTemporaryBytes)),
    ...(home === null ? [] : temporary(home, TOOL_LIMITS.sandboxHomeBytes)),
    ...(workspaceAccess === "none" ? temporary(workspace, TOOL_LIMITS.sandboxTemporaryBytes) : []),
  ];
}

const bindArguments = ({ workspace, workspaceAccess, readable }: ContainerMounts): string[] => [
  ...(workspaceAccess === "none" ? [] : volume(workspace, workspaceAccess)),
  ...readable.flatMap((path) => volume(path, "ro")),
];

/** Throws when a path cannot be written on the command line of an engine. Pure. */
export function checkBindable(paths: readonly string[]): void {
  const path = paths.find((each) => /[:,\n]/.test(each));
  if (path !== undefined)
    throw new Error(`Cannot show ${path} to a container: its name has a colon, a comma or a line break. Rename the directory.`);
}

export type EnterOptions = {
  program: string;
  name: string;
  /** By which the processes of the command are found. */
  id: string;
  settings: ContainerSettings;
  /** Names of the variables that the image sets. */
  imageVariables: readonly string[];
};

/** The command line that runs a command in a container, and what it reads from descriptor 4. Pure. */
export function enterCommand(request: SandboxRequest, { program, name, id, settings, imageVariables }: EnterOptions) {
  const env: Record<string, string> = { ...settings.env, ...request.env, [COMMAND_VARIABLE]: id };
  // The files that engines read have one line for each variable.
  const inLines = Object.entries(env).filter(([, value]) => !value.includes("\n"));
  const others = Object.entries(env).filter(([, value]) => value.includes("\n"));
  const unset = [...FOREIGN_VARIABLES, ...imageVariables].filter((each) => /^[A-Za-z_]\w*$/.test(each) && env[each] === undefined);
  const command = others.length === 0 ? request.argv : ["env", ...others.map(([key, value]) => `${key}=${value}`), ...request.argv];
  const cwd = request.workspaceAccess === "none" ? request.workspace : request.cwd;
  const inside = ["/bin/sh", "-c", launchScript(unset), "sh", ...command];
  const flags = ["--interactive", ...(request.terminal ? ["--tty"] : []), "--env-file", "/dev/fd/6", "--workdir", cwd];
  return {
    argv: ["/bin/sh", "-c", ENTER_SCRIPT, "sh", program, "exec", ...flags, name, ...inside],
    input: Buffer.from(inLines.map(([key, value]) => `${key}=${value}\n`).join("")),
  };
}
