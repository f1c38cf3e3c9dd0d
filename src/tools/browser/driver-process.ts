import { spawn, type ChildProcess } from "node:child_process";
import type { Duplex } from "node:stream";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withTimeout } from "../../core/async.ts";
import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { killMarkedProcesses, MARKER_VARIABLE } from "../../core/marked-processes.ts";
import { clip } from "../../core/text.ts";
import { GroupWatcher } from "../group-watcher.ts";
import { coverInherited } from "../inherited-descriptors.ts";
import { killSessions } from "../process-groups.ts";
import { stoppedError } from "../results.ts";
import { BROWSER_LIMITS } from "./limits.ts";
import {
  DRIVER_DESCRIPTOR,
  encodeRecord,
  readRecords,
  type DriverAnswer,
  type DriverInput,
  type DriverOutput,
  type DriverProblem,
  type DriverRequest,
  type OperatorQuestion,
} from "./records.ts";

const ENTRY = new URL(import.meta.url.endsWith(".ts") ? "./driver/main.ts" : "./browser-driver.mjs", import.meta.url);
/** Longest path of a directory in which Chromium can have its socket: the path of a socket has at most 107 bytes. */
const TEMPORARY_PATH_BYTES = 60;
/** Characters of what the driver prints in one line of the log. */
const PRINTED_CHARS = 500;

export type DriverProcessOptions = {
  /** The directory of the browsers. */
  directory: string;
  /** Their environment. */
  env: Readonly<Record<string, string>>;
  /** Value of `OPENCLAW_RUNNER` in them, for nothing else. */
  marker: string;
  clock: Pick<Clock, "after" | "monotonic">;
  /** The number of tabs and of browsers has changed. */
  onCounts?: (counts: { tabs: number; browsers: number }) => void;
  onStart?: () => void;
};

export type DriverResult = { answer: DriverAnswer } | { problem: DriverProblem };
export type DriverCall = Omit<DriverRequest, "id"> & { timeoutMs: number };
type Call = { timeoutMs: number; request: Omit<DriverRequest, "id"> | { question: OperatorQuestion } };

type Pending = { resolve: (result: DriverResult) => void; reject: (err: Error) => void };
type Running = { child: ChildProcess; channel: Duplex; pending: Map<number, Pending>; exited: Promise<void> };

/**
 * The process that drives the browsers, and alone loads playwright. It starts with the first call, ends when no call has come for
 * `idleMs`, and with the gateway; its end is an error of the calls that run.
 */
export class DriverProcess {
  readonly #options: DriverProcessOptions;
  readonly #watcher: GroupWatcher;
  #running: Promise<Running> | null = null;
  /** The last one that was started. */
  #child: ChildProcess | null = null;
  #ending: Promise<unknown> = Promise.resolve();
  #nextId = 1;
  #calls = 0;
  #cancelIdle: () => void = () => {};

  constructor(options: DriverProcessOptions) {
    this.#options = options;
    this.#watcher = new GroupWatcher({ clock: options.clock, marker: options.marker });
  }

  get isRunning(): boolean {
    return this.#running !== null;
  }

