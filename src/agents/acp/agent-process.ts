import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { sleep } from "../../core/async.ts";
import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { isObject, tryParseJson, type JsonObject } from "../../core/json.ts";
import type { Log } from "../../core/log.ts";
import { killMarkedProcesses, MARKER_VARIABLE } from "../../core/marked-processes.ts";
import { clip } from "../../core/text.ts";
import { startCommand, type RunningCommand } from "../../tools/command.ts";
import type { GroupWatcher } from "../../tools/group-watcher.ts";
import { killSessions } from "../../tools/process-groups.ts";
import { ACP_LIMITS } from "./limits.ts";

export type AgentProcessOptions = {
  argv: readonly string[];
  cwd: string;
  /** The whole environment. */
  env: Readonly<Record<string, string>>;
  /** Ends the process, and all that it has started, when the gateway is killed. */
  watcher: GroupWatcher;
  clock: Pick<Clock, "after">;
  log: Log;
  onMessage: (message: JsonObject) => void;
  /** Called once, after the last message. */
  onEnd: () => void;
};

/** How a process has ended. */
export type AgentProcessEnd = {
  /** One sentence. */
  cause: string;
  exitCode: number | null;
  /** The end of its error output; empty for none. */
  stderr: string;
};

const LINE_END = 0x0a;
/** Of a shell that did not find the program, or may not run it. */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/** An agent as a child process: one message on each line of its input and output. It ends with everything that it has started. */
export class AgentProcess {
  readonly #options: AgentProcessOptions;
  readonly #kill = new AbortController();
  #command: RunningCommand | null = null;
  #ended: Promise<void> | null = null;
  /** The beginning of a line that has not ended. */
  #partial: Buffer[] = [];
  #partialBytes = 0;
  #stderr = Buffer.alloc(0);
  #cause: string | null = null;
  #end: AgentProcessEnd | null = null;
  #garbageInARow = 0;
  #firstGarbage: string | null = null;

  /** In the environment of this process and of all that it starts; empty where such a process is not looked for. */
  readonly #marker: string;

  constructor(options: AgentProcessOptions) {
    this.#options = options;
    const marker = options.env[MARKER_VARIABLE] ?? "";
    this.#marker = marker === "" ? "" : `${marker}-acp-${randomBytes(4).toString("hex")}`;
  }

  get pid(): number | null {
    return this.#command?.pid ?? null;
  }

  /** Null while it runs. */
  get end(): AgentProcessEnd | null {
    return this.#end;
  }

  /** The first line that was no message, or the beginning of one that has not ended; null: there was none. */
  get oddOutput(): string | null {
    if (this.#firstGarbage !== null) return this.#firstGarbage;
    return this.#partialBytes === 0 ? null : shown(Buffer.concat(this.#partial).toString("utf8"));
  }

  /** The end of what it has written to its error output so far. */
  get stderr(): string {
    return this.#stderr.toString("utf8").trim();
  }

  /** Rejects when it cannot be started. */
  async start(): Promise<void> {
    const { argv, cwd, env, watcher, clock, log } = this.#options;
    const directory = await stat(cwd).catch(() => null);
    if (!directory?.isDirectory()) throw new Error(`its directory ${cwd} does not exist`);
    this.#command = await startCommand({
      argv,
      cwd,
      env: this.#marker === "" ? env : { ...env, [MARKER_VARIABLE]: this.#marker },
      timeoutMs: undefined,
      signal: this.#kill.signal,
      watcher,
      clock,
      log,
      input: "pipe",
      onOutput: (chunk) => this.#read(chunk),
      onErrorOutput: (chunk) => (this.#stderr = Buffer.concat([this.#stderr, chunk]).subarray(-ACP_LIMITS.stderrBytes)),
    });
    this.#ended = this.#watch(this.#command);
  }

  /** Resolves when the process has taken the message; rejects when it cannot. */
  async send(message: unknown): Promise<void> {
    const input = this.#command?.input;
    if (!input || this.#end !== null) throw new Error(this.#end?.cause ?? "it is not started");
    if (input.writableLength > ACP_LIMITS.messageBytes) throw new Error("it does not read what it is sent");
    await new Promise<void>((resolve, reject) => {
      input.write(`${JSON.stringify(message)}\n`, (err) => (err ? reject(err) : resolve()));
    });
  }

  /** Ends the input, and kills what has not ended soon after. Resolves when it has ended. */
  async close(): Promise<void> {
    if (this.#ended === null) return this.#kill.abort();
    this.#cause ??= "it was ended";
    this.#command?.input?.end();
    const over = new AbortController();
    await Promise.race([this.#ended, sleep(this.#options.clock, ACP_LIMITS.stopMs, over.signal)]);
    over.abort();
    this.#kill.abort();
    await this.#ended;
  }

  /** Kills it at once, for this cause. */
  fail(cause: string): void {
    this.#cause ??= cause;
    this.#kill.abort();
  }

  async #watch({ pid, ended }: RunningCommand): Promise<void> {
    const { exitCode } = await ended;
    // Before anything else: what is asked to end from now on has ended by itself.
    const cause = this.#cause ?? this.#exitCause(exitCode);
    // What it has started serves no one any more, also what has left its session.
    killSessions([pid]);
    if (this.#marker !== "") await killMarkedProcesses(this.#marker, this.#options.log);
    this.#end = { cause, exitCode, stderr: this.stderr };
    this.#options.onEnd();
  }

  #exitCause(exitCode: number | null): string {
    const [program] = this.#options.argv;
    if (exitCode === NOT_FOUND) return `its program ${program} was not found`;
    if (exitCode === NOT_EXECUTABLE) return `its program ${program} may not be run`;
    return `it ended with exit code ${exitCode ?? "unknown"}`;
  }

  #read(chunk: Buffer): void {
    let rest = chunk;
    for (let at = rest.indexOf(LINE_END); at >= 0; at = rest.indexOf(LINE_END)) {
      if (this.#partialBytes + at > ACP_LIMITS.messageBytes) return this.#tooLong();
      const line = this.#partial.length === 0 ? rest.subarray(0, at) : Buffer.concat([...this.#partial, rest.subarray(0, at)]);
      this.#partial = [];
      this.#partialBytes = 0;
      this.#readLine(line.toString("utf8"));
      rest = rest.subarray(at + 1);
    }
    if (rest.length === 0) return;
    this.#partial.push(rest);
    this.#partialBytes += rest.length;
    if (this.#partialBytes > ACP_LIMITS.messageBytes) this.#tooLong();
  }

  #tooLong(): void {
    this.#partial = [];
    this.#partialBytes = 0;
    this.fail(`it wrote a message of more than ${ACP_LIMITS.messageBytes} bytes`);
  }

  /** Agents also write other lines than messages, such as those of a logger. */
  #readLine(line: string): void {
    if (this.#cause !== null || line.trim() === "") return;
    const message = tryParseJson(line);
    if (isObject(message) && message["jsonrpc"] === "2.0") {
      this.#garbageInARow = 0;
      try {
        return this.#options.onMessage(message);
      } catch (err) {
        // This is a listener of a pipe: what it throws would end the gateway.
        return this.fail(`it wrote what could not be handled: ${reasonOf(err)}`);
      }
    }
    this.#firstGarbage ??= shown(line);
    this.#garbageInARow += 1;
    if (this.#garbageInARow > ACP_LIMITS.garbageLines) this.fail(`it wrote ${this.#garbageInARow} lines in a row that are no messages`);
  }
}

const shown = (text: string): string => JSON.stringify(clip(text.trim(), ACP_LIMITS.shownLineChars));
