import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import { Writable } from "node:stream";
import { sleep } from "../core/async.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { TOOL_LIMITS } from "./limits.ts";
import { killGroup, type GroupWatcher } from "./group-watcher.ts";
import { coverInherited } from "./inherited-descriptors.ts";

/**
 * Waits on descriptor 3 until the watcher knows the process group, closes the descriptor and becomes the command. When the
 * gateway ends before, the end of file ends it. Files that a command creates are private to their owner.
 */
const LAUNCH_SCRIPT = `umask 077
read -r ready <&3 || exit 1
unset ready
exec 3<&-
exec "$@"`;

export type CommandOptions = {
  /** The program and its arguments. */
  argv: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string>>;
  /** What the command reads from the descriptors 4, 5, and so on; none by default. */
  inputs?: readonly Uint8Array[];
  timeoutMs: number | undefined;
  signal: AbortSignal;
  watcher: GroupWatcher;
  clock: Pick<Clock, "after">;
  log: Log;
  onOutput: (chunk: Buffer) => void;
};

export type CommandEnd = {
  /** The process group, of which processes may still run. */
  group: number;
  /** 128 and the number of the signal when a signal ended the shell; null when its end was not seen after a kill. */
  exitCode: number | null;
  reason: "exited" | "stopped" | "timed out";
};

/** Runs one command in a process group of its own. Rejects when it cannot be started. */
export async function runCommand(options: CommandOptions): Promise<CommandEnd> {
  const { argv, cwd, env, inputs = [], watcher, signal, clock, timeoutMs } = options;
  const child = spawn("/bin/sh", ["-c", LAUNCH_SCRIPT, "sh", ...argv], {
    cwd,
    env,
    detached: true,
    stdio: coverInherited(["ignore", "pipe", "pipe", "pipe", ...inputs.map(() => "pipe" as const)]),
  });
  const exit = watchExit(child);
  const [gate, ...sources] = openInputs(child);
  const drained = readOutput(child, options);
  const group = child.pid;
  // A process that did not start has no group; its exit has the reason.
  if (group === undefined) return { group: 0, reason: "exited", exitCode: await exit };
  let reason: CommandEnd["reason"] = "exited";
  const { promise: killed, resolve: setKilled } = Promise.withResolvers<void>();
  const kill = (why: "stopped" | "timed out"): void => {
    if (reason === "exited") reason = why;
    killGroup(group);
    void sleep(clock, TOOL_LIMITS.killMs).then(setKilled);
  };
  const onAbort = (): void => kill("stopped");
  signal.addEventListener("abort", onAbort, { once: true });
  const cancelTimeout = timeoutMs === undefined ? undefined : clock.after(timeoutMs, () => kill("timed out"));
  try {
    if (signal.aborted) onAbort();
    else await release(group, { gate: gate!, sources }, options);
    const exitCode = await Promise.race([exit, killed.then(() => null)]);
    cancelTimeout?.();
    await drained.finish();
    return { group, reason, exitCode };
  } catch (err) {
    killGroup(group);
    watcher.remove(group);
    throw err;
  } finally {
    signal.removeEventListener("abort", onAbort);
    cancelTimeout?.();
    drained.close();
  }
}

/** The exit code. Rejects when the process could not be started. */
function watchExit(child: ChildProcess): Promise<number> {
  const exit = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
  // It may fail before it is awaited.
  exit.catch(() => {});
  return exit;
}

async function release(
  group: number,
  { gate, sources }: { gate: Writable; sources: readonly Writable[] },
  { inputs = [], watcher, log }: CommandOptions,
): Promise<void> {
  for (const [index, input] of inputs.entries()) sources[index]!.end(input);
  await watcher.add(group, log);
  gate.end("\n");
}

/** The streams from descriptor 3 on: the gate of the launch script, and the inputs. */
function openInputs(child: ChildProcess): Writable[] {
  const streams = child.stdio.slice(3).filter((stream) => stream instanceof Writable);
  // A command that was killed, or that failed, does not read to the end.
  for (const stream of streams) stream.on("error", () => {});
  return streams;
}

type Draining = { finish: () => Promise<void>; close: () => void };

/** Reads both streams. Processes that a command left behind may hold them open: `finish` waits only as long as output arrives. */
function readOutput(child: ChildProcess, { clock, onOutput }: CommandOptions): Draining {
  const streams = [child.stdout, child.stderr].filter((stream) => stream !== null);
  let chunks = 0;
  let isOpen = true;
  let open = streams.length;
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  for (const stream of streams) {
    stream.on("data", (chunk: Buffer) => {
      chunks += 1;
      if (isOpen) onOutput(chunk);
    });
    stream.on("error", () => {});
    stream.once("close", () => {
      open -= 1;
      if (open === 0) resolve();
    });
  }
  const isSilent = async (wait: Promise<void>): Promise<boolean> => {
    const before = chunks;
    await Promise.race([ended, wait]);
    // Timers come before input in the event loop: what lies in the pipes is read first.
    await new Promise((next) => setImmediate(next));
    await new Promise((next) => setImmediate(next));
    return open === 0 || chunks === before;
  };
  const finish = async (): Promise<void> => {
    const over = new AbortController();
    const cancel = clock.after(TOOL_LIMITS.outputDrainMs, () => over.abort());
    while (!over.signal.aborted && !(await isSilent(sleep(clock, TOOL_LIMITS.outputSilenceMs, over.signal))));
    cancel();
  };
  return {
    finish,
    close: () => {
      isOpen = false;
      for (const stream of streams) stream.destroy();
    },
  };
}
