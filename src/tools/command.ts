import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";
import { sleep } from "../core/async.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { startProcess, type ChildProcess } from "../core/start-process.ts";
import { TOOL_LIMITS } from "./limits.ts";
import type { GroupWatcher } from "./group-watcher.ts";
import { coverInherited } from "./inherited-descriptors.ts";
import { killSessions } from "./process-groups.ts";
import { toTerminalLaunch } from "./terminal.ts";

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
  timeoutMs: number | undefined;
  signal: AbortSignal;
  watcher: GroupWatcher;
  clock: Pick<Clock, "after">;
  log: Log;
  onOutput: (chunk: Buffer) => void;
  /** Gets the error output; without it `onOutput` gets both. */
  onErrorOutput?: (chunk: Buffer) => void;
  /** Where the command reads from: nothing by default, what is written to `RunningCommand.input`, or an open descriptor. */
  input?: "pipe" | number | undefined;
  /** What the command reads from the descriptors 4, 5, and so on; none by default. */
  inputs?: readonly Uint8Array[] | undefined;
  /** Ends what it has left running where its process group does not reach. Called once; its end counts as the command's. */
  release?: ((how: CommandEnd["reason"]) => Promise<void>) | undefined;
  /** Path of util-linux' `script`: the command reads from, and writes to, a terminal of its own. */
  terminal?: string | undefined;
};

export type CommandEnd = {
  /** 128 and the number of the signal when a signal ended the shell; null when its end was not seen after a kill. */
  exitCode: number | null;
  reason: "exited" | "stopped" | "timed out";
};

export type RunningCommand = {
  pid: number;
  /** Null for a command that reads nothing. */
  input: Writable | null;
  /** Resolves when the command has ended and its output was read. */
  ended: Promise<CommandEnd>;
};

/** Runs one command in a process group of its own, to its end. Rejects when it cannot be started. */
export const runCommand = async (options: CommandOptions): Promise<CommandEnd> => (await startCommand(options)).ended;

/** Starts one command in a process group of its own. Rejects when it cannot be started. */
export async function startCommand(options: CommandOptions): Promise<RunningCommand> {
  const { watcher, signal, clock, timeoutMs } = options;
  let child: ChildProcess;
  try {
    child = launch(options);
  } catch (err) {
    await options.release?.("stopped");
    throw err;
  }
  const exit = watchExit(child);
  const output = readOutput(child, options);
  // A process that did not start has no number; its exit has the reason.
  if (child.pid === undefined) {
    await options.release?.("stopped");
    await exit;
    throw new Error("the command did not start");
  }
  const groups = [child.pid];
  let reason: CommandEnd["reason"] = "exited";
  const { promise: killed, resolve: setKilled } = Promise.withResolvers<void>();
  let released: Promise<void> | undefined;
  const release = (): Promise<void> => (released ??= options.release?.(reason) ?? Promise.resolve());
  /** What has left the group is only seen with a file descriptor. */
  const killAll = (left: number = TOOL_LIMITS.killAttempts): void => {
    if (!killSessions(groups) && left > 1) clock.after(TOOL_LIMITS.leftoverCheckMs, () => killAll(left - 1));
  };
  const kill = (why: "stopped" | "timed out"): void => {
    if (reason === "exited") reason = why;
    killAll();
    // Who waits for the end learns of a failure.
    release().catch(() => {});
    void sleep(clock, TOOL_LIMITS.killMs).then(setKilled);
  };
  const onAbort = (): void => kill("stopped");
  signal.addEventListener("abort", onAbort, { once: true });
  const cancelTimeout = timeoutMs === undefined ? undefined : clock.after(timeoutMs, () => kill("timed out"));
  const close = (): void => {
    signal.removeEventListener("abort", onAbort);
    cancelTimeout?.();
    output.close();
    child.stdin?.destroy();
    for (const stream of child.stdio.slice(3)) stream?.destroy();
    for (const group of groups) watcher.ended(group);
  };
  const untilEnd = async (): Promise<CommandEnd> => {
    try {
      const exitCode = await Promise.race([exit, killed.then(() => null)]);
      cancelTimeout?.();
      await Promise.all([output.finish(), release()]);
      return { reason, exitCode };
    } finally {
      close();
    }
  };
  try {
    if (signal.aborted) onAbort();
    else await letBegin(child, groups, options);
  } catch (err) {
    // A command that was killed before it began does not read its release.
    if (reason === "exited") {
      killSessions(groups);
      close();
      await release();
      throw err;
    }
  }
  return { pid: groups.at(-1)!, input: child.stdin, ended: untilEnd() };
}

function launch({ argv, cwd, env, input, inputs = [], terminal }: CommandOptions): ChildProcess {
  const launched =
    terminal === undefined
      ? { program: "/bin/sh", args: ["-c", LAUNCH_SCRIPT, "sh", ...argv], env }
      : toTerminalLaunch(terminal, argv, env);
  const child = startProcess(launched.program, launched.args, {
    cwd,
    env: launched.env,
    detached: true,
    stdio: coverInherited([
      input ?? (terminal === undefined ? "ignore" : "pipe"),
      "pipe",
      "pipe",
      "pipe",
      ...inputs.map(() => "pipe" as const),
    ]),
  });
  // Neither reads a command that has ended, or was killed before it began. Who writes its input learns it from the write.
  child.stdin?.on("error", () => {});
  for (const stream of child.stdio.slice(3)) stream?.on("error", () => {});
  return child;
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

/** Lets the command begin as soon as the watcher knows its groups: in a terminal there is a second one, whose number is added to `groups`. */
async function letBegin(child: ChildProcess, groups: number[], { inputs = [], watcher, log, terminal }: CommandOptions): Promise<void> {
  const gate = child.stdio[3] as Readable & Writable;
  for (const [index, input] of inputs.entries()) (child.stdio[4 + index] as Writable).end(input);
  await watcher.add(groups[0]!, log);
  if (terminal !== undefined) {
    const leader = Number(await readLine(gate));
    if (!(leader > 1)) throw new Error(`${terminal} could not open a terminal`);
    groups.push(leader);
    await watcher.add(leader, log);
  }
  gate.end("\n");
}

/** The first line, or what there is of it at the end. */
function readLine(stream: Readable): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const done = (): void => resolve(text);
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (text.includes("\n")) done();
    });
    stream.once("close", done);
    stream.once("end", done);
  });
}
type Draining = { finish: () => Promise<void>; close: () => void };

/** Reads both streams. Processes that a command left behind may hold them open: `finish` waits only as long as output arrives. */
function readOutput(child: ChildProcess, { clock, onOutput, onErrorOutput = onOutput }: CommandOptions): Draining {
  const streams = [child.stdout, child.stderr].filter((stream) => stream !== null);
  let chunks = 0;
  let isOpen = true;
  let open = streams.length;
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  for (const stream of streams) {
    stream.on("data", (chunk: Buffer) => {
      chunks += 1;
      if (isOpen) (stream === child.stderr ? onErrorOutput : onOutput)(chunk);
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
