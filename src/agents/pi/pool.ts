import { readFile } from "node:fs/promises";
import { backoffDelay } from "../../core/async.ts";
import type { Clock } from "../../core/clock.ts";
import { GatewayError, reasonOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Log } from "../../core/log.ts";
import type { Metrics } from "../../core/metrics.ts";
import { ProcessSlot } from "./process-slot.ts";
import { CrashLog } from "./crash-log.ts";
import type { Launcher, LaunchSpec } from "./launcher.ts";
import { exitReason, PiProcess, PiTimeoutError, type PiExit } from "./process.ts";
import { keepsFailingError, shuttingDownError, type SlotSource } from "./slot.ts";
import { pingProcess } from "./stuck.ts";

export type PiPoolOptions = {
  launch: Launcher;
  /** Processes that are kept ready. */
  warm: number;
  max: number;
  /** Names a file that is never written, to be loaded instead of a session. */
  parkedFile: (number: number) => string;
  clock: Clock;
  log: Log;
  metrics: Metrics;
};

type WorkerWaiter = { path: string; resolve: (worker: ProcessSlot) => void; reject: (err: Error) => void };

const PAGE_BYTES = 4_096;

const waitTimeoutText = `No agent process became free within ${LIMITS.piWaitMs / 60_000} minutes. Send the message again; \`openclaw doctor\` shows what holds them.`;

