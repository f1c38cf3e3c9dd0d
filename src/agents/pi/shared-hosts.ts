import { abortable, backoffDelay } from "../../core/async.ts";
import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Log } from "../../core/log.ts";
import type { Metrics } from "../../core/metrics.ts";
import { CrashLog } from "./crash-log.ts";
import type { Launcher } from "./launcher.ts";
import type { SharedHostSettings } from "./settings.ts";
import { SharedHost } from "./shared-host.ts";
import type { SharedSession } from "./shared-session.ts";
import { keepsFailingError, shuttingDownError, type SlotSource } from "./slot.ts";

export type SharedHostsOptions = {
  launch: Launcher;
  settings: () => SharedHostSettings;
  clock: Clock;
  log: Log;
  metrics: Metrics;
};

/** The process that is started without a turn. */
const WARM_KEY = "shared 0";

/** The same session always goes to the same process. */
function shardOf(file: string, shards: number): number {
  let hash = 0;
  for (let at = 0; at < file.length; at++) hash = (hash * 31 + file.charCodeAt(at)) | 0;
  return Math.abs(hash) % shards;
}

/** Starts the shared hosts on demand, one for each group and shard, and replaces those that fail, grow or are configured differently. */
export class SharedHosts implements SlotSource {
  readonly #options: SharedHostsOptions;
  /** Hosts that take sessions, by group and shard. */
  readonly #current = new Map<string, SharedHost>();
  /** Every host that has not ended, also those that only finish their turns. */
  readonly #hosts = new Set<SharedHost>();
  readonly #launches = new Map<string, Promise<SharedHost>>();
  readonly crashes: CrashLog;
  /** Why no host runs: set when too many have failed, until one is ready. */
  #problem: string | undefined;
  #stopped = false;
  /** Whether a host is kept running without turns. */
  #keepsWarm = false;
  #cancelRestart: (() => void) | null = null;
  /** The last host ended because there was nothing to do. */
  #endedIdle = false;
  #restarts = 0;
  #evictions = 0;

  constructor(options: SharedHostsOptions) {
    this.#options = options;
    this.crashes = new CrashLog(options.clock);
  }

  /** Starts the process of the first shard in the background, so that the first message does not wait for it. */
  start(): void {
    this.#keepsWarm = true;
    if (this.#current.size === 0) this.#launch(WARM_KEY).catch((err: unknown) => this.#reportStart(err));
  }

  get hosts(): readonly SharedHost[] {
    return [...this.#hosts];
  }

  get restarts(): number {
    return this.#restarts;
  }

  get evictions(): number {
    return this.#evictions;
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  get isReady(): boolean {
    return this.#endedIdle || this.hosts.some((host) => host.state === "ready");
  }

  /** `group`: whose sessions share a process; sessions of one group never meet those of another. */
  async acquire(file: string, group: string, signal?: AbortSignal): Promise<SharedSession> {
    for (let pauses = 0; ;) {
      if (this.#stopped) throw shuttingDownError();
      signal?.throwIfAborted();
      const key = this.#keyOf(file, group);
      if (this.crashes.pauseMs > 0 && !this.#usable(key) && !this.#launches.has(key)) {
        if (++pauses > LIMITS.piPauses) throw keepsFailingError();
        const pause = this.#pause(this.crashes.pauseMs);
        await (signal ? abortable(pause, signal) : pause);
        continue;
      }
      const host = await this.#hostFor(key, signal);
      const ready = host.ready();
      await (signal ? abortable(ready, signal) : ready);
      if (host.state !== "ready") continue;
      await this.#closeElsewhere(file, host);
      await (signal ? abortable(host.closed(file), signal) : host.closed(file));
      if (host.isUsable) return host.take(file);
    }
  }

  acquireLoaded(file: string): SharedSession | undefined {
    return this.hosts.map((host) => host.takeLoaded(file)).find((session) => session !== undefined);
  }

  async release(session: SharedSession, isFit: boolean): Promise<void> {
    session.listen(null);
    if (!isFit) await session.end(LIMITS.piSessionEndMs);
    const host = this.hosts.find((each) => each.owns(session));
    if (!host) return;
    host.give(session);
    this.#evictions += host.evict(this.#options.settings().maxIdleSessions);
    await this.#tidy(host);
  }

  async stop(graceMs: number): Promise<void> {
    this.#stopped = true;
    this.#cancelRestart?.();
    await Promise.all(this.hosts.map((host) => host.end(graceMs / 2)));
  }

  /** Sessions with equal keys share a process. */
  #keyOf(file: string, group: string): string {
    return `${group} ${shardOf(file, Math.max(1, this.#options.settings().shards))}`;
  }

  /** The host for a key if it has today's configuration. */
  #usable(key: string): SharedHost | undefined {
    const current = this.#current.get(key);
    return current?.generation === this.#options.launch.generation() && current.isUsable ? current : undefined;
  }

  /** The host for a key; starts it when there is none. */
  async #hostFor(key: string, signal: AbortSignal | undefined): Promise<SharedHost> {
    const usable = this.#usable(key);
    if (usable) return usable;
    const current = this.#current.get(key);
    if (current) await this.#retire(key, current);
    const launch = this.#launch(key);
    return signal ? abortable(launch, signal) : launch;
  }

  /** One start at a time for each key; after a crash it waits. */
  #launch(key: string): Promise<SharedHost> {
    const running = this.#launches.get(key);
    if (running) return running;
    const launch = this.#start(key).finally(() => this.#launches.delete(key));
    this.#launches.set(key, launch);
    return launch;
  }

