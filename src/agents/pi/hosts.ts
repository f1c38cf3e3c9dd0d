import type { Clock } from "../../core/clock.ts";
import { GatewayError } from "../../core/errors.ts";
import type { AgentId } from "../../core/ids.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Log } from "../../core/log.ts";
import type { Metrics } from "../../core/metrics.ts";
import type { RuntimeStatus } from "../runtime.ts";
import type { Launcher } from "./launcher.ts";
import { PiPool } from "./pool.ts";
import type { HostChoice, PiAgents, SharedHostSettings } from "./settings.ts";
import { SharedHosts } from "./shared-hosts.ts";
import type { PiSlot, SlotSource } from "./slot.ts";

export type PiHostsOptions = {
  agents: () => Pick<PiAgents, "hostOf">;
  /** Where most agents run. */
  defaultHost: () => HostChoice["host"];
  shared: () => SharedHostSettings;
  launch: Launcher;
  maxProcesses: number;
  parkedFile: (number: number) => string;
  clock: Clock;
  log: Log;
  metrics: Metrics;
};

const sessionCrashText = (crashes: number): string =>
  `This conversation has made the agent process fail ${crashes} times within a minute. Try again in a minute; /new begins without its history.`;

/** The shared hosts and the pool of stock processes, and which of them a session uses. */
export class PiHosts {
  readonly #options: PiHostsOptions;
  readonly #shared: SharedHosts;
  readonly #pool: PiPool;

  constructor(options: PiHostsOptions) {
    this.#options = options;
    const { launch, shared, clock, log, metrics, maxProcesses, parkedFile } = options;
    this.#shared = new SharedHosts({ launch, settings: shared, clock, log, metrics });
    this.#pool = new PiPool({ launch, warm: 1, max: maxProcesses, parkedFile, clock, log, metrics });
    metrics.sample("gateway_agents_can_run", () => (this.problem && !this.isReady ? 0 : 1));
    metrics.sample("gateway_agents_processes", () => this.counts().processes);
    metrics.sample("gateway_agents_busy_processes", () => this.counts().busy);
    metrics.sample("gateway_agents_sessions", () => this.#sum(({ sessions }) => sessions));
    metrics.sample("gateway_agents_running_sessions", () => this.#sum(({ running }) => running));
    metrics.sample("gateway_agents_evictions_total", () => this.#shared.evictions);
    metrics.sample("gateway_agents_resident_bytes", () => this.#sum(({ residentBytes }) => residentBytes ?? 0));
  }

  /** Starts what most turns will need. */
  start(): void {
    if (this.#options.defaultHost() === "process") this.#pool.start();
    else this.#shared.start();
  }

  /**
   * A slot for the session file of an agent, with its source, which takes it back. Rejects UNAVAILABLE when this session, or
   * everything, keeps failing.
   */
  async acquire(agentId: AgentId, file: string, signal?: AbortSignal): Promise<{ slot: PiSlot; source: SlotSource }> {
    const [shared, pool] = [this.#shared, this.#pool];
    const sharedCrashes = shared.crashes.countOf(file);
    const crashes = sharedCrashes + pool.crashes.countOf(file);
    if (crashes >= LIMITS.piSessionCrashes) throw new GatewayError("UNAVAILABLE", sessionCrashText(crashes));
    const { host, isolation } = this.#options.agents().hostOf(agentId);
    // A session that may have ended the shared host twice runs alone, where it can hurt no other.
    if (host === "process" || sharedCrashes >= LIMITS.piSharedCrashes) {
      await unloadFrom(shared, file);
      return { slot: await pool.acquire(file, signal), source: pool };
    }
    await unloadFrom(pool, file);
    return { slot: await shared.acquire(file, isolation === "agent" ? `agent:${agentId}` : "shared", signal), source: shared };
  }

  /** Afterwards no process has the file open, unless a turn runs in it. */
  async unload(file: string): Promise<void> {
    await unloadFrom(this.#shared, file);
    await unloadFrom(this.#pool, file);
  }

  /** Why processes are not started; turns still run while `isReady`. */
  get problem(): string | undefined {
    return this.#shared.problem ?? this.#pool.problem;
  }

  /** A host that ended because nothing was to do is started again by the next turn: that counts as ready. */
  get isReady(): boolean {
    return this.#shared.isReady || this.#pool.isReady;
  }

  counts(): Pick<RuntimeStatus, "processes" | "busy" | "restarts" | "hosts"> {
    const hosts = this.#shared.hosts.map((host) => ({
      kind: "shared" as const,
      group: host.key,
      pid: host.pid,
      state: host.state,
      sessions: host.sessions,
      running: host.running,
      ...(host.residentBytes === undefined ? {} : { residentBytes: host.residentBytes }),
    }));
    const busyHosts = hosts.filter(({ running }) => running > 0).length;
    return {
      processes: hosts.length + this.#pool.processCount,
      busy: busyHosts + this.#pool.busyCount,
      restarts: this.#shared.restarts + this.#pool.restarts,
      hosts,
    };
  }

  async stop(graceMs: number): Promise<void> {
    await Promise.all([this.#shared.stop(graceMs), this.#pool.stop(graceMs)]);
  }

  #sum(of: (host: NonNullable<RuntimeStatus["hosts"]>[number]) => number): number {
    return this.counts().hosts!.reduce((total, host) => total + of(host), 0);
  }
}

async function unloadFrom(source: SlotSource, file: string): Promise<void> {
  const slot = source.acquireLoaded(file);
  if (!slot) return;
  try {
    await slot.unload();
  } finally {
    await source.release(slot, slot.isAlive);
  }
}
