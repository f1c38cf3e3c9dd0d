import { readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { Secret } from "./secret.ts";

/** What the running gateway says about itself in `<state>/gateway/owner.json`. */
export type PidFile = {
  readonly pid: number;
  readonly port: number;
  readonly url: string;
  readonly startedAt: number;
  /** What the gateway proves its identity with; null: it was started by a version that wrote none. */
  readonly identityKey: Secret | null;
  /** SHA-256 of the certificate of its port, hex; null when it does not speak TLS. */
  readonly tlsFingerprint: string | null;
};

/**
 * The owner of the state directory; null when none is written down, when the process is gone, or when its id belongs to another
 * program by now (or to the process that asks: in a container every gateway has the same id).
 */
export function findRunningGateway(gatewayDir: string): PidFile | null {
  const owner = readPidFile(join(gatewayDir, "owner.json"));
  return owner && owner.pid !== process.pid && isProcessRunning(owner.pid) && isGatewayOf(owner, gatewayDir) ? owner : null;
}

/** The process id in an owner.json; another process may have it now. */
export const readPid = (path: string): number | null => readPidFile(path)?.pid ?? null;

function readPidFile(path: string): PidFile | null {
  try {
    return parsePidFile(readFileSync(path, "utf8"));
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EACCES" || code === "EISDIR") return null;
    throw err;
  }
}

/**
 * Whether the process is a gateway of this directory. On Linux: it holds the store open; where its files may not be looked at, its
 * command line is a gateway's and it is not younger than the note. Elsewhere the note is believed.
 */
function isGatewayOf(owner: PidFile, gatewayDir: string): boolean {
  if (process.platform !== "linux") return true;
  const open = openFiles(owner.pid);
  if (open !== null) return open.some((file) => file.replace(/ \(deleted\)$/, "") === storePath(gatewayDir));
  const line = tryReadFile(`/proc/${owner.pid}/cmdline`);
  if (line === null) return true;
  const isGateway = /\bgateway\b/.test(line.replaceAll("\0", " ")) && /node|openclaw/.test(line);
  return isGateway && !startedAfterPidFile(owner);
}

function storePath(gatewayDir: string): string {
  try {
    return join(realpathSync(gatewayDir), "gateway.db");
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === undefined) throw err;
    return join(gatewayDir, "gateway.db");
  }
}

/** Null when the system does not show them: the process belongs to someone else. */
function openFiles(pid: number): string[] | null {
  try {
    const dir = `/proc/${pid}/fd`;
    return readdirSync(dir).flatMap((fd) => {
      try {
        return [readlinkSync(join(dir, fd))];
      } catch {
        return []; // closed while it was looked at
      }
    });
  } catch (err) {
    if (["EACCES", "EPERM"].includes((err as NodeJS.ErrnoException).code ?? "")) return null;
    return [];
  }
}

/** Times in /proc are in ticks of this length. */
const TICKS_PER_SECOND = 100;
/** The clock of the note and that of the system differ by this much at most. */
const CLOCK_TOLERANCE_MS = 5_000;

/** Whether the process began after the note was written: then the id was given out again. */
function startedAfterPidFile({ pid, startedAt }: PidFile): boolean {
  const stat = tryReadFile(`/proc/${pid}/stat`);
  const boot = /^btime (\d+)$/m.exec(tryReadFile("/proc/stat") ?? "")?.[1];
  // The name of the program may contain spaces and parentheses.
  const ticks = stat
    ?.slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .at(19);
  if (!ticks || !boot || startedAt === 0) return false;
  return Number(boot) * 1_000 + (Number(ticks) / TICKS_PER_SECOND) * 1_000 > startedAt + CLOCK_TOLERANCE_MS;
}

function tryReadFile(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null; // gone, or not to be seen by this user
  }
}

function parsePidFile(text: string): PidFile | null {
  try {
    const { pid, port, url, startedAt, identityKey, tlsFingerprint } = JSON.parse(text) as Record<string, unknown>;
    const whole = typeof pid === "number" && Number.isSafeInteger(pid) && pid > 0 && typeof port === "number" && typeof url === "string";
    if (!whole) return null;
    const key = typeof identityKey === "string" && identityKey !== "" ? new Secret(identityKey) : null;
    const pin = typeof tlsFingerprint === "string" ? tlsFingerprint : null;
    return { pid, port, url, startedAt: typeof startedAt === "number" ? startedAt : 0, identityKey: key, tlsFingerprint: pin };
  } catch (err) {
    if (err instanceof SyntaxError) return null;
    throw err;
  }
}

/** Whether a process with this id runs, of this user or another. One that has ended and was not waited for does not. */
export function isProcessRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (err) {
    return (err as NodeJS.ErrnoException).code === "EPERM";
  }
}

function isZombie(pid: number): boolean {
  if (process.platform !== "linux") return false;
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch (err) {
    // Gone between the two looks, or hidden by the system: then the signal's answer counts.
    return (err as NodeJS.ErrnoException).code === "ENOENT";
  }
}
