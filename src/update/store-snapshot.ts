import { constants, existsSync } from "node:fs";
import { copyFile, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { GatewayError } from "../core/errors.ts";
import { syncDirectory } from "../core/files.ts";
import { checkCopy, type CopyReport } from "../store/copy.ts";

/** The store of a gateway that does not run: the database with its log, and what is known about its rows. */
const FILES = ["gateway.db", "gateway.db-wal", "store-ledger.json", "store-numbers.json"] as const;
const DATABASE = "gateway.db";
/** Rows that a conversation consists of. */
const KEPT_TABLES = ["sessions", "messages", "inbox", "outbox"] as const;

export type StoreRollback = {
  /** False: the store that the new version used goes on being used, because nothing is missing in it. */
  readonly restored: boolean;
  /** Where the store of the new version is kept; null: it was not replaced. */
  readonly keptAs: string | null;
  /** Messages that only the store of the new version has. */
  readonly newerMessages: number;
};

/** Copies the store of a stopped gateway; where the file system can, without using space for it. */
export async function takeSnapshot(gatewayDir: string, into: string): Promise<void> {
  await rm(into, { recursive: true, force: true });
  await mkdir(into, { recursive: true, mode: 0o700 });
  for (const name of FILES)
    if (existsSync(join(gatewayDir, name))) await copyFile(join(gatewayDir, name), join(into, name), constants.COPYFILE_FICLONE);
  await syncDirectory(into);
}

/**
 * Makes the store usable for the version that made the snapshot. A store that this version can open and in which no row is missing stays, with
 * everything that came in since; any other one is kept aside, and the snapshot takes its place.
 */
export async function rollBackStore(gatewayDir: string, snapshot: string, suffix: string): Promise<StoreRollback> {
  if (!existsSync(join(snapshot, DATABASE))) return { restored: false, keptAs: null, newerMessages: 0 };
  const before = checkCopy(join(snapshot, DATABASE));
  const after = reportOf(join(gatewayDir, DATABASE));
  if (after !== null && after.format === before.format && KEPT_TABLES.every((name) => rows(after, name) >= rows(before, name)))
    return { restored: false, keptAs: null, newerMessages: 0 };
  const keptAs = join(gatewayDir, `${DATABASE}.${suffix}`);
  for (const name of FILES) {
    const path = join(gatewayDir, name);
    const isDatabase = name.startsWith(DATABASE);
    if (!existsSync(path)) continue;
    if (isDatabase) await rename(path, `${keptAs}${name.slice(DATABASE.length)}`);
    else await rm(path);
  }
  await rm(join(gatewayDir, `${DATABASE}-shm`), { force: true });
  for (const name of FILES)
    if (existsSync(join(snapshot, name))) await copyFile(join(snapshot, name), join(gatewayDir, name), constants.COPYFILE_FICLONE);
  await syncDirectory(gatewayDir);
  return { restored: true, keptAs, newerMessages: after === null ? 0 : Math.max(0, rows(after, "messages") - rows(before, "messages")) };
}

const rows = (report: CopyReport, table: string): number => report.rows[table] ?? 0;

/** Null: it cannot be used by this version. */
function reportOf(path: string): CopyReport | null {
  if (!existsSync(path)) return null;
  try {
    return checkCopy(path);
  } catch (err) {
    if (err instanceof GatewayError) return null;
    throw err;
  }
}
