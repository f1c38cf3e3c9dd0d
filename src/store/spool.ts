import { closeSync, existsSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { ensureDirectorySync } from "../core/files.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";

/** One entry of a spool; its content is opaque. */
export type SpoolRow = { seq: number; body: string };

type PendingAppend = { body: string; resolve: (seq: number) => void; reject: (err: unknown) => void };

const PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=2000; PRAGMA cache_size=-500;";
const TABLE = "CREATE TABLE IF NOT EXISTS batch (seq INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL) STRICT";

/**
 * A small durable queue in a separate file, for a thread that must not wait for the store. A resolved `append` survives a
 * power failure until `done` removes the entry.
 */
export class Spool {
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #remove: StatementSync;
  readonly #limitBytes: number;
  /** Size of each pending entry. */
  readonly #sizes = new Map<number, number>();
  #bytes = 0;
  #waiting: PendingAppend[] = [];
  #closed = false;

  constructor(db: DatabaseSync, limitBytes: number) {
    this.#db = db;
    this.#limitBytes = limitBytes;
    this.#insert = db.prepare("INSERT INTO batch (body) VALUES (?)");
    this.#remove = db.prepare("DELETE FROM batch WHERE seq = ?");
    for (const { seq, bytes } of db.prepare("SELECT seq, octet_length(body) AS bytes FROM batch").all() as { seq: number; bytes: number }[])
      this.#count(seq, bytes);
  }

  /**
   * Resolves to the number of the entry once it is on disk; entries of one turn of the event loop share an fsync. Rejects with
   * UNAVAILABLE when nothing was stored: the spool is full, or the disk fails.
   */
  append(body: string): Promise<number> {
    if (this.#closed) return Promise.reject(new GatewayError("UNAVAILABLE", "the spool is closed"));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ body, resolve, reject });
      if (this.#waiting.length === 1) setImmediate(() => this.#commit());
    });
  }

  /** All pending entries, oldest first. Read one by one, so that a long queue is never in memory twice. */
  *pending(): Generator<SpoolRow> {
    const next = this.#db.prepare("SELECT seq, body FROM batch WHERE seq > ? ORDER BY seq LIMIT 1");
    for (let at = 0; ;) {
      const row = next.get(at) as SpoolRow | undefined;
      if (!row) return;
      at = row.seq;
      yield row;
    }
  }

  /** Removes entries. After a power failure they may reappear. */
  acknowledge(seqs: readonly number[]): void {
    // Not worth an fsync: the next append makes it durable.
    this.#db.exec("PRAGMA synchronous=NORMAL; BEGIN IMMEDIATE");
    try {
      for (const seq of seqs) this.#remove.run(seq);
      this.#db.exec("COMMIT");
    } catch (err) {
      this.#rollback();
      throw err;
    } finally {
      this.#db.exec("PRAGMA synchronous=FULL");
    }
    for (const seq of seqs) {
      this.#bytes -= this.#sizes.get(seq) ?? 0;
      this.#sizes.delete(seq);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#commit();
    this.#closed = true;
    this.#db.close();
  }

  #count(seq: number, bytes: number): void {
    this.#sizes.set(seq, bytes);
    this.#bytes += bytes;
  }

  #commit(): void {
    const group = this.#waiting;
    if (group.length === 0 || this.#closed) return;
    this.#waiting = [];
    const stored: { seq: number; bytes: number; entry: PendingAppend }[] = [];
    const refused: PendingAppend[] = [];
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      let total = this.#bytes;
      for (const entry of group) {
        const bytes = Buffer.byteLength(entry.body);
        if (total > 0 && total + bytes > this.#limitBytes) {
          refused.push(entry);
          continue;
        }
        total += bytes;
        stored.push({ seq: Number(this.#insert.run(entry.body).lastInsertRowid), bytes, entry });
      }
      this.#db.exec("COMMIT");
    } catch (err) {
      this.#rollback();
      const failure = new GatewayError("UNAVAILABLE", `nothing was stored: ${reasonOf(err)}`, { cause: err, retryAfterMs: 1_000 });
      for (const entry of group) entry.reject(failure);
      return;
    }
    for (const { seq, bytes, entry } of stored) {
      this.#count(seq, bytes);
      entry.resolve(seq);
    }
    if (refused.length === 0) return;
    const full = new GatewayError("UNAVAILABLE", "the spool is full; nothing was stored", { retryAfterMs: 1_000 });
    for (const entry of refused) entry.reject(full);
  }

  #rollback(): void {
    if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
  }
}

/** SQLite result codes of a file that is damaged or not a database. */
const DAMAGED = [11, 26];

/** Opens (and creates) a spool, readable by its owner only. A damaged file is renamed and reported. */
export function openSpool(path: string, log: Log, limitBytes: number = LIMITS.isolatedSpoolBytes): Spool {
  try {
    return openDatabase(path, limitBytes);
  } catch (err) {
    if (!DAMAGED.includes(((err as { errcode?: number }).errcode ?? 0) & 0xff)) throw err;
    const aside = `${path}.damaged-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
    for (const suffix of ["", "-wal", "-shm"]) if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
    log.error("a spool is damaged and was renamed: its events that were not admitted are lost", {
      damagedFile: aside,
      cause: reasonOf(err),
    });
    return openDatabase(path, limitBytes);
  }
}

function openDatabase(path: string, limitBytes: number): Spool {
  ensureDirectorySync(dirname(path));
  closeSync(openSync(path, "a", 0o600));
  const db = new DatabaseSync(path);
  try {
    db.exec(PRAGMAS);
    const { quick_check: verdict } = db.prepare("PRAGMA quick_check(1)").get() as { quick_check: string };
    if (verdict !== "ok") throw Object.assign(new Error(verdict), { errcode: DAMAGED[0] });
    db.exec(TABLE);
    return new Spool(db, limitBytes);
  } catch (err) {
    db.close();
    throw err;
  }
}

/** Removes a spool that is empty and closed. */
export function removeSpool(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
}
