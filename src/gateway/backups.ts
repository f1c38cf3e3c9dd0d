import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { agentIds, resolveAgent } from "../config/agents.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { asNumber, asString, fieldsOf } from "../core/json.ts";
import { ensureDirectory } from "../core/files.ts";
import type { Log } from "../core/log.ts";
import { VERSION } from "../core/version.ts";
import type { PackedBackup, PackJob } from "../backup/pack.ts";
import { BACKUP_LIMITS } from "../backup/limits.ts";
import type { BackupRequest, BackupStatus, LastBackup } from "../methods/backup.ts";
import type { GatewayBase } from "./base.ts";
import type { RunningConfig } from "./running-config.ts";
import type { Storage } from "./storage.ts";

export type BackupsDeps = Pick<GatewayBase, "paths" | "clock" | "health" | "metrics"> &
  Pick<Storage, "store" | "keyValue"> & {
    log: Log;
    running: RunningConfig;
    /** Packs and checks in a process of its own; a test packs here. */
    pack?: (job: PackJob, signal: AbortSignal) => Promise<PackedBackup>;
  };

const PART = "backup";
/** Name of the value that holds how the last backups ended. */
const RECORD = "backups";

type BackupRecord = { last: LastBackup | null; scheduled: LastBackup | null; lastGoodAt: number | null };

/** Backups of the running gateway, by hand and every day. Nothing of it is loaded before the first one. */
export class GatewayBackups {
  readonly #deps: BackupsDeps;
  readonly #abort = new AbortController();
  #running: Promise<PackedBackup> | null = null;
  #cancel: () => void = () => {};
  #settings = "";
  /** When the next daily backup begins; null: there is none. */
  #dueAt: number | null = null;

  constructor(deps: BackupsDeps) {
    this.#deps = deps;
    deps.metrics.sample("gateway_backup_last_success_seconds", () => {
      const { lastGoodAt } = this.#record();
      return lastGoodAt === null ? [] : [{ labels: {}, value: lastGoodAt / 1_000 }];
    });
  }