  async #start(key: string): Promise<SharedHost> {
    const { clock, log, metrics, settings } = this.#options;
    const { count, isOpen } = this.crashes;
    // The first crash costs its turns no wait, and an attempt after too many has had its pause.
    const delayMs = count < 2 || isOpen ? 0 : backoffDelay({ minMs: LIMITS.piBackoffMinMs, maxMs: LIMITS.piBackoffMaxMs }, count - 2);
    if (delayMs > 0) await this.#pause(delayMs);
    const launch = await this.#options.launch.spec("shared");
    if (this.#stopped) throw shuttingDownError();
    const host = new SharedHost({
      key,
      launch,
      clock,
      log,
      settings,
      onExit: (files, reason) => this.#onExit(host, files, reason),
      onSessionFailure: (file) => this.#recordCrash([file], "a session did not stop"),
    });
    this.#hosts.add(host);
    this.#current.set(key, host);
    this.#endedIdle = false;
    void host.ready().then(() => {
      if (host.state === "ready") this.#problem = undefined;
    });
    metrics.count("gateway_agents_process_starts_total");
    metrics.count("openclaw_child_process_spawn_total", { family: "node" });
    return host;
  }

  #pause(forMs: number): Promise<void> {
    return new Promise((resolve) => void this.#options.clock.after(forMs, resolve));
  }

  #onExit(host: SharedHost, files: readonly string[], failure: string | null): void {
    this.#hosts.delete(host);
    if (this.#current.get(host.key) === host) this.#current.delete(host.key);
    this.#endedIdle = failure === null && this.#hosts.size === 0;
    if (failure === null) return;
    this.#recordCrash(files, failure);
    if (this.#keepsWarm && files.length === 0) this.#restartLater();
  }

  /** A host that failed without a turn is started again before a turn needs it, so that a lasting failure shows early. */
  #restartLater(): void {
    const { clock } = this.#options;
    if (this.#stopped || this.#cancelRestart) return;
    this.#cancelRestart = clock.after(this.crashes.isOpen ? LIMITS.piBackoffMaxMs : 0, () => {
      this.#cancelRestart = null;
      if (this.crashes.isOpen) this.#restartLater();
      else this.start();
    });
  }

  #recordCrash(files: readonly string[], failure: string): void {
    this.#restarts++;
    this.#options.launch.onCrash();
    this.crashes.record(files);
    const { count, isOpen } = this.crashes;
    if (isOpen) this.#problem = `The agent process has failed ${count} times within a minute: ${failure}`;
    this.#options.metrics.count("gateway_agents_process_crashes_total");
  }

  /** Gives a host no new sessions; it ends when its last turn has ended. */
  async #retire(key: string, host: SharedHost): Promise<void> {
    if (this.#current.get(key) === host) this.#current.delete(key);
    host.retire();
    if (host.running === 0) await host.end(LIMITS.piSessionEndMs);
  }

  /** After a turn: a host that has retired or grown too large is ended once nothing runs in it. */
  async #tidy(host: SharedHost): Promise<void> {
    if (host.isTooLarge && host.isUsable) {
      this.#options.log.info("the agent host has grown and is replaced", { pid: host.pid, residentBytes: host.residentBytes });
      await this.#retire(host.key, host);
    } else if (!host.isUsable && host.running === 0) await host.end(LIMITS.piSessionEndMs);
  }

  /** A session file is open in one process only. */
  async #closeElsewhere(file: string, here: SharedHost): Promise<void> {
    for (const host of this.hosts) if (host !== here) await host.close(file);
  }

  #reportStart(err: unknown): void {
    this.#options.log.error("the agent host did not start", { reason: reasonOf(err) });
  }
}
