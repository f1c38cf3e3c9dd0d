import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Secret } from "../core/secret.ts";

/** What the running gateway says about itself in `<state>/gateway/owner.json`. */
export type Owner = {
  readonly pid: number;
  readonly port: number;
  readonly url: string;
  readonly startedAt: number;
  /** What the gateway proves its identity with; null: it was started by a version that wrote none. */
  readonly identityKey: Secret | null;
};

/** The owner of the state directory, or null when none is written down or the process is gone. */
export function readOwner(gatewayDir: string): Owner | null {
  let text: string;
  try {
    text = readFileSync(join(gatewayDir, "owner.json"), "utf8");
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EACCES") return null;
    throw err;
  }
  const owner = parseOwner(text);
  return owner && isAlive(owner.pid) ? owner : null;
}

function parseOwner(text: string): Owner | null {
  try {
    const { pid, port, url, startedAt, identityKey } = JSON.parse(text) as Record<string, unknown>;
    const whole = typeof pid === "number" && Number.isSafeInteger(pid) && pid > 0 && typeof port === "number" && typeof url === "string";
    if (!whole) return null;
    const key = typeof identityKey === "string" && identityKey !== "" ? new Secret(identityKey) : null;
    return { pid, port, url, startedAt: typeof startedAt === "number" ? startedAt : 0, identityKey: key };
  } catch (err) {
    if (err instanceof SyntaxError) return null;
    throw err;
  }
}

/** Whether a process with this id runs, of this user or another. One that has ended and was not waited for does not. */
export function isAlive(pid: number): boolean {
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
