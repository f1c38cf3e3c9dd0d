import { readFile } from "node:fs/promises";
import { backoffDelay } from "../../core/async.ts";
import type { Clock } from "../../core/clock.ts";
import { GatewayError, reasonOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Log } from "../../core/log.ts";
import type { Metrics } from "../../core/metrics.ts";
import { PiProcess, PiTimeoutError, type PiExit, type PiRecord } from "./process.ts";

/** Current start settings of processes. A process with an outdated `generation` is ended as soon as it is idle. */
export type LaunchSpec = {
  generation: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  keys: Readonly<Record<string, string>>;
  cwd: string;
  marker: string;
};

/** One process of the pool and its loaded session. Only its holder may use it. */
export type PiWorker = {
  readonly number: number;
  readonly process: PiProcess;
  readonly generation: string;
  state: "starting" | "idle" | "busy" | "ending";
  /** Path of the session file that Pi has loaded; null after the start. */
  session: string | null;
  /** Working directory of the loaded session's tools. */
  cwd: string | null;
  /** `provider/id` and thinking level of the loaded session, as Pi last reported them. */
  model: string | null;
  thinking: string | null;
  contextWindow: number;
  /** Monotonic. */
  lastUsed: number;
  /** The session file of the current or last use. */
  holder: string | null;
  /** The holder's listener. */
  onRecord: ((record: PiRecord) => void) | null;
  onExit: ((exit: PiExit) => void) | null;
};

export type PiPoolOptions = {
  /** Writes the configuration files if they changed; cheap otherwise. */
  spec: () => Promise<LaunchSpec>;
  warm: number;
  max: number;
  clock: Clock;
  log: Log;
  metrics: Metrics;
};

type WorkerWaiter = { path: string; resolve: (worker: PiWorker) => void; reject: (err: Error) => void };

/** Resident memory at which an idle process is replaced. */
const RECYCLE_BYTES = 400 * 1_048_576;
const PAGE_BYTES = 4_096;

const waitTimeoutText = `No agent process became free within ${LIMITS.piWaitMs / 60_000} minutes. Send the message again; \`openclaw doctor\` shows what holds them.`;
const sessionCrashText = (crashes: number): string =>
  `This conversation has made the agent process fail ${crashes} times within a minute. Try again in a minute; /new begins without its history.`;
const poolCrashText = "The agent process keeps failing. The gateway tries again in a moment; `openclaw doctor` shows why.";

/** Keeps a few Pi processes ready, lends each to one turn at a time, and replaces failed ones. */
export class PiPool {
  readonly #options: PiPoolOptions;
  readonly #workers = new Set<PiWorker>();
  readonly #waiters: WorkerWaiter[] = [];
  /** Crashes within the window, each with its session file. */
  #crashes: { at: number; by: string | null }[] = [];
  /** Starts that have no process yet. */
  #launching = 0;
  #restarts = 0;
  #nextNumber = 1;
  #lastFailure: string | undefined;
  #stopped = false;
  #started = false;
  #restartPlanned: (() => void) | null = null;
  #cancelPing: (() => void) | null = null;
  #cancelEvict: (() => void) | null = null;
  #pings = 0;

  constructor(options: PiPoolOptions) {
    this.#options = options;
  }

  /** Starts the warm processes in the background. */
  start(): void {
    this.#started = true;
    this.#schedulePing();
    this.#scaleUp();
  }

