import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Log } from "../../core/log.ts";
import type { LaunchSpec } from "./launcher.ts";
import { exitReason, PiProcess, PiTimeoutError, type PiExit, type PiRecord } from "./process.ts";
import { HOST, type HostVitals } from "./records.ts";
import type { SharedHostSettings } from "./settings.ts";
import { SharedSession } from "./shared-session.ts";
import { pingProcess } from "./stuck.ts";

export type SharedHostOptions = {
  /** Group and shard whose sessions it serves. */
  key: string;
  launch: LaunchSpec;
  clock: Clock;
  log: Log;
  settings: () => Pick<SharedHostSettings, "idleMs">;
  /** `files`: the sessions whose turns ran. `failure` is null when the end was wanted. */
  onExit: (files: readonly string[], failure: string | null) => void;
  onSessionFailure: (file: string) => void;
};

/** One process that serves many Pi sessions. */
export class SharedHost {
  readonly key: string;
  readonly generation: string;
  readonly #options: SharedHostOptions;
  readonly #process: PiProcess;
  readonly #sessions = new Map<string, SharedSession>();
  readonly #byNumber = new Map<number, SharedSession>();
  /** Sessions that have ended and are not closed yet, by file. */
  readonly #closing = new Map<string, Promise<void>>();
  readonly #ready: Promise<void>;
  state: "starting" | "ready" | "ended" = "starting";
  #isRetired = false;
  #nextNumber = 1;
  #vitals: HostVitals | null = null;
  /** Monotonic. */
  #pingedAt = 0;
  #isPinging = false;
  #cancelPing: (() => void) | null = null;
  #cancelIdle: (() => void) | null = null;

