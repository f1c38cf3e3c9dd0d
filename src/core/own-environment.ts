import { closeSync, openSync, readFileSync, writeSync } from "node:fs";

/** Fields of /proc/<pid>/stat after the name in parentheses, which is the second of them (proc_pid_stat(5): 50 and 51). */
const ENV_START = 50 - 3;
const ENV_END = 51 - 3;

/**
 * Empties the memory from which the system answers /proc/<pid>/environ. A program that the gateway runs as its own user could read the
 * provider keys there, although its own environment has none. `process.env` keeps its values. Throws the system's error, and does
 * nothing outside of Linux.
 */
export function hideEnvironment(): void {
  if (process.platform !== "linux") return;
  const stat = readFileSync("/proc/self/stat", "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [start, end] = [Number(fields[ENV_START]), Number(fields[ENV_END])];
  if (!(start > 0 && end > start)) return;
  // The C library copies a value that is set, so that nothing refers to the old memory afterwards.
  for (const [name, value] of Object.entries(process.env)) process.env[name] = value;
  const memory = openSync("/proc/self/mem", "r+");
  try {
    writeSync(memory, Buffer.alloc(end - start), 0, end - start, start);
  } finally {
    closeSync(memory);
  }
}
