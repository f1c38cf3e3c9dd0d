import { existsSync, readlinkSync } from "node:fs";
import { normalize } from "node:path";
import { errnoOf, isAbsent, isAtOrBeneath, isBeneath } from "../../core/files.ts";
import { TOOL_LIMITS } from "../limits.ts";
import type { SandboxRequest } from "../sandbox.ts";
import type { SourceOf } from "./other-user.ts";

/** A place in the sandbox, and the options of bubblewrap that fill it. */
export type Mount = { path: string; options: readonly string[] };

/** Programs and libraries. Where the first six are links into /usr, they are so in the sandbox. */
const PROGRAM_PATHS = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr", "/nix/store", "/gnu/store"];

/** What programs read of /etc: libraries, certificates of authorities (no private keys), names of ports and types, the time zone. */
const SETTINGS_PATHS = [
  "alternatives",
  "ca-certificates",
  "ca-certificates.conf",
  "crypto-policies",
  "gai.conf",
  "ld.so.cache",
  "localtime",
  "mime.types",
  "pki/ca-trust",
  "pki/tls/certs",
  "protocols",
  "services",
  "ssl/cert.pem",
  "ssl/certs",
  "ssl/openssl.cnf",
  "timezone",
].map((path) => `/etc/${path}`);

/** Of a command that has the host's network. */
const NETWORK_PATHS = ["/etc/hosts", "/etc/resolv.conf"];

const KERNEL_PATHS = ["/proc", "/sys", "/dev"];
/** No path of a request may contain one of these. */
const SYSTEM_PATHS = [...PROGRAM_PATHS, ...KERNEL_PATHS, "/etc", "/run"];

/** The user of commands in the sandbox; outside it is the user who runs the gateway. */
export const INSIDE_ID = 1_000;

/**
 * Small files, by their path in the sandbox. Without them, programs find no name for their user and no address for localhost. 65534 stands
 * for all users but the command's.
 */
const SMALL_FILES: Readonly<Record<string, string>> = {
  "/etc/passwd": `agent:x:${INSIDE_ID}:${INSIDE_ID}:agent:/:/bin/sh\nother:x:65534:65534:other:/:/bin/false\n`,
  "/etc/group": `agent:x:${INSIDE_ID}:\nother:x:65534:\n`,
  "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
  "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
};

/** Throws when a path of the request would show or change what must stay out of reach. `hidden`: what no command may reach. */
export function checkPaths({ workspace, cwd, readable }: SandboxRequest, hidden: readonly string[]): void {
  if (!isAtOrBeneath(workspace, cwd))
    throw new Error(`Cannot run a command in ${cwd}: it is outside of the workspace ${workspace}. Choose a directory in the workspace.`);
  for (const path of [workspace, ...readable]) {
    const problem = findProblem(path, hidden);
    if (problem !== null) throw new Error(`Cannot show ${path} to a sandboxed command: ${problem}`);
  }
}

function findProblem(path: string, hidden: readonly string[]): string | null {
  if (!path.startsWith("/") || path.includes("\0") || normalize(path) !== path || (path.length > 1 && path.endsWith("/")))
    return "it is not an absolute path without detours.";
  const covered = hidden.find((each) => isAtOrBeneath(path, each));
  if (covered !== undefined) return `it contains ${covered}, which no command may reach. Choose a directory beside or below that.`;
  const system = SYSTEM_PATHS.find((each) => isAtOrBeneath(path, each));
  if (system !== undefined) return `it contains ${system}. Choose another directory.`;
  const kernel = KERNEL_PATHS.find((each) => isAtOrBeneath(each, path));
  if (kernel !== undefined && !isBeneath("/dev/shm", path)) return `${kernel} is an interface of the kernel. Choose another directory.`;
  return null;
}

/** What every sandbox of this machine has. Read once. */
export function systemMounts(): Mount[] {
  const { sandboxTemporaryBytes, sandboxSharedBytes } = TOOL_LIMITS;
  return [
    ...PROGRAM_PATHS.flatMap((path) => mountProgram(path)),
    ...SETTINGS_PATHS.map((path) => ({ path, options: ["--ro-bind-try", path, path] })),
    { path: "/proc", options: ["--proc", "/proc", "--remount-ro", "/proc"] },
    { path: "/dev", options: ["--dev", "/dev"] },
    temporary("/dev/shm", sandboxSharedBytes),
    temporary("/tmp", sandboxTemporaryBytes),
  ];
}

const temporary = (path: string, bytes: number): Mount => ({ path, options: ["--size", String(bytes), "--tmpfs", path] });

function mountProgram(path: string): Mount[] {
  try {
    return [{ path, options: ["--symlink", readlinkSync(path), path] }];
  } catch (err) {
    if (isAbsent(err)) return [];
    if (errnoOf(err) !== "EINVAL") throw err;
    return [{ path, options: ["--ro-bind", path, path] }];
  }
}

/** What the request adds. */
export function requestMounts(request: SandboxRequest, sourceOf: SourceOf): Mount[] {
  const { workspace, workspaceAccess, readable, network } = request;
  return [
    workspaceAccess === "none"
      ? temporary(workspace, TOOL_LIMITS.sandboxTemporaryBytes)
      : { path: workspace, options: [workspaceAccess === "rw" ? "--bind" : "--ro-bind", sourceOf(workspace), workspace] },
    ...readable.filter((path) => !isAtOrBeneath(workspace, path)).map((path) => ({ path, options: ["--ro-bind", sourceOf(path), path] })),
    ...(network ? NETWORK_PATHS.map((path) => ({ path, options: ["--ro-bind-try", path, path] })) : []),
    ...homeMount(request),
  ];
}

function homeMount(request: SandboxRequest): Mount[] {
  const home = emptyHome(request);
  return home === null ? [] : [temporary(home, TOOL_LIMITS.sandboxHomeBytes)];
}

/** The home directory, which is empty; null when it lies where something else is shown. */
export function emptyHome({ env, workspace, readable }: SandboxRequest): string | null {
  const home = env["HOME"];
  if (home === undefined || findProblem(home, []) !== null) return null;
  const shown = [workspace, ...readable, ...SYSTEM_PATHS, "/tmp"];
  return shown.some((path) => isAtOrBeneath(path, home)) ? null : home;
}

/** The small files of a sandbox. One with the host's network has the host's names. */
export const smallFiles = (network: boolean): [path: string, content: string][] =>
  Object.entries(SMALL_FILES).filter(([path]) => !network || !NETWORK_PATHS.includes(path) || !existsSync(path));

/** Outer directories before what is mounted in them; of two mounts at one place only the later. */
export const inOrder = (mounts: readonly Mount[]): Mount[] =>
  [...new Map(mounts.map((mount) => [mount.path, mount])).values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
