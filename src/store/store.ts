import { closeSync, fsyncSync, linkSync, openSync, rmSync, statSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { backup, DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { detailError, GatewayError, reasonOf } from "../core/errors.ts";
import { ensureDirectorySync } from "../core/files.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { clampRow, isOutOfRange } from "./row-decoding.ts";
import { writeLastNumbers, writeLedger, type KnownTables } from "./ledger.ts";
import type { Losses } from "./salvage.ts";
import { isDamage, isDiskFailure, sqliteCode, toStoreError } from "./store-errors.ts";

type WriteJob = { run: () => unknown; resolve: (value: never) => void; reject: (err: unknown) => void };
export type SqlRow = Record<string, SQLInputValue>;
/** `table`: the one whose rows the statement changes; null for a statement that changes none. */
type PreparedStatement = { statement: StatementSync; table: string | null };

export type StoreOptions = {
  /** Directory of the gateway's own files; created 0700. */ dir: string;
  log: Log;
  /** Marks for crash tests. */ crashPoint?: (point: string) => void;
  /** A file up to this size is checked completely before it is used; a larger one in steps while the gateway runs. */
  fullCheckBytes?: number;
  /** Rebuild the file even if it looks intact: an earlier start found damage in it. */ repair?: boolean;
};

/** Condition of the store. `failing`: writes are rejected. `degraded`: some records are unreadable or were lost. */
export type StoreHealth = { state: "ready" | "degraded" | "failing"; cause: string | null };

/** Features of the gateway's own store that a read-only one lacks. */
export type StoreOwnership = { ledgerPath: string; numbersPath: string; open: (path: string) => DatabaseSync };

/**
 * The one SQLite file of the gateway and its one writer. Reads are synchronous. Writes are collected for one turn of the event
 * loop and committed together with one fsync: when the promise of `write` resolves, the change survives a power failure.
 */
export class Store {
  readonly path: string;
  /** Losses of a damaged or missing file; null when the file was intact. */
  readonly losses: Losses | null;
  /** Called when the condition has changed. */
  onHealth: (condition: StoreHealth) => void = () => {};
  readonly #log: Log;
  readonly #crashPoint: (point: string) => void;
  readonly #owned: StoreOwnership | null;
  #db: DatabaseSync;
  #file: Pick<Stats, "dev" | "ino"> | null;
  #statements = new Map<string, PreparedStatement>();
  /** How often rows of each table were changed. */
  readonly #changes = new Map<string, number>();
  /** Counts what may have changed every table, such as a rollback. */
  #resets = 0;
  #jobs: WriteJob[] = [];
  #scheduled = false;
  #closed = false;
  /** Why the last write was rejected; null when it was stored. */
  #writeError: string | null = null;
  #damage: string | null = null;
  readonly #reported = new Set<string>();
  #probe: NodeJS.Timeout | undefined;
  #ledgerTimer: NodeJS.Timeout | undefined;
  #numbersTimer: NodeJS.Timeout | undefined;
  /** There was a commit after the last numbers were written. */
  #hasNewNumbers = false;

  constructor(path: string, db: DatabaseSync, losses: Losses | null, options: StoreOptions, owned: StoreOwnership | null = null) {
    this.path = path;
    this.losses = losses;
    this.#db = db;
    this.#log = options.log;
    this.#crashPoint = options.crashPoint ?? (() => {});
    this.#owned = owned;
    this.#file = statOrNull(path);
  }

  /** Damage found since the start; the next start repairs the file. */
  get damage(): string | null {
    return this.#damage;
  }

  get health(): StoreHealth {
    if (this.#writeError !== null) return { state: "failing", cause: this.#writeError };
    if (this.#damage !== null)
      return { state: "degraded", cause: `some records cannot be read: ${this.#damage}; openclaw gateway restart repairs the store` };
    const unreadable = this.#reported.size;
    if (unreadable > 0)
      return {
        state: "degraded",
        cause:
          unreadable === 1 ? "1 record is not readable; the log names it" : `${unreadable} records are not readable; the log names them`,
      };
    return this.losses ? { state: "degraded", cause: describeLosses(this.losses) } : { state: "ready", cause: null };
  }

  /**
   * Rows of a query; parameters by position. A number beyond JavaScript's range is clamped to the range of a date, and
   * rows on a damaged page are left out; both are reported.
   */
  all<R>(sql: string, ...params: SQLInputValue[]): R[] {
    const { statement, table } = this.#prepare(sql);
    try {
      const rows = statement.all(...params) as R[];
      if (table !== null) this.#countChange(table);
      return rows;
    } catch (err) {
      return this.#readUndamaged(sql, params, err) as R[];
    }
  }

  /** The first row, or undefined. Throws UNAVAILABLE when it is on a damaged page. */
  get<R>(sql: string, ...params: SQLInputValue[]): R | undefined {
    const { statement, table } = this.#prepare(sql);
    try {
      const row = statement.get(...params) as R | undefined;
      if (table !== null) this.#countChange(table);
      return row;
    } catch (err) {
      if (isDamage(err)) {
        this.reportDamage(reasonOf(err));
        throw damagedPageError(err);
      }
      return this.#readUndamaged(sql, params, err)[0] as R | undefined;
    }
  }

  #readUndamaged(sql: string, params: readonly SQLInputValue[], err: unknown): SqlRow[] {
    if (!isOutOfRange(err) && !isDamage(err)) throw err;
    const statement = this.#db.prepare(sql);
    statement.setReadBigInts(true);
    const rows: SqlRow[] = [];
    try {
      for (const row of statement.iterate(...params)) {
        const { row: bounded, outside } = clampRow(row as SqlRow);
        if (outside.length > 0) this.reportUnreadable(bounded, `numbers out of range: ${outside.join(", ")}`);
        rows.push(bounded);
      }
    } catch (failure) {
      if (!isDamage(failure)) throw failure;
      this.reportDamage(reasonOf(failure));
    }
    return rows;
  }

  /** Reports an unusable record once, with its key. */
  reportUnreadable(key: SqlRow | string, cause: string): void {
    const name = typeof key === "string" ? key : JSON.stringify(Object.values(key).find((value) => value !== null) ?? "?").slice(0, 120);
    if (this.#reported.has(name) || this.#reported.size >= LIMITS.storeRecordsReported) return;
    this.#reported.add(name);
    this.#log.error("a record of the store is not readable", { record: name, cause });
    this.onHealth(this.health);
  }

  /** Damage was found in a running store. It is recorded, so that the next start repairs the file. */
  reportDamage(cause: string): void {
    if (this.#damage !== null) return;
    this.#damage = cause;
    this.#log.error("the store is damaged: some records cannot be read; openclaw gateway restart repairs it", { path: this.path, cause });
    this.writeLedger();
    this.onHealth(this.health);
  }

  /** Changes rows; only inside `write` or `writeNow`. Returns how many rows changed. */
  run(sql: string, ...params: SQLInputValue[]): number {
    const { statement, table } = this.#prepare(sql);
    const changes = Number(statement.run(...params).changes);
    if (table !== null && changes > 0) this.#countChange(table);
    return changes;
  }

  /**
   * A number that is another one after each change of rows of the table, and after a rollback. It counts statements of this store, not what
   * their triggers do. Equal numbers: the rows are the same.
   */
  version(table: string): number {
    return (this.#changes.get(table) ?? 0) + this.#resets;
  }

  #countChange(table: string): void {
    if (table === ANY_TABLE) this.#resets++;
    else this.#changes.set(table, (this.#changes.get(table) ?? 0) + 1);
  }

  /**
   * Runs `change` in the next group commit and resolves with its value once it is on disk. A change that throws is rolled back
   * separately from the others of the group. Rejects with UNAVAILABLE when the disk fails: then nothing of it is stored.
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

  /** Commits all pending changes and `change` before it returns. Blocks: only for startup and shutdown. */
  writeNow<T>(change: () => T): T {
    let result: { value: T } | undefined;
    let failure: unknown;
    this.#jobs.push({ run: change, resolve: (value: T) => void (result = { value }), reject: (err) => void (failure = err) });
    this.#commit();
    if (!result) throw failure;
    return result.value;
  }

  /** Runs `change` like a write and rolls it back: checks whether it works without storing anything. Rethrows its error. */
  dryRun(change: () => void): void {
    if (this.#closed) throw new GatewayError("UNAVAILABLE", "the gateway is stopping");
    this.#ensureFile();
    this.run("BEGIN IMMEDIATE");
    try {
      change();
    } finally {
      this.#rollback();
    }
  }

  /**
   * Copies the store into a new file while it is used, `pages` at a time: a write waits for one step at most. What is written meanwhile
   * is in the copy. `onStep` may throw to end it.
   */
  async copyTo(path: string, pages: number, onStep: (copiedPages: number) => void): Promise<void> {
    this.#commit();
    await backup(this.#db, path, { rate: pages, progress: ({ totalPages, remainingPages }) => onStep(totalPages - remainingPages) });
  }

  close(): void {
    if (this.#closed) return;
    this.#commit();
    this.#closed = true;
    clearTimeout(this.#probe);
    clearTimeout(this.#ledgerTimer);
    clearTimeout(this.#numbersTimer);
    this.writeLedger();
    this.#statements.clear();
    this.#db.close();
  }

  #prepare(sql: string): PreparedStatement {
    let prepared = this.#statements.get(sql);
    if (!prepared) {
      prepared = { statement: this.#db.prepare(sql), table: changedTable(sql) };
      this.#statements.set(sql, prepared);
    }
    return prepared;
  }

  #commit(): void {
    this.#scheduled = false;
    const jobs = this.#jobs;
    if (jobs.length === 0) return;
    this.#jobs = [];
    const settled: (() => void)[] = [];
    try {
      this.#ensureFile();
      this.run("BEGIN IMMEDIATE");
      for (const job of jobs) settled.push(this.#runJob(job));
      this.#crashPoint("before-commit");
      this.run("COMMIT");
      this.#crashPoint("after-commit");
    } catch (err) {
      this.#rollback();
      const failure = toStoreError(err);
      this.#log.error("the store rejected a write", { cause: reasonOf(err), writes: jobs.length });
      if (isDamage(err)) this.reportDamage(reasonOf(err));
      this.#onWriteFailed(failure);
      for (const job of jobs) job.reject(failure);
      return;
    }
    this.#onWriteSucceeded();
    for (const settle of settled) settle();
  }

  #runJob(job: WriteJob): () => void {
    this.run("SAVEPOINT job");
    try {
      const value = job.run();
      this.run("RELEASE job");
      return () => job.resolve(value as never);
    } catch (err) {
      if (isDiskFailure(err)) throw err;
      if (sqliteCode(err) !== 0) this.#log.error("a change violates the schema of the store and was rolled back", { error: err });
      this.#resets++;
      this.run("ROLLBACK TO job");
      this.run("RELEASE job");
      return () => job.reject(err);
    }
  }

  #rollback(): void {
    this.#resets++;
    try {
      this.#db.exec("ROLLBACK");
    } catch (err) {
      // SQLite has already rolled back after a full disk; other errors are logged.
      this.#log.debug("rollback", { cause: reasonOf(err) });
    }
  }

  /** Until a write succeeds the store counts as failing; a write is tried once per second, even without pending changes. */
  #onWriteFailed(failure: GatewayError): void {
    const before = this.#writeError;
    this.#writeError = failure.fix ? `${failure.message}. ${failure.fix}` : failure.message;
    if (before !== this.#writeError) this.onHealth(this.health);
    if (this.#closed) return;
    clearTimeout(this.#probe);
    this.#probe = setTimeout(() => this.#probeWrite(), LIMITS.storeProbeMs);
    this.#probe.unref();
  }

  #probeWrite(): void {
    if (this.#closed || this.#writeError === null) return;
    const note = (): void => void this.run("INSERT OR REPLACE INTO facts (name, value, updated_at) VALUES ('write-probe', '1', 0)");
    this.write(note).catch((err: unknown) => this.#log.debug("the store still rejects writes", { cause: reasonOf(err) }));
  }

  #onWriteSucceeded(): void {
    if (this.#writeError !== null) {
      this.#writeError = null;
      clearTimeout(this.#probe);
      this.#log.warn("the store accepts writes again");
      this.onHealth(this.health);
    }
    this.#noteNumbers();
    if (!this.#owned || this.#ledgerTimer || this.#closed) return;
    this.#ledgerTimer = setTimeout(() => {
      this.#ledgerTimer = undefined;
      this.writeLedger();
    }, LIMITS.storeLedgerMs);
    this.#ledgerTimer.unref();
  }

  /** After the first commit at once, so that a log that is lost between two ledgers is noticed; then at most once in an interval. */
  #noteNumbers(): void {
    if (!this.#owned || this.#closed) return;
    this.#hasNewNumbers = true;
    if (this.#numbersTimer) return;
    this.#writeNumbers(this.#owned.numbersPath);
    this.#numbersTimer = setTimeout(() => {
      this.#numbersTimer = undefined;
      if (this.#hasNewNumbers) this.#noteNumbers();
    }, LIMITS.storeNumbersMs);
    this.#numbersTimer.unref();
  }

  #writeNumbers(path: string): void {
    this.#hasNewNumbers = false;
    const rows = this.all<{ name: string; seq: number }>("SELECT name, seq FROM sqlite_sequence");
    writeLastNumbers(path, Object.fromEntries(rows.map(({ name, seq }) => [name, seq])), this.#log);
  }

  /** Writes the ledger outside the file: the only way to determine losses after damage. */
  writeLedger(): void {
    if (!this.#owned) return;
    try {
      writeLedger(this.#owned.ledgerPath, { at: Date.now(), tables: collectTableStats(this.#db), damaged: this.#damage }, this.#log);
    } catch (err) {
      if (!isDamage(err)) throw err;
      // The counts themselves are on a damaged page: the ledger keeps the older ones.
      this.reportDamage(reasonOf(err));
    }
  }

  /**
   * Whether the open file is the one that the next start opens. Restores the file when it was removed; throws UNAVAILABLE when
   * another file has replaced it, because data that is acknowledged now would be lost.
   */
  verifyPath(): void {
    try {
      this.#ensureFile();
    } catch (err) {
      this.#onWriteFailed(toStoreError(err));
      throw err;
    }
  }

  #ensureFile(): void {
    if (!this.#owned || !this.#file) return;
    const seen = statOrNull(this.path);
    if (seen && seen.ino === this.#file.ino && seen.dev === this.#file.dev) return;
    if (!seen) return this.#restoreFile(this.#owned);
    throw detailError("STORAGE_REPLACED", `the file ${this.path} was replaced while the gateway runs; nothing is stored`, {
      retryAfterMs: LIMITS.storeProbeMs,
      fix: "Run openclaw gateway restart, which uses the new file.",
    });
  }

  /** The directory or the file was removed. The open file still has all content: it is written again. */
  #restoreFile({ open }: StoreOwnership): void {
    const copy = `${this.path}.restored`;
    ensureDirectorySync(dirname(this.path));
    rmSync(copy, { force: true });
    const fd = openSync(copy, "ax", 0o600);
    try {
      this.#db.exec(`VACUUM INTO '${copy.replaceAll("'", "''")}'`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    // Fails when another process has created a file there meanwhile.
    linkSync(copy, this.path);
    rmSync(copy);
    this.#statements.clear();
    this.#db.close();
    this.#db = open(this.path);
    this.#file = statOrNull(this.path);
    this.#log.error("the state directory was removed while the gateway runs; the store was written there again", { path: this.path });
    this.writeLedger();
  }
}

const READS = /^\s*(?:SELECT|EXPLAIN|PRAGMA|BEGIN|COMMIT|SAVEPOINT|RELEASE|ROLLBACK)\b/i;
const WRITES = /^\s*(?:(?:INSERT|REPLACE)(?:\s+OR\s+\w+)?\s+INTO|UPDATE(?:\s+OR\s+\w+)?|DELETE\s+FROM)\s+(\w+)/i;
/** Stands for every table: the statement has a form that does not name one. */
const ANY_TABLE = "";

function changedTable(sql: string): string | null {
  return READS.test(sql) ? null : (WRITES.exec(sql)?.[1] ?? ANY_TABLE);
}

function statOrNull(path: string): Stats | null {
  try {
    return statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === "ENOTDIR") return null;
    throw err;
  }
}

const damagedPageError = (cause: unknown): GatewayError =>
  detailError("STORAGE_DAMAGED", "this record is on a damaged page of the store", {
    cause,
    retryable: false,
    fix: "openclaw gateway restart repairs the store and reports the losses.",
  });

/** The losses, in one sentence. "0" only if that is known. */
export function describeLosses(losses: Losses): string {
  const { lost, exact, cause, damagedFile, damagedPages } = losses;
  const count = exact ? `${lost} records were lost` : `at least ${lost} records were lost, and ${damagedPages} pages cannot be read`;
  return damagedFile === null ? `${cause}; ${count}` : `repaired (${cause}); ${count}; the damaged file is kept as ${damagedFile}`;
}

/** Tables without a counter that are small enough to be counted. */
const COUNTED = ["devices", "device_grants", "service_tokens", "paired_senders", "facts", "cursors", "vault"];

/** Ledger entry of each table. */
export function collectTableStats(db: DatabaseSync): KnownTables {
  const all = <R>(sql: string): R[] => db.prepare(sql).all() as R[];
  const rows = new Map(all<{ name: string; rows: number }>("SELECT name, rows FROM row_counts").map((each) => [each.name, each.rows]));
  for (const { rows: n } of all<{ rows: number | null }>("SELECT sum(rows) AS rows FROM session_counts")) rows.set("sessions", n ?? 0);
  for (const name of COUNTED) rows.set(name, all<{ n: number }>(`SELECT count(*) AS n FROM ${name}`)[0]!.n);
  const last = new Map(all<{ name: string; seq: number }>("SELECT name, seq FROM sqlite_sequence").map((each) => [each.name, each.seq]));
  const tables = all<{ name: string; rootpage: number }>(
    "SELECT name, rootpage FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
  );
  return Object.fromEntries(
    tables.map(({ name, rootpage }) => [name, { rows: rows.get(name) ?? null, last: last.get(name) ?? null, root: rootpage }]),
  );
}
