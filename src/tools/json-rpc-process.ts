import { stat } from "node:fs/promises";
import { sleep } from "../core/async.ts";
import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import { isObject, tryParseJson, type JsonObject } from "../core/json.ts";
import type { Log } from "../core/log.ts";
import { startCommand, type RunningCommand } from "./command.ts";
import type { GroupWatcher } from "./group-watcher.ts";
import { TOOL_LIMITS } from "./limits.ts";
import { killSessions } from "./process-groups.ts";

export type JsonRpcProcessOptions = {
  argv: readonly string[];
  cwd: string;
  /** The whole environment. */
  env: Readonly<Record<string, string>>;
  /** Ends the process, and all that it has started, when the gateway is killed. */
  watcher: GroupWatcher;
  clock: Pick<Clock, "after">;
  log: Log;
};

const LINE_END = 0x0a;

/**
 * A child process that speaks JSON-RPC: one message on each line of its input and output. It ends with everything that it has started.
 * Nothing is read after `cause` is set.
 */
export abstract class JsonRpcProcess {
  readonly #options: JsonRpcProcessOptions;
  readonly #kill = new AbortController();
  #command: RunningCommand | null = null;
  #ended: Promise<void> | null = null;
  /** The beginning of a line that has not ended. */
  #partial: Buffer[] = [];
  #partialBytes = 0;
  #stderr = Buffer.alloc(0);
  #cause: string | null = null;

  constructor(options: JsonRpcProcessOptions) {
    this.#options = options;
  }

  protected abstract onRecord(message: JsonObject): void;

  /** Programs also write other lines than messages, such as those of a logger. */
  protected onOtherLine(_line: string): void {}

  /** In words, when nothing else has ended it. */
  protected abstract exitCause(exitCode: number | null): string;

  /** Called once, after the last message. */
  protected abstract onExit(exitCode: number | null): void | Promise<void>;

  get pid(): number | null {
    return this.#command?.pid ?? null;
  }

  /** Why it has ended, or is being ended; null while it runs. */
  get cause(): string | null {
    return this.#cause;
  }

  /** The end of what it has written to its error output so far. */
  get stderr(): string {
    return this.#stderr.toString("utf8").trim();
  }

  /** The beginning of a line that has not ended. */
  protected get unfinishedLine(): string {
    return Buffer.concat(this.#partial).toString("utf8");
  }

  /** Rejects when it cannot be started. */
  async start(): Promise<void> {
    const { argv, cwd, env, watcher, clock, log } = this.#options;
    const directory = await stat(cwd).catch(() => null);
    if (!directory?.isDirectory()) throw new Error(`its directory ${cwd} does not exist`);
    this.#command = await startCommand({
      argv,
      cwd,
      env,
      timeoutMs: undefined,
      signal: this.#kill.signal,
      watcher,
      clock,
      log,
      input: "pipe",
      onOutput: (chunk) => this.#read(chunk),
      onErrorOutput: (chunk) => (this.#stderr = Buffer.concat([this.#stderr, chunk]).subarray(-TOOL_LIMITS.rpcStderrBytes)),
    });
    this.#ended = this.#watch(this.#command);
  }

  /** Resolves when the process has taken the message; rejects when it cannot. */
  async send(message: unknown): Promise<void> {
    const input = this.#command?.input;
    if (!input || this.#cause !== null) throw new Error(this.#cause ?? "it is not started");
    if (input.writableLength > TOOL_LIMITS.rpcMessageBytes) throw new Error("it does not read what it is sent");
    try {
      await new Promise<void>((resolve, reject) => {
        input.write(`${JSON.stringify(message)}\n`, (err) => (err ? reject(err) : resolve()));
      });
    } catch (err) {
      // A pipe is closed before its process has ended; the end says why.
      await this.#within(TOOL_LIMITS.rpcStopMs);
      throw this.#cause === null ? err : new Error(this.#cause, { cause: err });
    }
  }

  /** Ends the input, and kills what has not ended soon after. Resolves when it has ended. With a cause nothing is read meanwhile. */
  async close(cause: string | null = null): Promise<void> {
    if (this.#ended === null) return this.#kill.abort();
    this.#cause ??= cause;
    this.#command?.input?.end();
    await this.#within(TOOL_LIMITS.rpcStopMs);
    this.#kill.abort();
    await this.#ended;
  }

  /** Kills it at once, for this cause. */
  fail(cause: string): void {
    this.#cause ??= cause;
    this.#kill.abort();
  }

  /** Resolves when it has ended, or after the time. */
  async #within(ms: number): Promise<void> {
    const over = new AbortController();
    await Promise.race([this.#ended, sleep(this.#options.clock, ms, over.signal)]);
    over.abort();
  }

  async #watch({ pid, ended }: RunningCommand): Promise<void> {
    const { exitCode } = await ended;
    // What it has started serves no one any more, also what has left its session.
    killSessions([pid]);
    this.#cause ??= this.exitCause(exitCode);
    await this.onExit(exitCode);
  }

  #read(chunk: Buffer): void {
    let rest = chunk;
    for (let at = rest.indexOf(LINE_END); at >= 0; at = rest.indexOf(LINE_END)) {
      if (this.#partialBytes + at > TOOL_LIMITS.rpcMessageBytes) return this.#tooLong();
      const line = this.#partial.length === 0 ? rest.subarray(0, at) : Buffer.concat([...this.#partial, rest.subarray(0, at)]);
      this.#partial = [];
      this.#partialBytes = 0;
      this.#readLine(line.toString("utf8"));
      rest = rest.subarray(at + 1);
    }
    if (rest.length === 0) return;
    this.#partial.push(rest);
    this.#partialBytes += rest.length;
    if (this.#partialBytes > TOOL_LIMITS.rpcMessageBytes) this.#tooLong();
  }

  #tooLong(): void {
    this.#partial = [];
    this.#partialBytes = 0;
    this.fail(`it wrote a message of more than ${TOOL_LIMITS.rpcMessageBytes} bytes and was ended`);
  }

  #readLine(line: string): void {
    if (this.#cause !== null || line.trim() === "") return;
    const message = tryParseJson(line);
    if (!isObject(message) || message["jsonrpc"] !== "2.0") return this.onOtherLine(line);
    try {
      this.onRecord(message);
    } catch (err) {
      // This is a listener of a pipe: an exception would end the gateway.
      this.fail(`it wrote what could not be handled (${reasonOf(err).slice(0, TOOL_LIMITS.rpcCauseChars)}) and was ended`);
    }
  }
}
