import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../core/clock.ts";
import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
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

/**
 * Removes files that no row refers to: of deleted sessions, of dropped messages. A file that is younger than
 * LIMITS.mediaGraceMs stays, because its row may not be written yet. Does nothing while damage hides rows. Resolves to the result.
 */
export async function sweepMedia(
  deps: { store: Store; media: MediaStore; now: () => number; pause: () => Promise<void> },
  signal: AbortSignal,
): Promise<{ files: number; bytes: number }> {
  const { store, media } = deps;
  const before = deps.now() - LIMITS.mediaGraceMs;
  const removed = { files: 0, bytes: 0 };
  const names = await readdir(media.dir).catch((err: NodeJS.ErrnoException) => {
    if (err.code === "ENOENT" || err.code === "ENOTDIR") return [];
    throw err;
  });
  if (names.length === 0) return removed;
  const used = new Set<string>();
  for (const _ of referencedFiles(store, used)) {
    await deps.pause();
    if (signal.aborted || store.damage !== null) return removed;
  }
  for (const name of names) {
    if (signal.aborted) break;
    if (!(FILE.test(name) ? !used.has(name) : LEFTOVER.test(name))) continue;
    const path = join(media.dir, name);
    const seen = await stat(path).catch(() => null);
    if (!seen?.isFile() || seen.mtimeMs >= before) continue;
    await rm(path, { force: true });
    removed.files++;
    removed.bytes += seen.size;
  }
  media.invalidateSize();
  return removed;
}

const noop = (): void => {};

/** Sweeps some time after the start and then periodically. Returns a function that stops it. */
export function startMediaSweep(deps: { store: Store; media: MediaStore; clock: Clock; log: Log }): () => void {
  const { clock, log } = deps;
  const stop = new AbortController();
  let cancel = noop;
  const pause = (): Promise<void> => new Promise((resolve) => void clock.after(LIMITS.mediaSweepPauseMs, resolve));
  const run = async (): Promise<void> => {
    try {
      const removed = await sweepMedia({ ...deps, now: clock.now, pause }, stop.signal);
      if (removed.files > 0) log.info("unreferenced files were removed", removed);
    } catch (err) {
      log.warn("the sweep of stored files failed", { cause: reasonOf(err) });
    }
    if (!stop.signal.aborted) cancel = clock.after(LIMITS.mediaSweepEveryMs, () => void run());
  };
  cancel = clock.after(LIMITS.mediaSweepFirstMs, () => void run());
  return () => {
    stop.abort();
    cancel();
  };
}