  /** Active processes, without those that are being ended. */
  get processCount(): number {
    return [...this.#workers].filter((worker) => worker.state !== "ending").length + this.#launching;
  }

  get busyCount(): number {
    return [...this.#workers].filter((worker) => worker.state === "busy").length;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** One sentence while processes keep failing, otherwise undefined. */
  get problem(): string | undefined {
    return this.#isBreakerOpen ? `The agent process has failed ${this.#crashCount} times within a minute: ${this.#lastFailure}` : undefined;
  }

  get isReady(): boolean {
    return [...this.#workers].some((worker) => worker.state === "idle" || worker.state === "busy");
  }

  /**
   * A process for the session file `path`: the one that has it loaded, else the least recently used one, else a new one.
   * Waits while all are busy. Rejects with UNAVAILABLE when processes keep failing, and with the signal's reason when aborted.
   */
  async acquire(path: string, signal?: AbortSignal): Promise<PiWorker> {
    await this.#retireOutdated();
    if (this.#stopped) throw new GatewayError("UNAVAILABLE", "The gateway is shutting down.");
    signal?.throwIfAborted();
    const own = this.#crashesOf(path);
    if (own >= LIMITS.piSessionCrashes) throw new GatewayError("UNAVAILABLE", sessionCrashText(own));
    const idle = [...this.#workers].filter((worker) => worker.state === "idle");
    const owner = idle.find((worker) => worker.session === path);
    const chosen = owner ?? idle.toSorted((a, b) => a.lastUsed - b.lastUsed)[0];
    if (chosen) return this.#assign(chosen, path);
    return this.#wait(path, signal);
  }

  /** Returns a process. It must be idle; otherwise use `discard`. */
  release(worker: PiWorker): void {
    worker.onRecord = null;
    worker.onExit = null;
    worker.lastUsed = this.#options.clock.monotonic();
    if (worker.state !== "busy") return;
    this.#assignToWaiter(worker);
    void this.#recycleAboveLimit(worker);
    this.#scheduleEvict();
  }

  /** Ends a process in an unknown state. Resolves when it has ended. */
  async discard(worker: PiWorker, graceMs = 1_000): Promise<void> {
    // The holder keeps listening: a running turn is notified of the exit.
    worker.state = "ending";
    await worker.process.end(graceMs);
  }

  /** Reserves the idle process that has `path` loaded, for work on the file. */
  acquireLoaded(path: string): PiWorker | undefined {
    const owner = [...this.#workers].find((worker) => worker.state === "idle" && worker.session === path);
    return owner && this.#assign(owner, path);
  }

  /** Ends every process; after `graceMs` with force. */
  async stop(graceMs: number): Promise<void> {
    this.#stopped = true;
    this.#cancelPing?.();
    this.#cancelEvict?.();
    this.#restartPlanned?.();
    for (const waiter of this.#waiters.splice(0)) waiter.reject(new GatewayError("UNAVAILABLE", "The gateway is shutting down."));
    await Promise.all([...this.#workers].map((worker) => this.discard(worker, graceMs / 2)));
  }

  #assign(worker: PiWorker, path: string): PiWorker {
    worker.state = "busy";
    worker.holder = path;
    return worker;
  }

  /** To the waiter whose session it has loaded, else to the oldest waiter. */
  #assignToWaiter(worker: PiWorker): void {
    const owner = this.#waiters.findIndex(({ path }) => path === worker.session);
    const [waiter] = this.#waiters.splice(Math.max(0, owner), 1);
    worker.state = "idle";
    waiter?.resolve(this.#assign(worker, waiter.path));
  }

  #wait(path: string, signal: AbortSignal | undefined): Promise<PiWorker> {
    return new Promise((resolve, reject) => {
      const leave = (): void => giveUp(signal!.reason as Error);
      const giveUp = (err: Error): void => {
        const at = this.#waiters.indexOf(waiter);
        if (at !== -1) this.#waiters.splice(at, 1);
        waiter.reject(err);
      };
      const cancel = this.#options.clock.after(LIMITS.piWaitMs, () => giveUp(new GatewayError("UNAVAILABLE", waitTimeoutText)));
      const done = (): void => {
        cancel();
        signal?.removeEventListener("abort", leave);
      };
      const waiter: WorkerWaiter = {
        path,
        resolve: (worker) => {
          done();
          resolve(worker);
        },
        reject: (err) => {
          done();
          reject(err);
        },
      };
      signal?.addEventListener("abort", leave, { once: true });
      this.#waiters.push(waiter);
      this.#scaleUp();
    });
  }

  #recentCrashes(): { at: number; by: string | null }[] {
    const since = this.#options.clock.monotonic() - LIMITS.piCrashWindowMs;
    this.#crashes = this.#crashes.filter(({ at }) => at > since);
    return this.#crashes;
  }

  /** Crashes within the window that count for all turns: each session counts once. */
  get #crashCount(): number {
    const crashes = this.#recentCrashes();
    const sessions = new Set(crashes.flatMap(({ by }) => by ?? []));
    return sessions.size + crashes.filter(({ by }) => by === null).length;
  }

  #crashesOf(path: string): number {
    return this.#recentCrashes().filter(({ by }) => by === path).length;
  }

  /** The circuit breaker is open while there are too many crashes. */
  get #isBreakerOpen(): boolean {
    return this.#crashCount >= LIMITS.piCrashes;
  }

  /** Starts the required and allowed number of processes, immediately or after the back-off. */
  #scaleUp(): void {
    if (this.#stopped || this.#restartPlanned) return;
    if (this.#isBreakerOpen && !this.isReady) this.#refuseWaiters();
    const starting = [...this.#workers].filter((worker) => worker.state === "starting").length + this.#launching;
    const serving = this.processCount;
    const forWarm = this.#started ? this.#options.warm - serving : 0;
    const asked = Math.max(this.#waiters.length - starting, forWarm);
    // A start costs more than most turns: a waiter is often served by a process that becomes free meanwhile.
    const wanted = Math.min(asked, this.#options.max - serving, LIMITS.piConcurrentStarts - starting);
    if (wanted <= 0) return;
    const delayMs = this.#backoffMs();
    if (delayMs === 0) {
      for (let i = 0; i < wanted; i++) void this.#launch();
      return;
    }
    const cancel = this.#options.clock.after(delayMs, () => {
      this.#restartPlanned = null;
      void this.#launch().then(() => this.#scaleUp());
    });
    this.#restartPlanned = cancel;
  }

  #backoffMs(): number {
    const crashes = this.#crashCount;
    if (crashes === 0) return 0;
    return this.#isBreakerOpen
      ? LIMITS.piBackoffMaxMs
      : backoffDelay({ minMs: LIMITS.piBackoffMinMs, maxMs: LIMITS.piBackoffMaxMs }, crashes - 1);
  }

  #refuseWaiters(): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(new GatewayError("UNAVAILABLE", poolCrashText));
  }

  /** Never rejects. */
  async #launch(): Promise<void> {
    const { log, metrics } = this.#options;
    let worker: PiWorker | undefined;
    try {
      worker = await this.#launchWorker();
      if (!worker) return;
      await worker.process.request({ type: "get_state" }, LIMITS.piStartMs);
      if (worker.state !== "starting") return;
      log.info("agent process ready", { pid: worker.process.pid });
      metrics.count("gateway_agents_process_starts_total");
      this.#assignToWaiter(worker);
      this.#scaleUp();
    } catch (err) {
      const stderr = worker?.process.stderr;
      this.#lastFailure = stderr?.split("\n").at(-1) || reasonOf(err);
      log.error("agent process did not start", { reason: reasonOf(err), stderr });
      // Its exit counts as a crash and schedules the next attempt; without a process there is no exit.
      if (worker?.process.isAlive) worker.process.kill("SIGKILL", false);
      else if (!worker) this.#recordCrash(null);
    }
  }

  /** A starting process, counted from the beginning; undefined when the pool was stopped meanwhile. */
  async #launchWorker(): Promise<PiWorker | undefined> {
    this.#launching++;
    try {
      const launch = await this.#options.spec();
      return this.#stopped ? undefined : this.#spawn(launch);
    } finally {
      this.#launching--;
    }
  }

  #spawn(launch: LaunchSpec): PiWorker {
    const worker: PiWorker = {
      number: this.#nextNumber++,
      generation: launch.generation,
      state: "starting",
      session: null,
      cwd: null,
      model: null,
      thinking: null,
      contextWindow: 0,
      lastUsed: 0,
      holder: null,
      onRecord: null,
      onExit: null,
      process: new PiProcess({
        ...launch,
        log: this.#options.log,
        onRecord: (record) => this.#onRecord(worker, record),
        onExit: (exit) => this.#onExit(worker, exit),
      }),
    };
    this.#workers.add(worker);
    return worker;
  }

  #onRecord(worker: PiWorker, record: PiRecord): void {
    if (record.type === "extension_error") {
      this.#options.log.error("Pi reported a failure of the gateway's extension", { event: record["event"], reason: record["error"] });
    }
    worker.onRecord?.(record);
  }

