import { spawn, type ChildProcess } from "node:child_process";
import type { Writable } from "node:stream";
import { reasonOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Log } from "../../core/log.ts";
import { createJsonlSplitter, toJsonl } from "./jsonl.ts";
import { killMarkedProcesses } from "../../core/marked-processes.ts";

/** One record of Pi: an event, or an answer to a command. */
export type PiRecord = { type: string; id?: string } & Record<string, unknown>;
export type PiCommand = { type: string } & Record<string, unknown>;

/** Replaces a record that was too long to be read. */
export const SKIPPED_RECORD = "gateway_record_skipped";

export type PiExit = { code: number | null; signal: NodeJS.Signals | null; isExpected: boolean; stderr: string };

export type PiProcessOptions = {
  /** What to run, without `node`: V8 flags, the entry file, its arguments. */
  args: readonly string[];
  /** The whole environment of the child. */
  env: Readonly<Record<string, string>>;
  cwd: string;
  /** Provider keys by variable name; sent over file descriptor 3, never in the environment. */
  keys: Readonly<Record<string, string>>;
  /** Value of `OPENCLAW_RUNNER` in `env`; all processes with it are killed when this process ends. */
  marker: string;
  log: Log;
  onRecord: (record: PiRecord) => void;
  onExit: (exit: PiExit) => void;
};

/** Pi rejected a command; the message is Pi's. */
export class PiCommandError extends Error {}
/** Pi did not answer in time, or its process is gone. */
export class PiTimeoutError extends Error {}

/**
 * Pi detects the end of the gateway by the end of its stdin, but not while it loads its modules or a turn loops. If the system supports
 * it (util-linux, not BusyBox), the kernel kills it: it has no children of its own, and a signal that it handles would wait for its event
 * loop. If the gateway ended before the signal was requested, the process already has another parent.
 */
const LAUNCH_SCRIPT = `parent=$1; shift
if setpriv --pdeathsig KILL true 2>/dev/null; then
  exec setpriv --pdeathsig KILL /bin/sh -c '[ "$PPID" = "$0" ] || exit 1; exec "$@"' "$parent" "$@"
fi`;

/** Sets the umask of the child only: everything that it creates is private to its owner. */
function toPrivateCommand(args: readonly string[]): [string, readonly string[]] {
  if (process.platform === "win32") return [process.execPath, args];
  return ["/bin/sh", ["-c", `umask 077\n${LAUNCH_SCRIPT}\nexec "$@"`, "sh", String(process.pid), process.execPath, ...args]];
}

type PendingRequest = { resolve: (data: unknown) => void; reject: (err: Error) => void; timer: NodeJS.Timeout | undefined };

/** One process that speaks Pi's RPC records. Handles framing, deadlines and signals, not sessions or turns. */
export class PiProcess {
  readonly pid: number;
  /** Resolves when the process and all its descendants have ended. Never rejects. */
  readonly exited: Promise<PiExit>;
  /** Null when the system could not start one; the following exit has the reason. */
  readonly #child: ChildProcess | null;
  readonly #options: PiProcessOptions;
  readonly #pending = new Map<string, PendingRequest>();
  #nextId = 1;
  #stderr = "";
  #exitExpected = false;
  #hasExited = false;

