import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { MediaStore } from "./media.ts";
import type { Store } from "./store.ts";

/** Where rows refer to files: a table with its key and the column, which holds JSON. */
const MEDIA_COLUMNS = [
  { table: "messages", key: "seq", column: "body" },
  { table: "inbox", key: "seq", column: "payload" },
  { table: "outbox", key: "rowid", column: "media" },
  { table: "group_history", key: "seq", column: "message" },
] as const;

const FILE_REFERENCE = /"file":"([0-9a-f]{64})"/g;
const FILE = /^[0-9a-f]{64}$/;
const LEFTOVER = /^[0-9a-f]{64}\.[0-9a-f-]{36}\.tmp$/;

/** Collects every file that a row refers to, in small steps: yields after each. */
export function* referencedFiles(store: Store, found: Set<string>): Generator<void> {
  for (const { table, key, column } of MEDIA_COLUMNS) {
    const next = `SELECT ${key} AS at, ${column} AS text FROM ${table} WHERE ${key} > ? ORDER BY ${key} LIMIT ${LIMITS.mediaSweepRows}`;
    for (let after = 0; ;) {
      const rows = store.all<{ at: number; text: string | null }>(next, after);
      yield;
      if (rows.length === 0) break;
      for (const { text } of rows) for (const [, file] of text?.matchAll(FILE_REFERENCE) ?? []) found.add(file!);
      after = rows.at(-1)!.at;
    }
  }
}

/** What a sweep found: files that no row refers to, and rows whose file is not there. */
export type MediaReport = {
  readonly files: number;
  readonly bytes: number;
  /** Hashes that rows refer to, and that no file has; at most LIMITS.mediaMissingNames of them are named. */
  readonly missing: { readonly count: number; readonly names: readonly string[] };
  /** It was not finished: the gateway stops, or damage hides rows. */
  readonly isPartial: boolean;
};

type SweepDeps = { store: Store; media: MediaStore; now: () => number; pause: () => Promise<void> };

/**
 * Removes files that no row refers to: of deleted sessions, of dropped messages. A file that is younger than
 * LIMITS.mediaGraceMs stays, because its row may not be written yet. Does nothing while damage hides rows. With `dryRun` it only counts.
 */
export async function sweepMedia(deps: SweepDeps, signal: AbortSignal, { dryRun = false } = {}): Promise<MediaReport> {
  const { store, media } = deps;
  const before = deps.now() - LIMITS.mediaGraceMs;
  const removed = { files: 0, bytes: 0 };
  const partial = (): MediaReport => ({ ...removed, missing: { count: 0, names: [] }, isPartial: true });
  const names = await readdir(media.dir).catch((err: NodeJS.ErrnoException) => {
    if (err.code === "ENOENT" || err.code === "ENOTDIR") return null;
    throw err;
  });
  // No file was ever stored: no row has to be read.
  if (names === null) return { ...removed, missing: { count: 0, names: [] }, isPartial: false };
  const used = new Set<string>();
  for (const _ of referencedFiles(store, used)) {
    await deps.pause();
    if (signal.aborted || store.damage !== null) return partial();
  }
  for (const name of names) {
    if (signal.aborted) return partial();
    if (!(FILE.test(name) ? !used.has(name) : LEFTOVER.test(name))) continue;
    const path = join(media.dir, name);
    const seen = await stat(path).catch(() => null);
    if (!seen?.isFile() || seen.mtimeMs >= before) continue;
    if (!dryRun) await rm(path, { force: true });
    removed.files++;
    removed.bytes += seen.size;
  }
  if (removed.files > 0) media.invalidateSize();
  return { ...removed, missing: await findMissing(media, names, used), isPartial: false };
}

/** A file may have been written since the directory was read. */
async function findMissing(media: MediaStore, names: readonly string[], used: ReadonlySet<string>): Promise<MediaReport["missing"]> {
  const there = new Set(names);
  const missing: string[] = [];
  for (const name of used) {
    if (there.has(name)) continue;
    const seen = await stat(join(media.dir, name)).catch(() => null);
    if (seen === null) missing.push(name);
  }
  return { count: missing.length, names: missing.slice(0, LIMITS.mediaMissingNames) };
}

const noop = (): void => {};

export type MediaSweepDeps = { store: Store; media: MediaStore; clock: Clock; log: Log; metrics: Metrics };

/** The files of the gateway: sweeps some time after the start and then periodically, and whenever it is asked to. */
export class MediaSweep {
  readonly #deps: MediaSweepDeps;
  readonly #stop = new AbortController();
  #missing = 0;

  constructor(deps: MediaSweepDeps) {
    this.#deps = deps;
    deps.metrics.sample("gateway_media_missing_files", () => [{ labels: {}, value: this.#missing }]);
  }

  /** Returns a function that stops it. */
  start(): () => void {
    const { clock, log } = this.#deps;
    let cancel = noop;
    const run = async (): Promise<void> => {
      try {
        await this.sweep();
      } catch (err) {
        log.warn("the sweep of stored files failed", { cause: reasonOf(err) });
      }
      if (!this.#stop.signal.aborted) cancel = clock.after(LIMITS.mediaSweepEveryMs, () => void run());
    };
    cancel = clock.after(LIMITS.mediaSweepFirstMs, () => void run());
    return () => {
      this.#stop.abort();
      cancel();
    };
  }

  async sweep(): Promise<MediaReport> {
    const { log, metrics } = this.#deps;
    const report = await sweepMedia(this.#sweepDeps(), this.#stop.signal);
    const { files, bytes, missing } = report;
    if (files > 0) {
      metrics.count("gateway_media_removed_files_total", {}, files);
      log.info("unreferenced files were removed", { files, bytes });
    }
    if (report.isPartial) return report;
    if (missing.count > this.#missing) log.warn("messages refer to stored files that are not there", { ...missing });
    this.#missing = missing.count;
    return report;
  }

  /** What a sweep would find now. */
  report(): Promise<MediaReport> {
    return sweepMedia(this.#sweepDeps(), this.#stop.signal, { dryRun: true });
  }

  #sweepDeps(): SweepDeps {
    const { clock } = this.#deps;
    return { ...this.#deps, now: clock.now, pause: () => new Promise((resolve) => void clock.after(LIMITS.mediaSweepPauseMs, resolve)) };
  }
}
