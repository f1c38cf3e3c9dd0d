import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { systemClock, type Clock } from "../../core/clock.ts";
import { errnoOf } from "../../core/files.ts";
import { MARKER_VARIABLE } from "../../core/marked-processes.ts";
import { asNumber, asString, type JsonObject } from "../../core/json.ts";
import { TOOL_LIMITS } from "../limits.ts";
import { errorResult, fileError, textResult } from "../results.ts";
import type { Tool, ToolContext, ToolResult } from "../tool.ts";
import { runCommand, type CommandEnd } from "../command.ts";
import { hasProcesses, type GroupWatcher } from "../group-watcher.ts";
import { CommandOutput } from "./output.ts";

export type BashOptions = {
  /** The whole environment of commands. */
  env: Readonly<Record<string, string>>;
  /** Value of `OPENCLAW_RUNNER` in commands, by which processes that outlive their group are found. */
  marker: string;
  /** Where output that is longer than a result is kept. */
  tempDir: string;
  /** Ends what runs when the gateway has ended. */
  watcher: GroupWatcher;
  clock?: Pick<Clock, "after" | "monotonic">;
};

const NO_OUTPUT = "(no output)";

const PARAMETERS: JsonObject = {
  type: "object",
  properties: {
    command: { type: "string", description: "The command line" },
    timeout: { type: "number", description: "Seconds until it is killed; no limit by default" },
  },
  required: ["command"],
};

export function createBashTool({ env, marker, tempDir, watcher, clock = systemClock }: BashOptions): Tool {
  const leftovers = new Leftovers(watcher, clock);
  const commandEnv = { ...env, [MARKER_VARIABLE]: marker };

  async function run(args: JsonObject, context: ToolContext): Promise<ToolResult> {
    const timeout = asNumber(args["timeout"]);
    const problem = findProblem(timeout);
    if (problem !== null) return errorResult(problem);
    await checkDirectory(context.workspace);
    const output = new CommandOutput(tempDir);
    const updates = new Updates(context, output, clock);
    try {
      const end = await runCommand({
        argv: [findShell(), "-c", asString(args["command"])],
        cwd: context.workspace,
        env: commandEnv,
        timeoutMs: timeout === null ? undefined : timeout * 1_000,
        signal: context.signal,
        watcher,
        clock,
        log: context.log,
        onOutput: (chunk) => {
          output.append(chunk);
          updates.schedule();
        },
      });
      leftovers.watch(end.group);
      return toResult(end, output.toText(), timeout);
    } catch (err) {
      throw startError(err);
    } finally {
      updates.close();
      output.close();
    }
  }

  return {
    name: "bash",
    description:
      "Runs a shell command in the workspace; returns stdout and stderr, of long output the last 2000 lines or 50 KB and the file with all of it.",
    parameters: PARAMETERS,
    run,
    stop: async () => leftovers.stop(),
  };
}

function findProblem(timeout: number | null): string | null {
  if (process.platform === "win32") return "bash does not run on Windows. Run the gateway in WSL, Linux or macOS to use it.";
  if (timeout === null || (timeout > 0 && timeout <= TOOL_LIMITS.timeoutSeconds)) return null;
  return `timeout must be more than 0 and at most ${TOOL_LIMITS.timeoutSeconds} seconds; leave it out for no limit.`;
}

const findShell = (): string => (existsSync("/bin/bash") ? "/bin/bash" : "/bin/sh");

async function checkDirectory(path: string): Promise<void> {
  try {
    if (!(await stat(path)).isDirectory()) throw Object.assign(new Error("not a directory"), { code: "ENOTDIR" });
  } catch (err) {
    throw fileError("run a command in", path, err);
  }
}

function startError(err: unknown): Error {
  if (errnoOf(err) === "E2BIG")
    return new Error("The command is too long for the system. Write it to a file with the write tool and run the file.", { cause: err });
  return fileError("start the shell in", "the workspace", err);
}

function toResult({ reason, exitCode }: CommandEnd, text: string, timeout: number | null): ToolResult {
  const withStatus = (status: string): ToolResult => errorResult(`${text || NO_OUTPUT}\n\n${status}`);
  if (reason === "stopped") return withStatus("The command was stopped.");
  if (reason === "timed out") return withStatus(`The command was killed: it ran longer than ${timeout} seconds.`);
  if (exitCode === 0) return textResult(text || NO_OUTPUT);
  return withStatus(`The command failed with exit code ${exitCode}.`);
}

/** Sends the output at most every `updateMs`: at once after a pause, otherwise when the interval is over. */
class Updates {
  readonly #context: ToolContext;
  readonly #output: CommandOutput;
  readonly #clock: Pick<Clock, "after" | "monotonic">;
  #lastAt = -Infinity;
  #cancel: (() => void) | null = null;

  constructor(context: ToolContext, output: CommandOutput, clock: Pick<Clock, "after" | "monotonic">) {
    this.#context = context;
    this.#output = output;
    this.#clock = clock;
  }

  schedule(): void {
    if (this.#cancel !== null) return;
    const wait = this.#lastAt + TOOL_LIMITS.updateMs - this.#clock.monotonic();
    if (wait <= 0) this.#send();
    else this.#cancel = this.#clock.after(wait, () => this.#send());
  }

  close(): void {
    this.#cancel?.();
  }

  #send(): void {
    this.#cancel = null;
    this.#lastAt = this.#clock.monotonic();
    this.#context.update([{ type: "text", text: this.#output.toText() }]);
  }
}

/** Processes that finished commands left running. They stay, as those of a terminal do, until the gateway stops. */
class Leftovers {
  readonly #watcher: GroupWatcher;
  readonly #clock: Pick<Clock, "after">;
  readonly #groups = new Set<number>();
  #isChecking = false;

  constructor(watcher: GroupWatcher, clock: Pick<Clock, "after">) {
    this.#watcher = watcher;
    this.#clock = clock;
  }

  watch(group: number): void {
    if (!hasProcesses(group)) return this.#watcher.remove(group);
    this.#groups.add(group);
    if (!this.#isChecking) this.#checkLater();
  }

  stop(): void {
    this.#groups.clear();
    this.#watcher.killAll();
  }

  /** A number must be forgotten soon after its group has ended, before the system gives it to another one. */
  #checkLater(): void {
    this.#isChecking = true;
    this.#clock.after(TOOL_LIMITS.leftoverCheckMs, () => {
      this.#isChecking = false;
      for (const group of this.#groups) {
        if (hasProcesses(group)) continue;
        this.#groups.delete(group);
        this.#watcher.remove(group);
      }
      if (this.#groups.size > 0) this.#checkLater();
    });
  }
}
