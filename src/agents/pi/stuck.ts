import { readFile } from "node:fs/promises";
import { LIMITS } from "../../core/limits.ts";
import { PiTimeoutError, type PiCommand, type PiProcess } from "./process.ts";

/** Linux reports CPU time in hundredths of a second. */
const TICK_MS = 10;

/** CPU time that a process has used, in milliseconds; null where the system does not report it. */
async function cpuMsOf(pid: number): Promise<number | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "latin1");
    // The second field is the name in parentheses, which may contain spaces.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    // Another platform, or the process has just ended: then only the time that passes counts.
    return null;
  }
}

/**
 * Asks a process whether it still reads its commands; resolves to its answer. Rejects with PiTimeoutError when it is stuck: it has
 * computed for LIMITS.piStuckCpuMs without an answer, or did not answer LIMITS.piPingWaits times. On a busy machine a healthy process
 * may get too little CPU time to answer the first time, and killing it would cost every turn that runs in it.
 */
export async function pingProcess(process: PiProcess, command: PiCommand): Promise<unknown> {
  const before = await cpuMsOf(process.pid);
  for (let waits = 1; ; waits++) {
    try {
      return await process.request(command, LIMITS.piPingAnswerMs);
    } catch (err) {
      if (!(err instanceof PiTimeoutError) || !process.isAlive || waits >= LIMITS.piPingWaits) throw err;
      const now = await cpuMsOf(process.pid);
      if (before === null || now === null || now - before >= LIMITS.piStuckCpuMs) throw err;
    }
  }
}
