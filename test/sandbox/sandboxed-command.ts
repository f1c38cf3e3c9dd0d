import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { systemClock } from "../../src/core/clock.ts";
import { silentLog } from "../../src/core/log.ts";
import { runCommand } from "../../src/tools/command.ts";
import { GroupWatcher } from "../../src/tools/group-watcher.ts";
import type { Sandbox, SandboxRequest } from "../../src/tools/sandbox.ts";
import { createSandboxProbe } from "../../src/tools/sandbox/probe.ts";

export const watcher = new GroupWatcher();

/** For directories of tests: a sandbox has a /tmp of its own. */
export const TEST_DIRECTORY = existsSync("/var/tmp") ? "/var/tmp" : tmpdir();

/** The plainest use of bubblewrap. Where it works, there has to be a sandbox. */
const PLAIN = ["bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--ro-bind", "/", "/", "true"];

/** Why there can be no sandbox for a user of this machine, or false. `become`: a command line in front that makes a program that user's. */
export function findObstacle(become: readonly string[]): string | false {
  if (process.platform !== "linux") return "sandboxes need Linux";
  const [program, ...args] = [...become, ...PLAIN];
  const { error, status, stderr } = spawnSync(program!, args, { encoding: "utf8" });
  if (error !== undefined) return "bubblewrap is not installed: npm run setup:tests";
  return status !== 0 && `bubblewrap cannot isolate here: ${stderr.trim()}`;
}

/** Of a gateway that runs as root, on file systems such as overlayfs. */
export const needsOtherFileSystem = (reason: string): boolean => reason.includes("the file system cannot map owners");

/** The sandbox of this machine. */
const probe = createSandboxProbe({ hidden: [], directory: tmpdir(), log: silentLog });

export async function realSandbox(): Promise<Sandbox> {
  const found = await probe();
  if (found.sandbox === null) throw new Error(`${found.reason}. ${found.fix}`);
  return found.sandbox;
}

/** Why tests of the sandbox are skipped here, or false. */
export async function findSkipReason(): Promise<string | false> {
  const obstacle = findObstacle([]);
  if (obstacle !== false) return obstacle;
  const found = await probe();
  return found.sandbox === null && needsOtherFileSystem(found.reason) && found.reason;
}

export const aRequest = (workspace: string, more: Partial<SandboxRequest> = {}): SandboxRequest => ({
  argv: ["true"],
  cwd: workspace,
  workspace,
  workspaceAccess: "rw",
  env: { PATH: "/usr/bin:/bin" },
  readable: [],
  network: false,
  ...more,
});

export type CommandResult = { exitCode: number | null; reason: string; output: string };

/** Runs a script in the sandbox. */
export const runScript = async (script: string, request: SandboxRequest, signal?: AbortSignal): Promise<CommandResult> =>
  await runScriptIn(await realSandbox(), script, request, signal);

export async function runScriptIn(
  sandbox: Sandbox,
  script: string,
  request: SandboxRequest,
  signal = new AbortController().signal,
): Promise<CommandResult> {
  const command = await sandbox.wrap({ ...request, argv: ["/bin/sh", "-c", script] });
  let output = "";
  const onOutput = (chunk: Buffer): void => void (output += chunk.toString());
  const end = await runCommand({ ...command, timeoutMs: undefined, signal, watcher, clock: systemClock, log: silentLog, onOutput });
  return { exitCode: end.exitCode, reason: end.reason, output };
}
