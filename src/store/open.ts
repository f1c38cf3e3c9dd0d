import { chmodSync, closeSync, existsSync, lstatSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { detailError, GatewayError, reasonOf } from "../core/errors.ts";
import { ensureDirectorySync } from "../core/files.ts";
import { LIMITS } from "../core/limits.ts";
import { addLastNumbers, readLedger, countLedgerRows, type KnownTables, type Ledger } from "./ledger.ts";
import { latestFormat, migrate, missingParts, newerReleaseError } from "./migrate.ts";
import { PageImage, scanWal } from "./page-image.ts";
import { salvage, type Losses } from "./salvage.ts";
import { describeLosses, Store, collectTableStats, type StoreOptions } from "./store.ts";
import { damageError, isBusy, isDamage, isForeignSchema, sqliteCode, toStoreError, unusableDirError } from "./store-errors.ts";

export { Store, type SqlRow, type StoreOptions } from "./store.ts";

const SUFFIXES = ["", "-wal", "-shm"] as const;

export const ledgerPath = (dir: string): string => join(dir, "store-ledger.json");
export const numbersPath = (dir: string): string => join(dir, "store-numbers.json");

/**
 * Opens (and creates, migrates, repairs) the store. A damaged file is renamed, and every readable record is copied to a new one.
 * Throws GatewayError CONFLICT when another process owns the directory, UNAVAILABLE when the directory cannot be used.
 */
export function openStore(options: StoreOptions): Store {
  const { dir, log } = options;
  const path = join(dir, "gateway.db");
  prepareDir(dir, path);
  refuseIfLocked(path);
  finishRepair(path);
  const ledger = readLedger(ledgerPath(dir), log);
  const before = options.repair ? "an earlier start has met damage in it" : detectDamage(path, ledger);
  let [db, losses] = before === null ? [open(path, options), null] : ["damaged" as const, null as Losses | null];
  if (db === "damaged") {
    losses = repair(path, options, { ledger, cause: before ?? "its content is not that of a sound database" });
    db = open(path, options);
    if (db === "damaged")
      throw new GatewayError("UNAVAILABLE", `the store ${path} cannot be repaired`, {
        fix: `Move ${path} away; the gateway then starts with an empty store.`,
      });
  }
  losses ??= lossesByLedger(db, addLastNumbers(ledger, numbersPath(dir), log));
  if (losses?.damagedFile === null) log.error(`the store has lost records: ${describeLosses(losses)}`, { path });
  const store = new Store(path, db, losses, options, {
    ledgerPath: ledgerPath(dir),
    numbersPath: numbersPath(dir),
    open: connect,
  });
  store.writeLedger();
  return store;
}

function prepareDir(dir: string, path: string): void {
  try {
    ensureDirectorySync(dir);
    const seen = lstatSync(path, { throwIfNoEntry: false });
    if (seen?.isDirectory()) throw unusableStoreError(path, "it is a directory, not a file", "Move that directory away.");
    if (seen?.isSymbolicLink() && !existsSync(path))
      throw unusableStoreError(
        path,
        "it is a link to a file that does not exist",
        "Mount or restore what the link points to, or remove the link.",
      );
    // Created before SQLite opens it, so that only the owner can read the file and its journal.
    if (!seen) return;
    closeSync(openSync(path, "r+"));
  } catch (err) {
    throw err instanceof GatewayError ? err : unusableDirError(dir, err);
  }
}

const unusableStoreError = (path: string, why: string, fix: string): GatewayError =>
  detailError("STATE_DIR_UNUSABLE", `the store ${path} cannot be used: ${why}`, { fix });

/** Checks whether another process holds the lock, before files are moved. Other errors are left to the actual opening. */
function refuseIfLocked(path: string): void {
  // SQLite would delete the write-ahead log of an empty file; the file of a running gateway is never empty.
  if (!statSync(path, { throwIfNoEntry: false })?.size) return;
  const hadIndex = existsSync(`${path}-shm`);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true });
    db.prepare("PRAGMA schema_version").get();
  } catch (err) {
    if (isBusy(err)) throw lockedError(err);
  } finally {
    db?.close();
  }
  // Created by this check: an owner keeps the index of its log in memory.
  if (!hadIndex) rmSync(`${path}-shm`, { force: true });
}

const lockedError = (cause: unknown): GatewayError =>
  detailError("STATE_DIR_OWNED", "another process owns this state directory", { cause });

/** Damage that must be detected before SQLite opens the file, because SQLite would accept it and drop data. */
function detectDamage(path: string, ledger: Ledger | null): string | null {
  if (ledger?.damaged) return `damage was met while it was in use: ${ledger.damaged}`;
  const wal = scanWal(`${path}-wal`);
  if (wal.commitsAfterDamage > 1) return `${wal.damagedFrames} pages of its write-ahead log are damaged`;
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? null;
  if (!bytes && wal.pages.size > 0) return bytes === null ? "the database file is missing" : "the database file is empty";
  return null;
}

