import type { Writable } from "node:stream";
import { deadlineAfter, sleep } from "../core/async.ts";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { clip } from "../core/text.ts";
import type { AllowedCommand } from "./command-gate.ts";
import { startCommand, type CommandEnd } from "./command.ts";
import { CommandOutput, type OutputPart } from "./command-output.ts";
import type { GroupWatcher } from "./group-watcher.ts";
import { TOOL_LIMITS } from "./limits.ts";
import type { ToolCaller } from "./tool.ts";

export type AgentCommandOptions = {
  caller: ToolCaller;
  /** As the agent wrote it. */
  text: string;
  /** Where output that is longer than a result is kept. */
  outputDir: string;
  timeoutSeconds: number;
  /** Whether it is started in a terminal. */
  isTerminal: boolean;
  watcher: GroupWatcher;
  clock: Pick<Clock, "after" | "monotonic">;
  /** Called after each piece of output. */
  onOutput?: () => void;
};

/** What a command that was started reads from. */
export type CommandInput =
  | { kind: "none" }
  | { kind: "pipe" }
  | {
      kind: "terminal";
      /** Path of util-linux' `script`. */
      program: string;
    };

/** One command of an agent, from before its start until it is forgotten. */
export class AgentCommand {
  readonly caller: ToolCaller;
  /** As the agent wrote it. */
  readonly text: string;
  readonly timeoutSeconds: number;
  /** By which the agent names it; null before it has gone to the background. */
  id: string | null = null;
  readonly #options: AgentCommandOptions;
  readonly #stopping = new AbortController();
  readonly #ended = Promise.withResolvers<CommandEnd>();
  readonly #output: CommandOutput;
  #inputKind: CommandInput["kind"] = "none";
  #isolation: string | null = null;
  #input: Writable | null = null;
  #pid = 0;
  #startedAt = 0;
  #end: { how: CommandEnd; at: number } | null = null;
  /** The position of the output up to which the agent has seen it. */
  #seen = 0;
  /** Whether the agent has seen its end, and the calls that wait and will show it. */
  #isEndSeen = false;
  #polls = 0;
  #onNews: (() => void)[] = [];

  constructor(options: AgentCommandOptions) {
    this.#options = options;
    this.caller = options.caller;
    this.text = options.text;
    this.timeoutSeconds = options.timeoutSeconds;
    this.#output = new CommandOutput({ directory: options.outputDir, isTerminal: options.isTerminal });
    // A command that nothing waits for may fail as well.
    this.#ended.promise.catch(() => {});
  }

  get pid(): number {
    return this.#pid;
  }

  /** How it ended; null while it runs. */
  get end(): CommandEnd | null {
    return this.#end?.how ?? null;
  }