  /** The configuration may be another one. */
  configure(): void {
    const { running, health, clock } = this.#deps;
    const { enabled, at } = running.config.backup;
    const settings = enabled ? at : "";
    if (this.#abort.signal.aborted || settings === this.#settings) return;
    this.#settings = settings;
    this.#cancel();
    this.#dueAt = null;
    health.forget(PART);
    if (!enabled) return;
    health.report(PART, "ready");
    void this.#plan(clock.now(), BACKUP_LIMITS.catchUpMs);
  }

  async create({ kind = "manual", ...request }: BackupRequest & { kind?: "manual" | "scheduled" }): Promise<PackedBackup> {
    const { output, includeWorkspace, secrets, onlyConfig, verify } = request;
    const { backup } = this.#deps.running.config;
    if (output !== undefined && !isAbsolute(output))
      throw new GatewayError("INVALID_REQUEST", "output is not an absolute path", {
        fix: "Name the whole path of the archive, on the gateway's machine.",
      });
    if (this.#abort.signal.aborted) throw new GatewayError("UNAVAILABLE", "the gateway is stopping");
    if (this.#running !== null)
      throw new GatewayError("UNAVAILABLE", "a backup is being made", {
        retryable: true,
        fix: "Wait for its end: openclaw backup list shows it.",
      });
    const made = this.#make({
      kind,
      output: output ?? null,
      secrets: secrets ?? backup.secrets,
      workspaces: includeWorkspace ?? backup.workspaces,
      onlyConfig: onlyConfig ?? false,
      verify: verify ?? backup.verify,
    });
    this.#running = made;
    try {
      return await made;
    } finally {
      this.#running = null;
    }
  }

  async status(): Promise<BackupStatus> {
    const { running, clock } = this.#deps;
    const { listBackups, nextBackupAt } = await import("../backup/list.ts");
    const { enabled, at, keep } = running.config.backup;
    const dir = this.#dir();
    const { last, lastGoodAt } = this.#record();
    return {
      enabled,
      at,
      keep,
      dir,
      isRunning: this.#running !== null,
      last,
      lastGoodAt,
      nextAt: enabled ? (this.#dueAt ?? nextBackupAt(at, clock.now())) : null,
      backups: (await listBackups(dir)).slice(0, BACKUP_LIMITS.listed),
    };
  }

  /** Ends a backup that is being made: its copy would hold the store. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#cancel();
    await this.#running?.catch(() => {});
  }

  #dir(): string {
    return this.#deps.running.config.backup.dir ?? join(this.#deps.paths.state, "backups");
  }

  /** The next due time after the last daily backup; one that was missed begins soon. */
  async #plan(now: number, soonestMs: number): Promise<void> {
    const { running } = this.#deps;
    const { nextBackupAt } = await import("../backup/list.ts");
    if (this.#settings === "" || this.#abort.signal.aborted) return;
    const before = this.#record().scheduled?.at ?? now;
    this.#dueAt = Math.max(nextBackupAt(running.config.backup.at, Math.min(before, now)), now + (before < now ? soonestMs : 0));
    this.#wait();
  }

  /** In steps, because the clock of the machine may be set meanwhile. */
  #wait(): void {
    const { clock } = this.#deps;
    this.#cancel();
    if (this.#dueAt === null || this.#abort.signal.aborted) return;
    const left = this.#dueAt - clock.now();
    this.#cancel = clock.after(Math.min(Math.max(left, 0), BACKUP_LIMITS.checkMs), () => {
      if (this.#dueAt !== null && clock.now() >= this.#dueAt) void this.#runScheduled();
      else this.#wait();
    });
  }

  async #runScheduled(): Promise<void> {
    const { running, health, clock, log } = this.#deps;
    try {
      const { file, bytes } = await this.create({ kind: "scheduled" });
      const { pruneBackups } = await import("../backup/list.ts");
      const removed = await pruneBackups(this.#dir(), running.config.backup.keep);
      log.info("the daily backup was made", { file, bytes, removed: removed.length });
      if (this.#settings !== "") health.report(PART, "ready");
      await this.#plan(clock.now(), 0);
    } catch (err) {
      if (this.#abort.signal.aborted || this.#settings === "") return;
      const fix = err instanceof GatewayError && err.fix ? ` ${err.fix}` : "";
      health.report(PART, "degraded", `the daily backup failed: ${reasonOf(err)}.${fix}`);
      log.error("the daily backup failed", { cause: reasonOf(err), ...(fix && { fix: fix.trim() }) });
      this.#dueAt = clock.now() + BACKUP_LIMITS.retryMs;
      this.#wait();
    }
  }

  async #make(options: MakeOptions): Promise<PackedBackup> {
    const { clock, metrics } = this.#deps;
    const began = clock.monotonic();
    const createdAt = clock.now();
    try {
      const packed = await this.#pack(options, createdAt);
      metrics.count("gateway_backup_runs_total", { kind: options.kind, outcome: "ok" });
      metrics.observe("gateway_backup_seconds", (clock.monotonic() - began) / 1_000);
      await this.#keep({ at: createdAt, ok: true, kind: options.kind, file: packed.file, bytes: packed.bytes, error: null });
      return packed;
    } catch (err) {
      const failure = this.#abort.signal.aborted ? new GatewayError("UNAVAILABLE", "the gateway is stopping", { cause: err }) : err;
      metrics.count("gateway_backup_runs_total", { kind: options.kind, outcome: "failed" });
      await this.#keep({ at: createdAt, ok: false, kind: options.kind, file: null, bytes: null, error: reasonOf(failure) });
      throw failure;
    }
  }

  async #pack({ kind, output, secrets, workspaces, onlyConfig, verify }: MakeOptions, createdAt: number): Promise<PackedBackup> {
    const { paths, store, running } = this.#deps;
    const [{ copyStore }, { backupName, removeLeftovers }] = await Promise.all([import("../store/copy.ts"), import("../backup/list.ts")]);
    const dir = this.#dir();
    if (output === null) {
      await ensureDirectory(dir);
      await removeLeftovers(dir);
    }
    const staging = join(paths.gateway, "backup-staging");
    await rm(staging, { recursive: true, force: true });
    try {
      const copy = onlyConfig ? null : join(staging, `${randomBytes(6).toString("hex")}.db`);
      if (copy !== null) {
        await ensureDirectory(staging);
        const { stepPages: pages, syncBytes, copyAttempts: attempts } = BACKUP_LIMITS;
        await copyStore(store, copy, { pages, syncBytes, attempts, signal: this.#abort.signal });
      }
      const pack = this.#deps.pack ?? (await import("../backup/pack-process.ts")).packInProcess;
      const { config } = running;
      const job: PackJob = {
        store: copy,
        output: output ?? join(dir, backupName(kind, createdAt)),
        kind,
        createdAt,
        version: VERSION,
        state: paths.state,
        gateway: paths.gateway,
        config: paths.config,
        secrets,
        onlyConfig,
        verify,
        workspaces: workspaces
          ? agentIds(config).map((agent) => ({ agent, path: resolveAgent(config, agent, paths.state).workspace }))
          : [],
      };
      return await pack(job, this.#abort.signal);
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  }

  #record(): BackupRecord {
    const stored = fieldsOf(this.#deps.keyValue.get(RECORD));
    return { last: toLast(stored["last"]), scheduled: toLast(stored["scheduled"]), lastGoodAt: asNumber(stored["lastGoodAt"]) };
  }

  /** Never rejects: a backup does not fail because its end cannot be noted. */
  async #keep(last: LastBackup): Promise<void> {
    const { store, keyValue, clock, log } = this.#deps;
    const before = this.#record();
    const record: BackupRecord = {
      last,
      scheduled: last.kind === "scheduled" && last.ok ? last : before.scheduled,
      lastGoodAt: last.ok ? last.at : before.lastGoodAt,
    };
    await store
      .write(() => keyValue.set(RECORD, record, clock.now()))
      .catch((err: unknown) => log.warn("the end of a backup could not be noted", { cause: reasonOf(err) }));
  }
}

type MakeOptions = {
  kind: "manual" | "scheduled";
  output: string | null;
  secrets: boolean;
  workspaces: boolean;
  onlyConfig: boolean;
  verify: boolean;
};

function toLast(value: unknown): LastBackup | null {
  const { at, ok, kind, file, bytes, error } = fieldsOf(value);
  if (typeof at !== "number") return null;
  return {
    at,
    ok: ok === true,
    kind: kind === "scheduled" ? "scheduled" : "manual",
    file: asString(file) || null,
    bytes: asNumber(bytes),
    error: asString(error) || null,
  };
}
