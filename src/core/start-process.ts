import { spawn, type ChildProcess } from "node:child_process";

export type { ChildProcess, ChildProcessByStdio, ChildProcessWithoutNullStreams } from "node:child_process";

/**
 * As `spawn`, and throws where the system has no descriptors for the pipes of the process. Node then returns a child without any pipe, and
 * says so in an event: who used a pipe first would end this process twice, by its own error and by that of the event.
 */
export const startProcess = ((...args: Parameters<typeof spawn>): ChildProcess => {
  const child: ChildProcess & { stdio: unknown } = spawn(...args);
  if (child.stdio !== undefined) return child;
  child.on("error", () => {});
  throw Object.assign(new Error(`no file descriptors are left to start ${args[0]}`), { code: "EMFILE" });
}) as typeof spawn;
