import { access } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../core/clock.ts";
import { reasonOf } from "../../core/errors.ts";
import { LIMITS } from "../../core/limits.ts";
import type { Log } from "../../core/log.ts";
import type { ProviderTable } from "../models.ts";
import {
  cleanTemp,
  configGeneration,
  hasPiFiles,
  piDirs,
  newProcessMarker,
  processMarkerOf,
  startMarker,
  removeLocks,
  setAsideUnreadable,
  toHostArgs,
  toPiArgs,
  toPiConfig,
  toPiEnv,
  writePiFiles,
  type CompactionSettings,
  type PiConfig,
} from "./files.ts";
import { killMarkedProcesses } from "../../core/marked-processes.ts";
import type { Launcher, LaunchSpec } from "./launcher.ts";
import type { HostChoice, PiAgents } from "./settings.ts";

export type PiLaunchOptions = {
  stateDir: string;
  models: () => ProviderTable;
  env: NodeJS.ProcessEnv;
  agents: () => Pick<PiAgents, "version" | "providerEnv">;
  compaction?: () => CompactionSettings | undefined;
  log: Log;
  clock: Clock;
};

/** A little less than what Node's own requests wait for the next byte. */
const NODE_SILENCE_MS = 290_000;

type HostKind = HostChoice["host"];

/** Code that a child process loads: beside this file in the sources, a file of its own in a build. */
const CHILD_CODE = {
  shared: { source: "./child/host-main.ts", built: "./pi-shared-host.mjs" },
  process: { source: "./child/rpc-extension.ts", built: "./pi-rpc-extension.mjs" },
} as const satisfies Record<HostKind, unknown>;

/** Path of a child's code; throws when the installation lacks it. */
async function requireChild(kind: HostKind): Promise<string> {
  const { source, built } = CHILD_CODE[kind];
  const path = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? source : built, import.meta.url));
  await access(path);
  return path;
}

/** How Pi processes are started: writes their configuration when it has changed, and removes leftovers of an earlier gateway first. */
export class PiLaunch implements Launcher {
  readonly #options: PiLaunchOptions;
  readonly #entry = fileURLToPath(import.meta.resolve("@earendil-works/pi-coding-agent/rpc-entry"));
  /** Generation of the configuration that was last written. */
  #written: string | null = null;
  #current: { version: object; config: PiConfig; generation: string } | null = null;
  /** Monotonic. */
  #filesCheckedAt = -Infinity;
  #writing: Promise<unknown> = Promise.resolve();
  #sweepDone: Promise<void> | null = null;
  /** When a process last ended unexpectedly. */
  #crashedAt: number | undefined;
  #cleanedAfter: number | undefined;

  constructor(options: PiLaunchOptions) {
    this.#options = options;
  }

  /** Generation of today's configuration, as in `spec`. Cheap enough for each turn: the inputs are read once for each version. */
  generation(): string {
    const { clock, log } = this.#options;
    if (clock.monotonic() - this.#filesCheckedAt >= LIMITS.piFilesCheckMs)
      this.#write().catch((err: unknown) => log.warn("the agent's configuration could not be written", { reason: reasonOf(err) }));
    return this.#configNow().generation;
  }

  async spec(kind: HostKind): Promise<LaunchSpec> {
    const { stateDir, env } = this.#options;
    const crashedAt = this.#crashedAt;
    const dirs = piDirs(stateDir);
    const { config, generation } = await this.#write();
    this.#sweepDone ??= this.#sweep();
    await this.#sweepDone;
    await this.#cleanAfter(crashedAt);
    const marker = newProcessMarker(stateDir);
    const own = toPiEnv(env, dirs, marker);
    const waits = kind === "shared" && this.#needsLongWaits(own) ? { OPENCLAW_LONG_WAITS: "1" } : {};
    return { generation, args: await this.#args(kind), env: { ...own, ...waits }, keys: config.keys, cwd: dirs.start, marker };
  }

  onCrash(): void {
    this.#crashedAt = this.#options.clock.now();
  }

  /** Once after each crash. */
  async #cleanAfter(crashedAt: number | undefined): Promise<void> {
    if (crashedAt === undefined || crashedAt === this.#cleanedAfter) return;
    this.#cleanedAfter = crashedAt;
    await removeLocks(piDirs(this.#options.stateDir), this.#options.log, crashedAt);
  }

  /** Whether requests may be silent for longer than Node's own limit, or go through a proxy. */
  #needsLongWaits(env: Readonly<Record<string, string>>): boolean {
    const longest = Math.max(0, ...Object.values(this.#options.models()).map(({ timeoutSeconds = 0 }) => timeoutSeconds * 1_000));
    return longest > NODE_SILENCE_MS || Object.keys(env).some((name) => /^(https?|all)_proxy$/i.test(name));
  }

  async #args(kind: HostKind): Promise<string[]> {
    const { stateDir } = this.#options;
    const dirs = piDirs(stateDir);
    const writable = [dirs.config, dirs.cache, join(stateDir, "gateway", "agents")];
    const code = await requireChild(kind);
    if (kind === "process") return toPiArgs(this.#entry, code, writable);
    return toHostArgs(code, join(dirname(this.#entry), "index.js"), dirs, writable);
  }

  #configNow(): { config: PiConfig; generation: string } {
    const { models, compaction } = this.#options;
    const agents = this.#options.agents();
    const { version } = agents;
    if (this.#current?.version === version) return this.#current;
    const config = toPiConfig(models(), agents.providerEnv(), compaction?.());
    this.#current = { version, config, generation: configGeneration(config) };
    return this.#current;
  }

  async #write(): Promise<{ config: PiConfig; generation: string }> {
    const { stateDir, log, clock } = this.#options;
    const dirs = piDirs(stateDir);
    this.#filesCheckedAt = clock.monotonic();
    const now = this.#configNow();
    // The directory may have been removed by hand while the gateway runs.
    if (this.#written !== now.generation || !(await hasPiFiles(dirs))) {
      const previous = this.#writing;
      this.#writing = previous.catch(() => undefined).then(() => writePiFiles(dirs, now.config, log));
      await this.#writing;
      this.#written = now.generation;
    }
    return now;
  }

  /**
   * Before the first process is started, every process with the marker is a leftover of an earlier gateway, unless this one has started it
   * for a tool.
   */
  async #sweep(): Promise<void> {
    const { stateDir, log, clock } = this.#options;
    await killMarkedProcesses(`${processMarkerOf(stateDir)}-`, log, startMarker(stateDir));
    try {
      await removeLocks(piDirs(stateDir), log);
      await setAsideUnreadable(piDirs(stateDir), log);
      await cleanTemp(piDirs(stateDir), clock.now(), log);
    } catch (err) {
      log.warn("leftovers of an earlier agent process could not be removed", { reason: reasonOf(err) });
    }
  }
}
