import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../core/clock.ts";
import { CliError, EXIT, GatewayError } from "../core/errors.ts";
import { ensureDirectorySync, isAbsent, writeFileAtomicSync } from "../core/files.ts";
import { isProcessRunning } from "../core/pid-file.ts";
import { toSentence } from "../core/text.ts";
import { expandPath } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { formatSshTarget, parseSshTarget, type SshOptions } from "../remote/ssh/target.ts";
import type { SshTunnel, TunnelState } from "../remote/ssh/tunnel.ts";
import type { Invocation } from "./invocation.ts";

/** The tunnel that `--ssh` asks for, or the configuration (`gateway.remote.transport: ssh`); null: none. Throws CliError. */
export function sshOptionsOf(invocation: Invocation, { gateway }: Config): SshOptions | null {
  const { remote, mode } = gateway;
  const named = invocation.text("ssh");
  const configured = mode === "remote" && (remote.transport ?? (remote.sshTarget === undefined ? "direct" : "ssh")) === "ssh";
  if (named === undefined && !configured) return null;
  return toSshOptions(invocation, named ?? remote.sshTarget, remote);
}

/** `target`: as a person wrote it. What no flag says, the configuration does. */
export function toSshOptions(invocation: Invocation, target: string | undefined, remote: Config["gateway"]["remote"]): SshOptions {
  const parsed = target === undefined ? null : parseSshTarget(target);
  if (parsed === null) {
    throw new CliError(target === undefined ? "gateway.remote.sshTarget is not set" : `"${target.slice(0, 100)}" is not a place for ssh`, {
      why: target === undefined ? "gateway.remote.transport is ssh." : "it is written as user@host or user@host:port.",
      fix: "openclaw config set gateway.remote.sshTarget user@host",
      exit: EXIT.usage,
    });
  }
  const identity = invocation.text("ssh-identity") ?? remote.sshIdentity;
  return {
    target: parsed,
    identity: identity === undefined ? null : expandPath(identity, invocation.host.env["HOME"] || "/", invocation.host.cwd),
    hostKeyPolicy: remote.sshHostKeyPolicy,
    remotePort: invocation.number("remote-port") ?? remote.remotePort,
  };
}

/** Opens a tunnel that ends with `close`, or with this process. Throws CliError. */
export async function openTunnel(
  invocation: Invocation,
  options: SshOptions,
  { localPort = 0, onState }: { localPort?: number; onState?: (state: TunnelState) => void } = {},
): Promise<SshTunnel> {
  const { SshTunnel: Tunnel } = await import("../remote/ssh/tunnel.ts");
  try {
    return await Tunnel.open({
      ...options,
      localPort,
      clock: systemClock,
      random: Math.random,
      env: invocation.host.env,
      ...(onState && { onState }),
    });
  } catch (err) {
    if (!(err instanceof GatewayError)) throw err;
    throw new CliError(`No tunnel to ${formatSshTarget(options.target)}`, {
      why: toSentence(err.message),
      ...(err.fix && { fix: err.fix }),
      exit: EXIT.unavailable,
      cause: err,
    });
  }
}

// --- the tunnel of `openclaw remote ssh`, which other commands use while it is open

type TunnelRecord = { pid: number; port: number; destination: string; remotePort: number };

const recordPath = (gatewayDir: string): string => join(gatewayDir, "ssh-tunnel.json");

export function writeTunnelRecord(gatewayDir: string, { target, remotePort }: SshOptions, port: number): void {
  ensureDirectorySync(gatewayDir);
  const record: TunnelRecord = { pid: process.pid, port, destination: formatSshTarget(target), remotePort };
  writeFileAtomicSync(recordPath(gatewayDir), JSON.stringify(record));
}

export function removeTunnelRecord(gatewayDir: string): void {
  if (readTunnelRecord(gatewayDir)?.pid === process.pid) rmSync(recordPath(gatewayDir), { force: true });
}

/** The local port of an open tunnel to the same place; null when there is none. Its process holds the port as long as it runs. */
export function openTunnelPort(gatewayDir: string, { target, remotePort }: SshOptions): number | null {
  const record = readTunnelRecord(gatewayDir);
  if (record === null || record.destination !== formatSshTarget(target) || record.remotePort !== remotePort) return null;
  return isProcessRunning(record.pid) && isTunnelCommand(record.pid) ? record.port : null;
}

/** A process id is given out again: on Linux its command line has to be that of `openclaw remote ssh`. */
function isTunnelCommand(pid: number): boolean {
  if (process.platform !== "linux") return true;
  return /\0remote\0ssh\0/.test(tryRead(`/proc/${pid}/cmdline`) ?? "");
}

function readTunnelRecord(gatewayDir: string): TunnelRecord | null {
  const text = tryRead(recordPath(gatewayDir));
  if (text === null) return null;
  try {
    const record = JSON.parse(text) as Partial<TunnelRecord>;
    return typeof record.pid === "number" && typeof record.port === "number" ? (record as TunnelRecord) : null;
  } catch (err) {
    if (err instanceof SyntaxError) return null;
    throw err;
  }
}

function tryRead(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (err) {
    if (isAbsent(err) || ["EACCES", "ESRCH"].includes((err as NodeJS.ErrnoException).code ?? "")) return null;
    throw err;
  }
}
