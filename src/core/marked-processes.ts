import { readdir, readFile } from "node:fs/promises";
import { reasonOf } from "./errors.ts";
import type { Log } from "./log.ts";

/** The variable that marks what the gateway starts for agents: Pi processes, commands, and everything that they start. */
export const MARKER_VARIABLE = "OPENCLAW_RUNNER";

const AT_ONCE = 16;
const expected = new Set(["ENOENT", "EACCES", "EPERM", "ESRCH"]);

async function isMarked(pid: number, marker: string, spared: string | undefined): Promise<boolean> {
  try {
    const environment = await readFile(`/proc/${pid}/environ`, "latin1");
    const entry = environment.split("\0").find((each) => each.startsWith(`${MARKER_VARIABLE}=${marker}`));
    return entry !== undefined && (spared === undefined || !entry.startsWith(`${MARKER_VARIABLE}=${spared}`));
  } catch (err) {
    if (!expected.has((err as NodeJS.ErrnoException).code ?? "")) throw err;
    return false;
  }
}

async function markedProcesses(marker: string, spared: string | undefined): Promise<number[]> {
  const names = await readdir("/proc");
  const pids = names.map(Number).filter((pid) => Number.isSafeInteger(pid) && pid > 1 && pid !== process.pid);
  const found: number[] = [];
  // Not all at once: each takes a file descriptor, and there may be more processes than those.
  for (let at = 0; at < pids.length; at += AT_ONCE) {
    const some = pids.slice(at, at + AT_ONCE);
    const marked = await Promise.all(some.map((pid) => isMarked(pid, marker, spared)));
    found.push(...some.filter((_pid, index) => marked[index]));
  }
  return found;
}

/**
 * Kills every process of this user whose `OPENCLAW_RUNNER` begins with `marker`; returns how many. This finds what a dead
 * Pi left behind, including detached processes. Those whose variable begins with `spared` stay. Needs /proc; without it, it does nothing
 * and returns 0.
 */
export async function killMarkedProcesses(marker: string, log: Log, spared?: string): Promise<number> {
  if (process.platform !== "linux") return 0;
  try {
    const pids = await markedProcesses(marker, spared);
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch (err) {
        if (!expected.has((err as NodeJS.ErrnoException).code ?? "")) throw err;
      }
    }
    if (pids.length > 0) log.info("ended processes that an agent's tools had left behind", { pids });
    return pids.length;
  } catch (err) {
    log.warn("could not look for processes that an agent's tools left behind", { reason: reasonOf(err) });
    return 0;
  }
}