  constructor(options: SharedHostOptions) {
    this.#options = options;
    this.key = options.key;
    this.generation = options.launch.generation;
    this.#process = new PiProcess({
      ...options.launch,
      log: options.log,
      onRecord: this.#onRecord,
      onExit: this.#onExit,
    });
    this.#ready = this.#start();
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Whether new sessions may be opened in it. */
  get isUsable(): boolean {
    return !this.#isRetired && this.state !== "ended";
  }

  /** Open sessions, and those whose turn runs. */
  get sessions(): number {
    return this.#sessions.size;
  }

  get running(): number {
    return [...this.#sessions.values()].filter(({ state }) => state === "busy").length;
  }

  /** As of the last ping. */
  get residentBytes(): number | undefined {
    return this.#vitals?.residentBytes;
  }

  get isTooLarge(): boolean {
    return (this.#vitals?.residentBytes ?? 0) > LIMITS.piRecycleBytes;
  }

  /** Resolves when it has started or failed to. */
  ready(): Promise<void> {
    return this.#ready;
  }

  /** The session of a file, opened later by `load`; now held. */
  take(file: string): SharedSession {
    this.#cancelIdle?.();
    this.#cancelIdle = null;
    let session = this.#sessions.get(file);
    if (!session?.isAlive) {
      session = new SharedSession(file, this.#nextNumber++, this.#process, this.#options.log, this.#options.onSessionFailure);
      this.#sessions.set(file, session);
      this.#byNumber.set(session.number, session);
    }
    session.state = "busy";
    this.#schedulePing();
    return session;
  }

  /** Resolves when an earlier session of the file is closed: a file is open once only. */
  async closed(file: string): Promise<void> {
    await this.#closing.get(file);
  }

  takeLoaded(file: string): SharedSession | undefined {
    const session = this.#sessions.get(file);
    return session?.state === "idle" && session.loaded ? this.take(file) : undefined;
  }

  owns(session: SharedSession): boolean {
    return this.#sessions.get(session.file) === session;
  }

  /** The turn of a session has ended. */
  give(session: SharedSession): void {
    session.lastUsed = this.#options.clock.monotonic();
    if (session.state === "busy") session.state = "idle";
    if (!session.isAlive) this.#waitForClose(session.file, session.closing);
    if (!session.isAlive || !session.loaded) this.#remove(session);
    if (this.running === 0) this.#scheduleIdle();
    if (session.lastUsed - this.#pingedAt >= LIMITS.piHostPingMs) void this.#ping();
  }

  /** Closes the sessions unused for longest beyond `maxIdle`, or all when memory is short; returns how many. */
  evict(maxIdle: number): number {
    const keep = this.isTooLarge ? 0 : maxIdle;
    const idle = [...this.#sessions.values()].filter(({ state }) => state === "idle");
    if (idle.length <= keep) return 0;
    const surplus = idle.toSorted((a, b) => a.lastUsed - b.lastUsed).slice(0, idle.length - keep);
    for (const session of surplus) this.#drop(session);
    return surplus.length;
  }

  /** Closes the session of a file when it is open here and idle. */
  async close(file: string): Promise<void> {
    const session = this.#sessions.get(file);
    if (session?.state !== "idle") return;
    this.#remove(session);
    await session.unload();
  }

  retire(): void {
    this.#isRetired = true;
  }

  async end(graceMs: number): Promise<void> {
    this.#isRetired = true;
    this.#cancelPing?.();
    this.#cancelIdle?.();
    await this.#process.end(graceMs);
  }

  async #start(): Promise<void> {
    const { log } = this.#options;
    try {
      this.#vitals = (await this.#process.request({ type: HOST.ping }, LIMITS.piStartMs)) as HostVitals;
      if (this.state !== "starting") return;
      this.state = "ready";
      log.info("agent host ready", { pid: this.pid });
      this.#scheduleIdle();
    } catch (err) {
      log.error("the agent host did not start", { reason: reasonOf(err), stderr: this.#process.stderr });
      this.#process.kill("SIGKILL", false);
      // Until then it counts as starting: who waits for it would look again at once, without an end.
      await this.#process.exited;
    }
  }

  readonly #onRecord = (record: PiRecord): void => {
    const { s } = record;
    if (typeof s === "number") this.#byNumber.get(s)?.onRecord(record);
  };

  readonly #onExit = (exit: PiExit): void => {
    this.state = "ended";
    this.#cancelPing?.();
    this.#cancelIdle?.();
    const busy = [...this.#sessions.values()].filter(({ state }) => state === "busy");
    const files = busy.map(({ file }) => file);
    const failure = exit.isExpected ? null : exitReason(exit);
    const { code, signal, stderr } = exit;
    if (failure !== null)
      this.#options.log.error("the agent host ended unexpectedly", { pid: this.pid, code, signal, stderr, turns: files.length });
    this.#options.onExit(files, failure);
    for (const session of this.#sessions.values()) session.ended(exit);
    this.#sessions.clear();
    this.#byNumber.clear();
  };

  #waitForClose(file: string, closing: Promise<void>): void {
    this.#closing.set(file, closing);
    void closing.then(() => {
      if (this.#closing.get(file) === closing) this.#closing.delete(file);
    });
  }

  #remove(session: SharedSession): void {
    if (this.#sessions.get(session.file) === session) this.#sessions.delete(session.file);
    this.#byNumber.delete(session.number);
  }

  #drop(session: SharedSession): void {
    this.#remove(session);
    const { log } = this.#options;
    const closing = session.unload().catch((err: unknown) => log.warn("an idle session could not be closed", { reason: reasonOf(err) }));
    this.#waitForClose(session.file, closing);
  }

  /** While a turn runs, the host is asked whether it is alive. */
  #schedulePing(): void {
    this.#cancelPing ??= this.#options.clock.after(LIMITS.piHostPingMs, () => {
      this.#cancelPing = null;
      void this.#ping();
    });
  }

  async #ping(): Promise<void> {
    const { clock, log } = this.#options;
    if (this.#isPinging) return;
    this.#isPinging = true;
    this.#pingedAt = clock.monotonic();
    try {
      this.#vitals = (await pingProcess(this.#process, { type: HOST.ping })) as HostVitals;
      if (this.running > 0 && this.state !== "ended") this.#schedulePing();
    } catch (err) {
      if (!(err instanceof PiTimeoutError) || !this.#process.isAlive || this.state === "ended") return;
      log.error("the agent host is stuck and is killed", { pid: this.pid });
      this.#process.kill("SIGKILL", false);
    } finally {
      this.#isPinging = false;
    }
  }

  #scheduleIdle(): void {
    const ms = this.#options.settings().idleMs;
    if (ms === 0 || this.#cancelIdle) return;
    this.#cancelIdle = this.#options.clock.after(ms, () => {
      this.#cancelIdle = null;
      if (this.running > 0 || this.state !== "ready") return;
      this.#options.log.info("the agent host has had no turn for a while and ends", { pid: this.pid });
      void this.end(LIMITS.piSessionEndMs);
    });
  }
}