  /** How long it has run, or ran. */
  get durationMs(): number {
    return (this.#end?.at ?? this.#options.clock.monotonic()) - this.#startedAt;
  }

  /** Whether a result shows the agent that it has ended. */
  get isEndSeen(): boolean {
    return this.#isEndSeen || this.#polls > 0;
  }

  get output(): Pick<CommandOutput, "tail" | "lines" | "path" | "lastBytes" | "shrink"> {
    return this.#output;
  }

  /** How it is isolated, as a sentence; null outside of the sandbox. */
  get isolation(): string | null {
    return this.#isolation;
  }

  get inputKind(): CommandInput["kind"] {
    return this.#inputKind;
  }

  /** Resolves when it has ended and its output is complete. */
  get ended(): Promise<CommandEnd> {
    return this.#ended.promise;
  }

  /** Resolves when it runs, or was stopped before. Rejects when it cannot be started. */
  async start({ argv, cwd, env, inputs, release, isolation }: AllowedCommand, input: CommandInput, log: Log): Promise<void> {
    const { clock, watcher } = this.#options;
    this.#inputKind = input.kind;
    this.#isolation = isolation ?? null;
    this.#startedAt = clock.monotonic();
    const running = await startCommand({
      argv,
      cwd,
      env,
      inputs,
      release,
      timeoutMs: this.timeoutSeconds * 1_000,
      signal: this.#stopping.signal,
      watcher,
      clock,
      log,
      onOutput: (chunk) => this.#onOutput(chunk),
      ...(input.kind === "pipe" && { input: "pipe" }),
      ...(input.kind === "terminal" && { terminal: input.program }),
    });
    this.#pid = running.pid;
    this.#input = running.input;
    running.ended.then((how) => this.#onEnd(how), this.#ended.reject);
  }

  /** Ends it with all of its processes. */
  stop(): void {
    this.#stopping.abort();
  }

  /** The end of the output; the agent has then seen all of it. */
  takeTail(maxChars?: number): OutputPart {
    this.#seen = this.#output.totalBytes;
    return this.#output.tail(maxChars);
  }

  /**
   * What the agent has not seen of the output, at most as much as one result holds. Waits up to `waitMs` for some of it or for the end,
   * and a moment longer for more of it.
   */
  async poll(waitMs: number, signal: AbortSignal): Promise<OutputPart> {
    const { clock } = this.#options;
    const deadline = deadlineAfter(clock, waitMs);
    this.#polls += 1;
    if (!this.#hasNews && waitMs > 0) await this.#untilNews(waitMs, signal);
    const gatherMs = Math.min(TOOL_LIMITS.pollGatherMs, deadline.remainingMs());
    if (this.#end === null && this.#hasNews && gatherMs > 0) await this.#untilEnd(gatherMs, signal);
    this.#polls -= 1;
    this.#isEndSeen ||= this.#end !== null;
    const { text, note, position } = this.#output.since(this.#seen);
    this.#seen = position;
    return { text, note };
  }

  /** Resolves to whether the command has read it so far. Rejects, with the reason, when it reads nothing more. */
  async write(text: string, options: { isLast?: boolean } = {}): Promise<boolean> {
    const input = this.#input;
    if (this.#end !== null) throw new Error(`${this.id} has ended, and reads nothing more.`);
    if (input === null) throw new Error(`${this.id} has no input. Start a command with background or pty to write to it.`);
    if (input.writableEnded || input.destroyed) throw new Error(`The input of ${this.id} is closed.`);
    if (input.writableLength + Buffer.byteLength(text) > TOOL_LIMITS.inputBytes)
      throw new Error(`${this.id} does not read its input: ${input.writableLength} bytes wait for it. Nothing was written.`);
    const isRead = new Promise<boolean>((resolve, reject) => {
      const done = (err?: Error | null): void =>
        err ? reject(new Error(`${this.id} has closed its input.`, { cause: err })) : resolve(true);
      if (options.isLast === true) input.end(text, done);
      else input.write(text, done);
    });
    const over = new AbortController();
    const isLate = sleep(this.#options.clock, TOOL_LIMITS.inputMs, over.signal).then(() => false);
    return Promise.race([isRead, isLate]).finally(() => over.abort());
  }

  /** Removes what is kept of the output. */
  discard(): void {
    this.#output.discard();
  }

  #onOutput(chunk: Buffer): void {
    this.#output.append(chunk);
    this.#announce();
    this.#options.onOutput?.();
  }

  #onEnd(how: CommandEnd): void {
    this.#end = { how, at: this.#options.clock.monotonic() };
    this.#output.finish();
    this.#announce();
    this.#ended.resolve(how);
  }

  get #hasNews(): boolean {
    return this.#end !== null || this.#output.totalBytes > this.#seen;
  }

  async #untilNews(waitMs: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onNews.push(resolve);
    await Promise.race([promise, sleep(this.#options.clock, waitMs, AbortSignal.any([signal, over.signal]))]);
    over.abort();
  }

  async #untilEnd(waitMs: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const waited = sleep(this.#options.clock, waitMs, AbortSignal.any([signal, over.signal]));
    await Promise.race([this.ended, waited]);
    over.abort();
  }

  #announce(): void {
    const waiting = this.#onNews;
    this.#onNews = [];
    for (const resolve of waiting) resolve();
  }
}

/** A duration for people and models: `42 s`. Pure. */
export const formatSeconds = (ms: number): string => `${Math.round(ms / 1_000)} s`;

/** `ended with exit code 0 after 42 s`. */
export function describeEnd(command: AgentCommand): string {
  const after = `after ${formatSeconds(command.durationMs)}`;
  const { end } = command;
  if (end === null) return `is still running ${after}`;
  if (end.reason === "stopped") return `was stopped ${after}`;
  if (end.reason === "timed out") return `was killed ${after}: it ran longer than its timeout of ${command.timeoutSeconds} s`;
  return `ended with exit code ${end.exitCode} ${after}`;
}

/** The text of a command on one line. */
export function shortText({ text }: AgentCommand): string {
  const line = text.trim().replaceAll(/\s+/g, " ");
  const short = clip(line, TOOL_LIMITS.shownCommandChars);
  return short.length < line.length ? `${short}...` : short;
}