  constructor(options: PiProcessOptions) {
    this.#options = options;
    const started = spawnProcess(options);
    this.#child = started.child;
    this.pid = this.#child?.pid ?? -1;
    this.exited = new Promise((resolve) => this.#watch(started, resolve));
    this.#readStdout();
    // Without descriptors or memory there is a child without pipes: its `error` follows.
    const keys = this.#child?.stdio?.[3] as Writable | null | undefined;
    keys?.on("error", (err) => options.log.warn("Pi did not take its keys", { pid: this.pid, reason: reasonOf(err) }));
    keys?.end(JSON.stringify(options.keys));
  }

  get isAlive(): boolean {
    return !this.#hasExited;
  }

  /** The last part of Pi's stderr. */
  get stderr(): string {
    return this.#stderr;
  }

  /**
   * Sends one command and resolves to the `data` of its answer. Rejects with PiCommandError when Pi rejects it and with PiTimeoutError
   * without an answer within `timeoutMs` (undefined: wait as long as the process lives).
   */
  request(command: PiCommand, timeoutMs: number | undefined = LIMITS.piCommandMs): Promise<unknown> {
    if (this.#hasExited) return Promise.reject(new PiTimeoutError("The agent process has ended."));
    const id = String(this.#nextId++);
    return new Promise((resolve, reject) => {
      const late = (): void => {
        this.#pending.delete(id);
        reject(new PiTimeoutError(`The agent process did not answer "${command.type}" within ${timeoutMs} ms.`));
      };
      const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
      timer?.unref();
      this.#pending.set(id, { resolve, reject, timer });
      this.#write({ ...command, id });
    });
  }

  /** Writes a record that has no answer. */
  send(record: PiCommand): void {
    this.#write(record);
  }

  /** Answers a question that Pi asked (`extension_ui_request`); undefined cancels it. */
  answer(id: string, value: string | undefined): void {
    this.#write({ type: "extension_ui_response", id, ...(value === undefined ? { cancelled: true } : { value }) });
  }

  /** Ends it gracefully. The following exit does not count as a crash. */
  closeInput(): void {
    this.#exitExpected = true;
    this.#child?.stdin?.end();
  }

  /** SIGTERM lets Pi end its tools; SIGKILL takes the whole process group. Never throws, because callers cannot handle it. */
  kill(signal: "SIGTERM" | "SIGKILL", asked = true): void {
    if (asked) this.#exitExpected = true;
    if (this.#hasExited || this.pid === -1) return;
    try {
      process.kill(signal === "SIGKILL" ? -this.pid : this.pid, signal);
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== "ESRCH")
        this.#options.log.error("an agent process could not be ended", { pid: this.pid, signal, reason: reasonOf(err) });
    }
  }

  /** Closes stdin, then after `graceMs` each SIGTERM and SIGKILL. Resolves when it has ended. */
  async end(graceMs: number): Promise<void> {
    this.closeInput();
    if (await this.#exitsWithin(graceMs)) return;
    this.kill("SIGTERM");
    if (await this.#exitsWithin(graceMs)) return;
    this.kill("SIGKILL");
    await this.exited;
  }

  async #exitsWithin(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), ms);
    });
    const gone = await Promise.race([this.exited.then(() => true), timeout]);
    clearTimeout(timer);
    return gone;
  }

  #write(value: unknown): void {
    if (this.#hasExited || !this.#child?.stdin?.writable) return;
    this.#child.stdin.write(toJsonl(value));
  }

  #readStdout(): void {
    const { log } = this.#options;
    const splitter = createJsonlSplitter(LIMITS.piRecordChars);
    this.#child?.stdout?.on("data", (chunk: Buffer) => {
      for (const record of splitter.push(chunk)) {
        if ("text" in record) this.#onLine(record.text);
        else {
          log.warn("a record of Pi was too long and was skipped", { pid: this.pid, chars: record.tooLongChars });
          this.#dispatch({ type: SKIPPED_RECORD, chars: record.tooLongChars });
        }
      }
    });
    this.#child?.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-LIMITS.piStderrChars);
    });
    // A write to a child that has just died fails here; the exit reports it.
    this.#child?.stdin?.on("error", (err) => log.debug("writing to Pi failed", { pid: this.pid, reason: reasonOf(err) }));
  }

  #onLine(line: string): void {
    let record: PiRecord;
    try {
      record = JSON.parse(line) as PiRecord;
    } catch (err) {
      this.#options.log.warn("a record of Pi is not JSON", { pid: this.pid, reason: reasonOf(err) });
      return;
    }
    if (typeof record !== "object" || record === null || typeof record.type !== "string") {
      this.#options.log.warn("a record of Pi has no type", { pid: this.pid });
      return;
    }
    if (record.type !== "response") return this.#dispatch(record);
    const pending = this.#pending.get(String(record.id));
    if (!pending)
      return this.#options.log.debug("an answer of Pi without a pending request", { pid: this.pid, command: record["command"] });
    this.#pending.delete(String(record.id));
    clearTimeout(pending.timer);
    if (record["success"] === true) pending.resolve(record["data"]);
    else pending.reject(new PiCommandError(String(record["error"] ?? "refused")));
  }

  /** A record whose handling throws ends this process and its turn, and nothing else. */
  #dispatch(record: PiRecord): void {
    try {
      this.#options.onRecord(record);
    } catch (err) {
      this.#options.log.error("a record of Pi could not be handled; its process is ended", {
        pid: this.pid,
        type: record.type,
        reason: reasonOf(err),
        stack: err instanceof Error ? err.stack : undefined,
      });
      this.kill("SIGKILL", false);
    }
  }

  #watch({ child, problem }: SpawnResult, resolve: (exit: PiExit) => void): void {
    const finish = (code: number | null, signal: NodeJS.Signals | null): void => {
      if (this.#hasExited) return;
      this.#hasExited = true;
      const exit: PiExit = { code, signal, isExpected: this.#exitExpected, stderr: this.#stderr.trim() };
      for (const pending of this.#pending.values()) {
        clearTimeout(pending.timer);
        pending.reject(new PiTimeoutError("The agent process has ended."));
      }
      this.#pending.clear();
      this.#options.onExit(exit);
      // Tools run in process groups of their own, so that a Pi that was killed leaves them behind.
      void killMarkedProcesses(this.#options.marker, this.#options.log).then(() => resolve(exit));
    };
    if (!child) {
      this.#stderr = reasonOf(problem);
      // Not before the owner has a reference to this object.
      setImmediate(() => finish(null, null));
      return;
    }
    child.once("error", (err) => {
      this.#stderr += reasonOf(err);
      finish(null, null);
    });
    // "close" comes after the last record was read; a grandchild that holds the pipe open must not delay it indefinitely.
    child.once("close", finish);
    child.once("exit", (code, signal) => setTimeout(() => finish(code, signal), 200).unref());
  }
}

type SpawnResult = { child: ChildProcess | null; problem?: unknown };

/** Some failures of `spawn` are thrown, others come as an event of the child. */
function spawnProcess(options: PiProcessOptions): SpawnResult {
  const [file, args] = toPrivateCommand(options.args);
  const { cwd, env } = options;
  try {
    return { child: spawn(file, args, { cwd, env, stdio: ["pipe", "pipe", "pipe", "pipe"], detached: true, windowsHide: true }) };
  } catch (err) {
    return { child: null, problem: err };
  }
}

/** Why a process ended, in one line: the error in its stderr, else its exit code or signal. */
export function exitReason({ stderr, code, signal }: PiExit): string {
  const lines = stderr
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !/^(Node\.js v|at |[{}])/.test(line));
  return lines.findLast((line) => /^(Fatal|FATAL|[A-Za-z]*Error)\b.*:/.test(line)) ?? lines.at(-1) ?? `exit ${code ?? signal}`;
}
