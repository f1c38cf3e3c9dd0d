import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { GatewayError, reasonOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { salvage, type Losses } from "./salvage.ts";

type Job = { run: () => unknown; resolve: (value: never) => void; reject: (err: unknown) => void };
export type Row = Record<string, SQLInputValue>;

export type StoreOptions = {
  /** Directory of the gateway's own files; created 0700. */ dir: string;
  log: Log;
  /** Marks for crash tests. */ mark?: (point: string) => void;
};

/**
 * The one SQLite file of the gateway and its one writer. Reads are synchronous. Writes are collected for one turn of the event
 * loop and committed together with one fsync: when the promise of `write` resolves, the change survives a power cut.
 */
export class Store {
  readonly path: string;
  /** What a damaged file has cost; null when the file was whole. */
  readonly losses: Losses | null;
  readonly #log: Log;
  readonly #mark: (point: string) => void;
  #db: DatabaseSync;
  #statements = new Map<string, StatementSync>();
  #jobs: Job[] = [];
  #scheduled = false;
  #closed = false;

  constructor(path: string, db: DatabaseSync, losses: Losses | null, options: StoreOptions) {
    this.path = path;
    this.losses = losses;
    this.#db = db;
    this.#log = options.log;
    this.#mark = options.mark ?? (() => {});
  }

  /** Rows of a query; parameters by position. */
  all<R>(sql: string, ...params: SQLInputValue[]): R[] {
    return this.#prepare(sql).all(...params) as R[];
  }

  /** The first row, or undefined. */
  get<R>(sql: string, ...params: SQLInputValue[]): R | undefined {
    return this.#prepare(sql).get(...params) as R | undefined;
  }

  /** Changes rows; only inside `write` or `writeNow`. Returns how many rows changed. */
  run(sql: string, ...params: SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...params).changes);
  }

  /**
   * Runs `change` in the next group commit and resolves with its value once that is on disk. A change that throws is undone
   * alone; the others of the group stay. Rejects with UNAVAILABLE when the disk refuses: then nothing of it is stored.
   */
  write<T>(change: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(new GatewayError("UNAVAILABLE", "the gateway is stopping"));
    return new Promise<T>((resolve, reject) => {
      this.#jobs.push({ run: change, resolve: resolve as (value: never) => void, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => this.#commit());
    });
  }

  /** Commits everything that waits, together with `change`, before it returns. For start-up and shutdown only: it blocks. */
  writeNow<T>(change: () => T): T {
    let result: { value: T } | undefined;
    let failure: unknown;
    this.#jobs.push({ run: change, resolve: (value: T) => void (result = { value }), reject: (err) => void (failure = err) });
    this.#commit();
    if (!result) throw failure;
    return result.value;
  }

  close(): void {
    if (this.#closed) return;
    this.#commit();
    this.#closed = true;
    this.#statements.clear();
    this.#db.close();
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #commit(): void {
    this.#scheduled = false;
    const jobs = this.#jobs;
    if (jobs.length === 0) return;
    this.#jobs = [];
    const settled: (() => void)[] = [];
    try {
      this.run("BEGIN IMMEDIATE");
      for (const job of jobs) settled.push(this.#runJob(job));
      this.#mark("before-commit");
      this.run("COMMIT");
      this.#mark("after-commit");
    } catch (err) {
      this.#rollback();
      const failure = toStoreError(err);
      this.#log.error("the store refused a write", { cause: reasonOf(err), writes: jobs.length });
      for (const job of jobs) job.reject(failure);
      return;
    }
    for (const settle of settled) settle();
  }

  #runJob(job: Job): () => void {
    this.run("SAVEPOINT job");
    try {
      const value = job.run();
      this.run("RELEASE job");
      return () => job.resolve(value as never);
    } catch (err) {
      if (isDiskFailure(err)) throw err;
      this.run("ROLLBACK TO job");
      this.run("RELEASE job");
      return () => job.reject(err);
    }
  }

  #rollback(): void {
    try {
      this.#db.exec("ROLLBACK");
    } catch (err) {
      // SQLite has already rolled back by itself after a full disk; anything else is worth a line.
      this.#log.debug("rollback", { cause: reasonOf(err) });
    }
  }
}

/** The numeric SQLite result code of an error, without its extension bits; 0 for other errors. */
function sqliteCode(err: unknown): number {
  const code = (err as { errcode?: number }).errcode;
  return typeof code === "number" ? code & 0xff : 0;
}
const FULL = 13;
const IO = 10;
const CORRUPT = 11;
const NOT_A_DATABASE = 26;
const BUSY = 5;

const isDiskFailure = (err: unknown): boolean => [FULL, IO, CORRUPT, NOT_A_DATABASE].includes(sqliteCode(err));

