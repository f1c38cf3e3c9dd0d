import { readdir, readFile } from "node:fs/promises";
import { reasonOf } from "./errors.ts";
import type { Log } from "./log.ts";

/** The variable that marks what the gateway starts for agents: Pi processes, commands, and everything that they start. */
export const MARKER_VARIABLE = "OPENCLAW_RUNNER";

const expected = new Set(["ENOENT", "EACCES", "EPERM", "ESRCH"]);

async function isMarked(pid: number, needle: string): Promise<boolean> {
  try {
    const environment = await readFile(`/proc/${pid}/environ`, "latin1");
    return environment.split("\0").some((entry) => entry.startsWith(needle));
  } catch (err) {
    if (!expected.has((err as NodeJS.ErrnoException).code ?? "")) throw err;
    return false;
  }
}

async function markedProcesses(needle: string): Promise<number[]> {
  const names = await readdir("/proc");
  const pids = names.map(Number).filter((pid) => Number.isSafeInteger(pid) && pid > 1 && pid !== process.pid);
  const marked = await Promise.all(pids.map((pid) => isMarked(pid, needle)));
  return pids.filter((_pid, index) => marked[index]);
}

/**
 * Kills every process of this user whose `OPENCLAW_RUNNER` begins with `marker`; returns how many. This finds what a dead
 * Pi left behind, including detached processes. Needs /proc; without it, it does nothing and returns 0.
 */
export async function killMarkedProcesses(marker: string, log: Log): Promise<number> {
  if (process.platform !== "linux") return 0;
  try {
    const pids = await markedProcesses(`${MARKER_VARIABLE}=${marker}`);
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