  /** Runs one action. Rejects when the call is stopped, and when the driver ends or does not answer in time. */
  async call({ timeoutMs, ...request }: DriverCall, signal: AbortSignal, log: Log): Promise<DriverResult> {
    this.#cancelIdle();
    this.#calls += 1;
    try {
      const running = await this.#runningOrStarted(log);
      return await this.#ask(running, { request, timeoutMs }, signal);
    } finally {
      this.#calls -= 1;
      if (this.#calls === 0) this.#endLater(log);
    }
  }

  /** Answers a person about the browsers that run; null when none does. It does not count as a use of them. */
  async answer(question: OperatorQuestion, signal: AbortSignal): Promise<DriverResult | null> {
    if (this.#running === null) return null;
    return await this.#ask(await this.#running, { request: { question }, timeoutMs: BROWSER_LIMITS.pageMs }, signal);
  }

  #runningOrStarted(log: Log): Promise<Running> {
    if (this.#running) return this.#running;
    const started = this.#start(log);
    this.#running = started;
    started.catch(() => this.#forget(started));
    return started;
  }

  #forget(started: Promise<Running> | null): void {
    if (this.#running === started) this.#running = null;
  }

  /** Closes the tabs of a session, if there is a driver. */
  endSession(session: string): void {
    this.#running?.then(
      (running) => write(running, { endSession: session }),
      () => {},
    );
  }

  /** Ends the driver and its browsers, at first by asking, and their watcher. */
  async stop(log: Log): Promise<void> {
    await this.#endRunning(log);
    this.#watcher.release();
  }

  /** A call that comes meanwhile waits for the end: two Chromiums with one profile exclude each other. */
  async #endRunning(log: Log): Promise<void> {
    this.#cancelIdle();
    const running = this.#running;
    this.#running = null;
    const ended = running?.then(
      (each) => this.#end(each, log),
      // Who has called has the error.
      () => {},
    );
    if (ended) this.#ending = Promise.all([this.#ending, ended]);
    await this.#ending;
  }

  #endLater(log: Log): void {
    this.#cancelIdle = this.#options.clock.after(BROWSER_LIMITS.idleMs, () => {
      log.debug("the browsers end: no call has come", { idleMs: BROWSER_LIMITS.idleMs });
      void this.#endRunning(log);
    });
  }

  async #end({ channel, exited, child }: Running, log: Log): Promise<void> {
    channel.end();
    try {
      await withTimeout(this.#options.clock, BROWSER_LIMITS.stopMs, exited, () => new Error("it did not end when it was asked to"));
    } catch (err) {
      log.debug("the driver of browsers is killed", { reason: reasonOf(err) });
      kill(child);
      await exited;
    }
  }

  async #start(log: Log): Promise<Running> {
    await this.#ending;
    const { env, marker, directory } = this.#options;
    const temporary = await makeTemporary(directory);
    const child = spawn(process.execPath, [fileURLToPath(ENTRY)], {
      cwd: "/",
      detached: true,
      env: { ...env, TMPDIR: temporary, [MARKER_VARIABLE]: marker },
      stdio: coverInherited(["ignore", "pipe", "pipe", "pipe"]),
    });
    this.#child = child;
    const pending = new Map<number, Pending>();
    const exited = this.#untilExit({ child, pending, temporary }, log);
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk: Buffer) =>
        log.debug("the driver of browsers", { text: clip(chunk.toString("utf8").trim(), PRINTED_CHARS) }),
      );
    // Without descriptors or memory there is a child without pipes.
    const channel = child.stdio?.[DRIVER_DESCRIPTOR] as Duplex | undefined;
    if (child.pid === undefined || !channel) throw new Error("The browser was not started: the system cannot start another process.");
    // Its end is seen by the exit.
    channel.on("error", () => {});
    readRecords(channel, (record) => this.#settle(record as DriverOutput, pending));
    // The driver ends with its channel, so one that breaks the rules of it ends as well.
    channel.on("close", () => kill(child));
    try {
      await this.#watcher.add(child.pid, log);
    } catch (err) {
      kill(child);
      throw err;
    }
    this.#options.onStart?.();
    log.debug("the driver of browsers has started", { pid: child.pid });
    return { child, channel, pending, exited };
  }

  /** After the end of the driver no browser of it runs. */
  async #untilExit({ child, pending, temporary }: Pick<Running, "child" | "pending"> & { temporary: string }, log: Log): Promise<void> {
    const how = await new Promise<string>((resolve) => {
      child.once("error", (err) => resolve(reasonOf(err)));
      child.once("exit", (code, signal) => resolve(signal ?? `code ${code}`));
    });
    const { marker, onCounts } = this.#options;
    if (this.#child === child) this.#running = null;
    const cleanUp = async (): Promise<void> => {
      if (child.pid !== undefined) {
        killSessions([child.pid]);
        this.#watcher.ended(child.pid);
      }
      await killMarkedProcesses(marker, log);
      await rm(temporary, { recursive: true, force: true, maxRetries: 3 });
    };
    const cleaned = cleanUp();
    this.#ending = Promise.all([this.#ending, cleaned]);
    onCounts?.({ tabs: 0, browsers: 0 });
    if (pending.size > 0) log.warn("the driver of browsers has ended during a call", { how });
    const lost = new Error(`The browser ended during the call (${how}). Its tabs are gone; the next call starts it again.`);
    for (const { reject } of pending.values()) reject(lost);
    pending.clear();
    await cleaned;
  }

  #settle(output: DriverOutput, pending: Map<number, Pending>): void {
    this.#options.onCounts?.({ tabs: output.tabs, browsers: output.browsers });
    pending.get(output.id)?.resolve(output);
    pending.delete(output.id);
  }

  async #ask(running: Running, { timeoutMs, request }: Call, signal: AbortSignal): Promise<DriverResult> {
    if (signal.aborted) throw stoppedError();
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<DriverResult>();
    running.pending.set(id, { resolve, reject });
    const onAbort = (): void => {
      write(running, { cancel: id });
      reject(stoppedError());
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const cancelTimeout = this.#options.clock.after(timeoutMs, () => write(running, { cancel: id }));
    const cancelGrace = this.#options.clock.after(timeoutMs + BROWSER_LIMITS.driverGraceMs, () => kill(running.child));
    try {
      write(running, { ...request, id });
      return await promise;
    } finally {
      cancelTimeout();
      cancelGrace();
      signal.removeEventListener("abort", onAbort);
      running.pending.delete(id);
    }
  }
}

/** An empty directory for the temporary files of the browsers, among their other files unless its path is too long. */
async function makeTemporary(directory: string): Promise<string> {
  const own = join(directory, "tmp");
  await mkdir(directory, { recursive: true, mode: 0o700 });
  if (Buffer.byteLength(own) > TEMPORARY_PATH_BYTES) return await mkdtemp("/tmp/openclaw-browser-");
  await rm(own, { recursive: true, force: true });
  await mkdir(own, { mode: 0o700 });
  return own;
}

function write({ channel }: Pick<Running, "channel">, record: DriverInput): void {
  if (!channel.destroyed && channel.writable) channel.write(encodeRecord(record));
}

function kill({ pid }: ChildProcess): void {
  if (pid !== undefined) killSessions([pid]);
}