/** Keeps a few Pi processes ready, gives each to one turn at a time, and replaces failed ones. */
export class PiPool implements SlotSource {
  readonly #options: PiPoolOptions;
  readonly #workers = new Set<ProcessSlot>();
  readonly #waiters: WorkerWaiter[] = [];
  readonly crashes: CrashLog;
  /** Launches that have no process yet. */
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
    this.crashes = new CrashLog(options.clock);
  }

  /** Starts the warm processes in the background. */
  start(): void {
    this.#started = true;
    this.#scaleUp();
  }

  /** Processes in use or idle; those that are being ended do not count. */
  get processCount(): number {
    return [...this.#workers].filter((worker) => worker.state !== "ending").length + this.#launching;
  }

  get busyCount(): number {
    return [...this.#workers].filter((worker) => worker.state === "busy").length;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** One sentence while processes keep failing, else undefined. */
  get problem(): string | undefined {
    return this.crashes.isOpen
      ? `The agent process has failed ${this.crashes.count} times within a minute: ${this.#lastFailure}`
      : undefined;
  }

  get isReady(): boolean {
    return [...this.#workers].some((worker) => worker.state === "idle" || worker.state === "busy");
  }

  /** The process that has the file loaded, else the least recently used one, else a new one; waits while all are busy. */
  async acquire(path: string, signal?: AbortSignal): Promise<ProcessSlot> {
    this.#retireOutdated();
    if (this.#stopped) throw shuttingDownError();
    signal?.throwIfAborted();
    const idle = [...this.#workers].filter((worker) => worker.state === "idle");
    const owner = idle.find((worker) => worker.loaded?.file === path);
    const chosen = owner ?? idle.toSorted((a, b) => a.lastUsed - b.lastUsed)[0];
    if (chosen) return this.#assign(chosen, path);
    return this.#wait(path, signal);
  }

  async release(worker: ProcessSlot, isFit: boolean): Promise<void> {
    if (!isFit && worker.isAlive) return this.discard(worker);
    worker.listen(null);
    worker.lastUsed = this.#options.clock.monotonic();
    if (worker.state !== "busy") return;
    this.#assignToWaiter(worker);
    void this.#recycleAboveLimit(worker);
    this.#scheduleEvict();
  }

  /** Removes a process that must not be reused. Resolves when it has ended. */
  async discard(worker: ProcessSlot, graceMs = 1_000): Promise<void> {
    // The holder keeps its listener: a turn that is still running ends with the exit.
    worker.state = "ending";
    await worker.process.end(graceMs);
  }

  acquireLoaded(path: string): ProcessSlot | undefined {
    const owner = [...this.#workers].find((worker) => worker.state === "idle" && worker.loaded?.file === path);
    return owner && this.#assign(owner, path);
  }

  /** Ends every process; after `graceMs` by signals. */
  async stop(graceMs: number): Promise<void> {
    this.#stopped = true;
    this.#stopPinging();
    this.#cancelEvict?.();
    this.#restartPlanned?.();
    for (const waiter of this.#waiters.splice(0)) waiter.reject(shuttingDownError());
    await Promise.all([...this.#workers].map((worker) => this.discard(worker, graceMs / 2)));
  }

  #assign(worker: ProcessSlot, path: string): ProcessSlot {
    worker.state = "busy";
    worker.holder = path;
    return worker;
  }

  /** To the waiting turn whose session is loaded in it, else to the one that waits longest. */
  #assignToWaiter(worker: ProcessSlot): void {
    const owner = this.#waiters.findIndex(({ path }) => path === worker.loaded?.file);
    const [waiter] = this.#waiters.splice(Math.max(0, owner), 1);
    worker.state = "idle";
    waiter?.resolve(this.#assign(worker, waiter.path));
  }

  #wait(path: string, signal: AbortSignal | undefined): Promise<ProcessSlot> {
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

  /** Starts as many processes as are needed and allowed, at once or after the back-off. */
  #scaleUp(): void {
    if (this.#stopped || this.#restartPlanned) return;
    if (this.crashes.isOpen && !this.isReady) this.#refuseWaiters();
    const starting = [...this.#workers].filter((worker) => worker.state === "starting").length + this.#launching;
    const serving = this.processCount;
    const forWarm = this.#started ? this.#options.warm - serving : 0;
    const asked = Math.max(this.#waiters.length - starting, forWarm);
    // A start costs more than most turns: a waiting turn is often served by a process that becomes free meanwhile.
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
    const crashes = this.crashes.count;
    if (crashes === 0) return 0;
    return this.crashes.isOpen
      ? LIMITS.piBackoffMaxMs
      : backoffDelay({ minMs: LIMITS.piBackoffMinMs, maxMs: LIMITS.piBackoffMaxMs }, crashes - 1);
  }

  #refuseWaiters(): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(keepsFailingError());
  }

  /** Never rejects. */
  async #launch(): Promise<void> {
    const { log, metrics } = this.#options;
    let worker: ProcessSlot | undefined;
    try {
      worker = await this.#launchWorker();
      if (!worker) return;
      await worker.process.request({ type: "get_state" }, LIMITS.piStartMs);
      if (worker.state !== "starting") return;
      log.info("agent process ready", { pid: worker.process.pid });
      metrics.count("gateway_agents_process_starts_total");
      metrics.count("openclaw_child_process_spawn_total", { family: "node" });
      this.#assignToWaiter(worker);
      this.#scaleUp();
    } catch (err) {
      const stderr = worker?.process.stderr;
      // A process that has ended left its own reason.
      if (!worker || worker.process.isAlive) this.#lastFailure = reasonOf(err);
      log.error("agent process did not start", { reason: reasonOf(err), stderr });
      // The exit of a process counts as a crash and schedules the next attempt; without a process this must do it.
      if (worker?.process.isAlive) worker.process.kill("SIGKILL", false);
      else if (!worker) this.#recordCrash(null);
    }
  }

  /** Starts a process, which counts from the first moment; undefined when the pool was stopped meanwhile. */
  async #launchWorker(): Promise<ProcessSlot | undefined> {
    this.#launching++;
    try {
      const launch = await this.#options.launch.spec("process");
      return this.#stopped ? undefined : this.#spawn(launch);
    } finally {
      this.#launching--;
    }
  }

  #spawn(launch: LaunchSpec): ProcessSlot {
    const { log, parkedFile } = this.#options;
    const worker = new ProcessSlot({ number: this.#nextNumber++, generation: launch.generation, parkedFile, log });
    worker.process = new PiProcess({
      ...launch,
      log,
      onRecord: worker.onRecord,
      onExit: (exit) => this.#onExit(worker, exit),
    });
    this.#workers.add(worker);
    this.#schedulePing();
    return worker;
  }

  #onExit(worker: ProcessSlot, exit: PiExit): void {
    this.#workers.delete(worker);
    if (this.#workers.size === 0) this.#stopPinging();
    const wasEnding = worker.state === "ending";
    const culprit = worker.state === "busy" ? worker.holder : null;
    worker.state = "ending";
    if (!exit.isExpected && !wasEnding) {
      this.#lastFailure = exitReason(exit);
      const { code, signal, stderr } = exit;
      this.#options.log.error("agent process ended unexpectedly", { pid: worker.process.pid, code, signal, stderr });
      this.#recordCrash(culprit);
    } else this.#scaleUp();
    worker.onExit(exit);
  }

  #recordCrash(by: string | null): void {
    this.#options.launch.onCrash();
    this.crashes.record(by === null ? [] : [by]);
    this.#restarts++;
    this.#options.metrics.count("gateway_agents_process_crashes_total");
    this.#scaleUp();
  }

  #retireOutdated(): void {
    const generation = this.#options.launch.generation();
    const old = [...this.#workers].filter((worker) => worker.state === "idle" && worker.generation !== generation);
    for (const worker of old) void this.discard(worker);
  }

  #schedulePing(): void {
    if (this.#workers.size === 0 || this.#stopped) return;
    this.#cancelPing ??= this.#options.clock.after(LIMITS.piPingMs, () => {
      this.#cancelPing = null;
      this.#pings++;
      for (const worker of this.#workers) {
        if (worker.state === "busy" || (worker.state === "idle" && this.#pings % 4 === 0)) void this.#ping(worker);
      }
      this.#schedulePing();
    });
  }

  #stopPinging(): void {
    this.#cancelPing?.();
    this.#cancelPing = null;
  }

  async #ping(worker: ProcessSlot): Promise<void> {
    try {
      await pingProcess(worker.process, { type: "get_state" });
    } catch (err) {
      if (!(err instanceof PiTimeoutError) || !worker.process.isAlive || worker.state === "ending") return;
      this.#options.log.error("agent process is stuck and is killed", { pid: worker.process.pid });
      worker.process.kill("SIGKILL", false);
    }
  }

  #scheduleEvict(): void {
    const warm = this.#started ? this.#options.warm : 0;
    if (this.#cancelEvict || this.#stopped || this.processCount <= warm) return;
    this.#cancelEvict = this.#options.clock.after(LIMITS.piIdleMs, () => {
      this.#cancelEvict = null;
      const { clock } = this.#options;
      const idle = [...this.#workers].filter((worker) => worker.state === "idle").toSorted((a, b) => a.lastUsed - b.lastUsed);
      const spare = idle.filter((worker) => clock.monotonic() - worker.lastUsed >= LIMITS.piIdleMs);
      for (const worker of spare.slice(0, Math.max(0, this.processCount - warm))) void this.discard(worker);
      this.#scheduleEvict();
    });
  }

  async #recycleAboveLimit(worker: ProcessSlot): Promise<void> {
    if (process.platform !== "linux") return;
    try {
      const resident = Number((await readFile(`/proc/${worker.process.pid}/statm`, "utf8")).split(" ")[1]) * PAGE_BYTES;
      if (resident > LIMITS.piRecycleBytes && worker.state === "idle") await this.discard(worker);
    } catch (err) {
      this.#options.log.debug("could not read the memory of an agent process", { reason: reasonOf(err) });
    }
  }
}
