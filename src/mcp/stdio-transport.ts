import { stat } from "node:fs/promises";
import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/client";
import { sleep } from "../core/async.ts";
import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import { isObject, tryParseJson } from "../core/json.ts";
import type { Log } from "../core/log.ts";
import { startCommand, type RunningCommand } from "../tools/command.ts";
import type { GroupWatcher } from "../tools/group-watcher.ts";
import { killSessions } from "../tools/process-groups.ts";
import { MCP_LIMITS } from "./limits.ts";

export type StdioOptions = {
  argv: readonly string[];
  cwd: string;
  /** The whole environment. */
  env: Readonly<Record<string, string>>;
  watcher: GroupWatcher;
  clock: Pick<Clock, "after">;
  log: Log;
};

const LINE_END = 0x0a;

/** A server as a child process: one message on each line of its input and output. It ends with everything that it started. */
export class StdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #options: StdioOptions;
  readonly #kill = new AbortController();
  #command: RunningCommand | null = null;
  #ended: Promise<void> | null = null;
  /** The beginning of a line that has not ended. */
  #partial: Buffer[] = [];
  #partialBytes = 0;
  #errorOutput = "";
  #end: string | null = null;

  constructor(options: StdioOptions) {
    this.#options = options;
  }

  get pid(): number | null {
    return this.#command?.pid ?? null;
  }

  /** Why the process has ended; null while it runs. */
  get end(): string | null {
    return this.#end;
  }

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
      onErrorOutput: (chunk) => (this.#errorOutput = (this.#errorOutput + chunk.toString("utf8")).slice(-4 * MCP_LIMITS.causeChars)),
    });
    this.#ended = this.#watch(this.#command);
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const input = this.#command?.input;
    if (!input || this.#end !== null) throw new Error(this.#end ?? "it is not started");
    if (input.writableLength > MCP_LIMITS.messageBytes) throw new Error("it does not read what it is sent");
    try {
      await new Promise<void>((resolve, reject) => {
        input.write(`${JSON.stringify(message)}\n`, (err) => (err ? reject(err) : resolve()));
      });
    } catch (err) {
      // A pipe is closed before its process has ended; the end says why.
      await Promise.race([this.#ended, sleep(this.#options.clock, MCP_LIMITS.stopMs)]);
      throw this.#end === null ? err : new Error(this.#end, { cause: err });
    }
  }

  /** Ends the input, and kills what has not ended soon after. */
  async close(): Promise<void> {
    const { clock } = this.#options;
    if (this.#ended === null) return this.#kill.abort();
    this.#command?.input?.end();
    await Promise.race([this.#ended, sleep(clock, MCP_LIMITS.stopMs)]);
    this.#kill.abort();
    await this.#ended;
  }

  async #watch({ pid, ended }: RunningCommand): Promise<void> {
    const { exitCode } = await ended;
    // What it has started serves no one any more.
    killSessions([pid]);
    const said = lastLine(this.#errorOutput);
    this.#end ??= `it ended with exit code ${exitCode ?? "unknown"}${said === "" ? "" : `: ${said}`}`;
    this.onclose?.();
  }

  #read(chunk: Buffer): void {
    let rest = chunk;
    for (let at = rest.indexOf(LINE_END); at >= 0; at = rest.indexOf(LINE_END)) {
      this.#readLine(Buffer.concat([...this.#partial, rest.subarray(0, at)]));
      this.#partial = [];
      this.#partialBytes = 0;
      rest = rest.subarray(at + 1);
    }
    if (rest.length === 0) return;
    this.#partial.push(rest);
    this.#partialBytes += rest.length;
    if (this.#partialBytes <= MCP_LIMITS.messageBytes) return;
    this.#partial = [];
    this.#partialBytes = 0;
    this.#end ??= `it wrote a message of more than ${MCP_LIMITS.messageBytes} bytes and was ended`;
    this.#kill.abort();
  }

  /** Servers also write other lines than messages. */
  #readLine(line: Buffer): void {
    if (this.#end !== null) return;
    const message = tryParseJson(line.toString("utf8"));
    if (!isObject(message) || message["jsonrpc"] !== "2.0") return;
    try {
      this.onmessage?.(message as JSONRPCMessage);
    } catch (err) {
      // This is a listener of a pipe: what it throws would end the gateway.
      this.#end ??= `it wrote what could not be handled (${reasonOf(err).slice(0, MCP_LIMITS.causeChars)}) and was ended`;
      this.#kill.abort();
    }
  }
}

const lastLine = (text: string): string => text.trimEnd().split("\n").at(-1)!.trim().slice(0, MCP_LIMITS.causeChars);
