import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { GatewayError } from "../core/errors.ts";
import { isAbsent, syncDirectory } from "../core/files.ts";
import type { BackupManifest } from "./manifest.ts";
import { openBackup } from "./verify.ts";

/** A backup in a directory, as far as its name and size tell. */
export type BackupRow = {
  readonly file: string;
  readonly kind: BackupManifest["kind"];
  readonly createdAt: number;
  readonly bytes: number;
};

/** The same with what its manifest says; `problem`: it cannot be read. */
export type BackupDetails = BackupRow & { readonly manifest: BackupManifest | null; readonly problem: string | null };

const NAME = /^openclaw-(backup|scheduled)-(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d)(?:-\d+)?Z\.zip$/;

/** The name of a backup that is made now; in UTC, so that names sort by time. */
export function backupName(kind: BackupManifest["kind"], createdAt: number): string {
  const stamp = new Date(createdAt).toISOString().replaceAll(":", "-").replace(".", "-");
  return `openclaw-${kind === "scheduled" ? "scheduled" : "backup"}-${stamp}.zip`;
}

/** Backups of a directory, the newest first; none when there is no directory. */
export async function listBackups(dir: string): Promise<BackupRow[]> {
  const names = await readdir(dir).catch((err: unknown) => {
    if (isAbsent(err)) return [];
    throw err;
  });
  const rows: BackupRow[] = [];
  for (const name of names) {
    const [, kind, stamp] = NAME.exec(name) ?? [];
    if (stamp === undefined) continue;
    const file = join(dir, name);
    const found = await stat(file).catch(() => null);
    if (!found?.isFile()) continue;
    const createdAt = Date.parse(`${stamp.slice(0, 10)}T${stamp.slice(11).replaceAll("-", ":")}Z`);
    rows.push({ file, kind: kind === "scheduled" ? "scheduled" : "manual", createdAt, bytes: found.size });
  }
  return rows.toSorted((a, b) => b.createdAt - a.createdAt || (a.file < b.file ? 1 : -1));
}

export async function describeBackup(row: BackupRow): Promise<BackupDetails> {
  try {
    const { zip, manifest } = await openBackup(row.file);
    await zip.close();
    return { ...row, manifest, problem: null };
  } catch (err) {
    if (!(err instanceof GatewayError)) throw err;
    return { ...row, manifest: null, problem: err.message };
  }
}

/** Removes scheduled backups beyond the newest `keep`; others stay. Resolves to the removed ones. */
export async function pruneBackups(dir: string, keep: number): Promise<string[]> {
  const old = (await listBackups(dir)).filter(({ kind }) => kind === "scheduled").slice(Math.max(1, keep));
  for (const { file } of old) await rm(file, { force: true });
  if (old.length > 0) await syncDirectory(dir);
  return old.map(({ file }) => file);
}

/** Removes what an interrupted backup left in a directory. */
export async function removeLeftovers(dir: string): Promise<void> {
  const names = await readdir(dir).catch((err: unknown) => {
    if (isAbsent(err)) return [];
    throw err;
  });
  for (const name of names)
    if (/^\.openclaw-(?:backup|scheduled)-.*\.zip\.[0-9a-f]{12}\.tmp$|^\.verify-/.test(name))
      await rm(join(dir, name), { recursive: true, force: true });
}

/** The next time of day `HH:MM` after a moment, in the time zone of the machine. */
export function nextBackupAt(time: string, after: number): number {
  const [hours = 0, minutes = 0] = time.split(":").map(Number);
  const at = new Date(after);
  at.setHours(hours, minutes, 0, 0);
  // The date changes by one day, not by 24 hours: the clock may be set in the night.
  if (at.getTime() <= after) at.setDate(at.getDate() + 1);
  if (at.getTime() <= after) at.setDate(at.getDate() + 1);
  return at.getTime();
}