/** A valid file with fewer records than the ledger lists. Nothing can be recovered; the loss is reported. */
function lossesByLedger(db: DatabaseSync, ledger: Ledger | null): Losses | null {
  if (countLedgerRows(ledger) === 0) return null;
  const now = collectTableStats(db);
  const behind = Object.entries(ledger!.tables).filter(([name, facts]) => (facts.last ?? 0) > (now[name]?.last ?? 0));
  if (behind.length === 0) return null;
  const tables: Losses["tables"] = {};
  let lost = 0;
  for (const [name, facts] of Object.entries(ledger!.tables)) {
    const kept = now[name]?.rows ?? 0;
    const numbers = (facts.last ?? 0) - (now[name]?.last ?? 0);
    const missing = facts.last === null ? (facts.rows ?? 0) - kept : Math.min(numbers, facts.rows ?? numbers);
    tables[name] = { kept, lost: Math.max(0, missing) };
    lost += Math.max(0, missing);
  }
  raiseSequences(db, ledger!.tables);
  const kept = Object.values(now).reduce((sum, { rows }) => sum + (rows ?? 0), 0);
  const cause =
    kept === 0
      ? "the store is empty although it had records"
      : "the store lacks its last changes: its write-ahead log is missing or incomplete";
  // Changes after the last count are not in the ledger.
  return { damagedFile: null, cause, kept, lost, exact: false, damagedPages: 0, tables };
}

/** A number is never reused, not even that of a lost record. */
function raiseSequences(db: DatabaseSync, known: KnownTables): void {
  for (const [name, { last }] of Object.entries(known)) {
    if (last === null) continue;
    db.prepare("DELETE FROM sqlite_sequence WHERE name = ? AND seq < ?").run(name, last);
    db.prepare(
      "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
    ).run(name, last);
  }
}

function connect(path: string): DatabaseSync {
  const db = new DatabaseSync(path);
  try {
    // The exclusive lock is the ownership of the state directory: the operating system releases it when the process ends.
    db.exec(
      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-4000; PRAGMA journal_size_limit=16777216;",
    );
    return db;
  } catch (err) {
    db.close();
    throw err;
  }
}

function open(path: string, { log, fullCheckBytes = LIMITS.storeFullCheckBytes }: StoreOptions): DatabaseSync | "damaged" {
  let db: DatabaseSync | undefined;
  try {
    const existed = existsSync(path);
    // Created before SQLite opens it, so that only the owner can read the file and its journal.
    if (!existed) closeSync(openSync(path, "a", 0o600));
    db = connect(path);
    migrate(db);
    if (existed && statSync(path).size <= fullCheckBytes && !isIntact(db)) throw damageError("integrity check failed");
    const missing = existed ? missingParts(db) : [];
    if (missing.length > 0) throw damageError(`${missing.join(", ")} missing`);
    // Reads the counts, which an intact store has.
    collectTableStats(db);
    return db;
  } catch (err) {
    db?.close();
    if (isBusy(err)) throw lockedError(err);
    if (isDamage(err) || (isForeignSchema(err) && existsSync(path))) {
      log.error("the store is damaged", { path, cause: reasonOf(err) });
      return "damaged";
    }
    if (sqliteCode(err) !== 0) throw startError(path, err);
    if (err instanceof GatewayError) throw err;
    throw (err as NodeJS.ErrnoException).code ? unusableDirError(dirname(path), err) : err;
  }
}

/** The text of a rejected write, for the person who starts the gateway. */
function startError(path: string, err: unknown): GatewayError {
  const known = toStoreError(err);
  return new GatewayError("UNAVAILABLE", `the store ${path} cannot be opened: ${known.message.replace("; nothing was stored", "")}`, {
    cause: err,
    details: { ...known.details, system: reasonOf(err) },
    ...(known.fix ? { fix: known.fix.replace("; the gateway recovers automatically", ", and start again") } : {}),
  });
}

function isIntact(db: DatabaseSync): boolean {
  const row = db.prepare("PRAGMA quick_check(1)").get() as { quick_check: string };
  return row.quick_check === "ok";
}

const MAGIC = Buffer.from("SQLite format 3\0");
const USER_VERSION_AT = 60;

/** This release would lose data in rows of a later release. */
function refuseNewerRelease(path: string): void {
  const image = new PageImage(path);
  try {
    const header = image.page(1);
    const at = header.subarray(0, MAGIC.length).equals(MAGIC) ? header.readUInt32BE(USER_VERSION_AT) : 0;
    const latest = latestFormat();
    // A number that no release can have reached is damage.
    if (at > latest && at < 10_000) throw newerReleaseError(at, latest);
  } finally {
    image.close();
  }
}

/**
 * Builds a complete database beside the damaged one, renames the damaged files and moves the new one to their place. A crash at any
 * point leaves either the damaged files in place, or a complete new file, which the next start moves into place.
 */
function repair(path: string, options: StoreOptions, known: { ledger: Ledger | null; cause: string }): Losses {
  refuseNewerRelease(path);
  const building = `${path}.rebuilding`;
  const built = `${path}.rebuilt`;
  for (const suffix of SUFFIXES) rmSync(building + suffix, { force: true });
  const damaged = `${path}.damaged-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
  let losses: Losses;
  try {
    closeSync(openSync(building, "ax", 0o600));
    const target = new DatabaseSync(building);
    try {
      target.exec("PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL;");
      migrate(target);
      losses = { ...salvage(path, target, known.ledger?.tables ?? null, known.cause), damagedFile: damaged };
    } finally {
      target.close();
    }
    renameSync(building, built);
    for (const suffix of SUFFIXES) quarantineFile(path + suffix, damaged + suffix);
    renameSync(built, path);
  } catch (err) {
    throw sqliteCode(err) === 0 ? err : startError(path, err);
  }
  options.log.error(`the store was ${describeLosses(losses)}`, { kept: losses.kept, lost: losses.lost, tables: losses.tables });
  return losses;
}

function quarantineFile(file: string, damaged: string): void {
  if (!existsSync(file)) return;
  chmodSync(file, 0o600);
  renameSync(file, damaged);
}

/** A repair that was interrupted between its last two steps. */
function finishRepair(path: string): void {
  if (existsSync(path) || !existsSync(`${path}.rebuilt`)) return;
  renameSync(`${path}.rebuilt`, path);
}