function toStoreError(err: unknown): GatewayError {
  const code = sqliteCode(err);
  if (code === FULL) {
    return new GatewayError("UNAVAILABLE", "the disk is full; nothing was stored", {
      cause: err,
      retryAfterMs: 1_000,
      details: { code: "STORAGE_FULL" },
      fix: "Free some space on the disk of the state directory; the gateway goes on by itself.",
    });
  }
  return new GatewayError("UNAVAILABLE", "the store could not write; nothing was stored", {
    cause: err,
    retryAfterMs: 1_000,
    details: { code: "STORAGE_FAILED" },
  });
}

/**
 * Opens (and creates, migrates, repairs) the store. A damaged file is set aside and every readable record is carried over.
 * Throws GatewayError CONFLICT when another process owns the directory.
 */
export function openStore(options: StoreOptions): Store {
  mkdirSync(options.dir, { recursive: true, mode: 0o700 });
  const path = join(options.dir, "gateway.db");
  let losses: Losses | null = null;
  let db = tryOpen(path, options.log);
  if (db === "damaged") {
    losses = repair(path, options);
    const reopened = tryOpen(path, options.log);
    if (reopened === "damaged")
      throw new GatewayError("UNAVAILABLE", `the store ${path} cannot be repaired`, {
        fix: `Move ${path} away; the gateway then starts with an empty store.`,
      });
    db = reopened;
  }
  return new Store(path, db, losses, options);
}

/** A file up to this size is checked completely at every start; a larger one when a read fails. */
const FULL_CHECK_BYTES = 33_554_432;

function tryOpen(path: string, log: Log): DatabaseSync | "damaged" {
  let db: DatabaseSync | undefined;
  try {
    const existed = existsSync(path);
    // Made before SQLite opens it, so that the file and its journal are readable by their owner only.
    if (!existed) closeSync(openSync(path, "a", 0o600));
    db = new DatabaseSync(path);
    // The exclusive lock is the ownership of the state directory: the system releases it when the process dies.
    db.exec(
      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-4000; PRAGMA journal_size_limit=16777216;",
    );
    migrate(db);
    if (existed && statSync(path).size <= FULL_CHECK_BYTES && !isWhole(db))
      throw Object.assign(new Error("integrity check failed"), { errcode: CORRUPT });
    return db;
  } catch (err) {
    db?.close();
    const code = sqliteCode(err);
    if (code === BUSY)
      throw new GatewayError("CONFLICT", "another process owns this state directory", { cause: err, details: { code: "STATE_DIR_OWNED" } });
    if (code === CORRUPT || code === NOT_A_DATABASE || (code === 1 && existsSync(path))) {
      log.error("the store is damaged", { path, cause: reasonOf(err) });
      return "damaged";
    }
    throw err;
  }
}

function isWhole(db: DatabaseSync): boolean {
  const row = db.prepare("PRAGMA quick_check(1)").get() as { quick_check: string };
  return row.quick_check === "ok";
}

const migrationsDir = new URL("./migrations/", import.meta.url);

/** The numbered SQL files, in order. */
function migrations(): { version: number; name: string }[] {
  return readdirSync(migrationsDir)
    .filter((name) => /^\d{4}-[a-z0-9-]+\.sql$/.test(name))
    .toSorted()
    .map((name) => ({ version: Number(name.slice(0, 4)), name }));
}

function migrate(db: DatabaseSync): void {
  const { user_version: at } = db.prepare("PRAGMA user_version").get() as { user_version: number };
  const steps = migrations();
  const latest = steps.at(-1)!.version;
  if (at > latest) {
    throw new GatewayError("UNAVAILABLE", `the store was written by a later release (format ${at}, this one knows ${latest})`, {
      fix: "Start the later release, or use another OPENCLAW_STATE_DIR.",
    });
  }
  for (const step of steps.filter((each) => each.version > at)) {
    const sql = readFileSync(new URL(step.name, migrationsDir), "utf8");
    db.exec(`BEGIN IMMEDIATE;\n${sql}\nPRAGMA user_version=${step.version};\nCOMMIT;`);
  }
}

/** Sets the damaged files aside, carries over what can be read, and puts the result in their place. */
function repair(path: string, options: StoreOptions): Losses {
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, "-");
  const damaged = `${path}.damaged-${stamp}`;
  for (const suffix of ["", "-wal", "-shm"]) if (existsSync(path + suffix)) renameSync(path + suffix, damaged + suffix);
  const target = new DatabaseSync(path);
  try {
    target.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;");
    migrate(target);
    const losses = salvage(damaged, target);
    options.log.error("the store was repaired", { kept: losses.kept, lost: losses.lost, damagedFile: damaged });
    return losses;
  } finally {
    target.close();
  }
}

/** Writes a small file so that it is either the old or the new one after a crash. Mode 0600. */
export function writeFileAtomic(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode: 0o600 });
  const fd = openSync(temporary, "r+");
  fsyncSync(fd);
  closeSync(fd);
  renameSync(temporary, path);
}