  #onExit(worker: PiWorker, exit: PiExit): void {
    this.#workers.delete(worker);
    const wasEnding = worker.state === "ending";
    const culprit = worker.state === "busy" ? worker.holder : null;
    worker.state = "ending";
    const { onExit } = worker;
    if (!exit.isExpected && !wasEnding) {
      this.#lastFailure = exit.stderr.split("\n").at(-1) || `exit ${exit.code ?? exit.signal}`;
      const { code, signal, stderr } = exit;
      this.#options.log.error("agent process ended unexpectedly", { pid: worker.process.pid, code, signal, stderr });
      this.#recordCrash(culprit);
    } else this.#scaleUp();
    onExit?.(exit);
  }

  #recordCrash(by: string | null): void {
    this.#crashes.push({ at: this.#options.clock.monotonic(), by });
    this.#restarts++;
    this.#options.metrics.count("gateway_agents_process_crashes_total");
    this.#scaleUp();
  }

  async #retireOutdated(): Promise<void> {
    const { generation } = await this.#options.spec();
    const old = [...this.#workers].filter((worker) => worker.state === "idle" && worker.generation !== generation);
    for (const worker of old) void this.discard(worker);
  }

  #schedulePing(): void {
    this.#cancelPing = this.#options.clock.after(LIMITS.piPingMs, () => {
      this.#pings++;
      for (const worker of this.#workers) {
        if (worker.state === "busy" || (worker.state === "idle" && this.#pings % 4 === 0)) void this.#ping(worker);
      }
      this.#schedulePing();
    });
  }

  async #ping(worker: PiWorker): Promise<void> {
    try {
      await worker.process.request({ type: "get_state" }, LIMITS.piPingAnswerMs);
    } catch (err) {
      if (!(err instanceof PiTimeoutError) || !worker.process.isAlive || worker.state === "ending") return;
      this.#options.log.error("agent process is stuck and is killed", { pid: worker.process.pid });
      worker.process.kill("SIGKILL", false);
    }
  }

  #scheduleEvict(): void {
    if (this.#cancelEvict || this.#stopped || this.processCount <= this.#options.warm) return;
    this.#cancelEvict = this.#options.clock.after(LIMITS.piIdleMs, () => {
      this.#cancelEvict = null;
      const { clock, warm } = this.#options;
      const idle = [...this.#workers].filter((worker) => worker.state === "idle").toSorted((a, b) => a.lastUsed - b.lastUsed);
      const spare = idle.filter((worker) => clock.monotonic() - worker.lastUsed >= LIMITS.piIdleMs);
      for (const worker of spare.slice(0, Math.max(0, this.processCount - warm))) void this.discard(worker);
      this.#scheduleEvict();
    });
  }

  async #recycleAboveLimit(worker: PiWorker): Promise<void> {
    if (process.platform !== "linux") return;
    try {
      const resident = Number((await readFile(`/proc/${worker.process.pid}/statm`, "utf8")).split(" ")[1]) * PAGE_BYTES;
      if (resident > RECYCLE_BYTES && worker.state === "idle") await this.discard(worker);
    } catch (err) {
      this.#options.log.debug("could not read the memory of an agent process", { reason: reasonOf(err) });
    }
  }
}
