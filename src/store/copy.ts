import { closeSync, openSync, readSync } from "node:fs";
import { open as openFile } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { latestFormat } from "./migrate.ts";
import type { Store } from "./store.ts";
import { isBusy, sqliteCode } from "./store-errors.ts";

export type CopyOptions = {
  /** Pages of one step. */
  pages: number;
  /** Bytes after which the copy is brought to the disk meanwhile. */
  syncBytes: number;
  /** Attempts to begin while a transaction runs. */
  attempts: number;
  signal: AbortSignal;
};

/** What a copied store holds. */
export type CopyReport = { format: number; rows: Record<string, number> };

const LOCKED = 6;
const PAGE_BYTES = 4_096;

/**
 * Copies an open store into a new file (0600) in steps. Rejects when the signal aborts, the disk is full, or the store cannot be read.
 */
export async function copyStore(store: Pick<Store, "copyTo">, path: string, options: CopyOptions): Promise<void> {
  const { pages, syncBytes, attempts, signal } = options;
  const handle = await openFile(path, "wx", 0o600);
  let synced = 0;
  let syncing: Promise<void> | null = null;
  const onStep = (copied: number): void => {
    signal.throwIfAborted();
    const bytes = copied * PAGE_BYTES;
    if (syncing !== null || bytes - synced < syncBytes) return;
    synced = bytes;
    // The last step brings the rest to the disk, and a write of the gateway waits for that.
    syncing = handle
      .datasync()
      .catch(() => {})
      .finally(() => (syncing = null));
  };
  try {
    for (let attempt = 1; ; attempt++) {
      signal.throwIfAborted();
      try {
        await store.copyTo(path, pages, onStep);
        break;
      } catch (err) {
        if (attempt >= attempts || !(isBusy(err) || sqliteCode(err) === LOCKED)) throw err;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    await syncing;
    await handle.sync();
  } finally {
    await syncing;
    await handle.close();
  }
}

/**
 * Makes a copy complete in itself: one file without a log, and without the credentials of channels and services when those are not
 * wanted. Blocks for as long as that takes: not for the process of a gateway.
 */
export function sealCopy(path: string, { secrets }: { secrets: boolean }): void {
  refuseOtherFile(path);
  const db = new DatabaseSync(path);
  try {
    db.exec("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL;");
    if (secrets) return;
    db.exec("PRAGMA secure_delete=ON;");
    for (const table of CREDENTIAL_TABLES) db.exec(`DELETE FROM ${table}`);
    db.exec("VACUUM");
  } catch (err) {
    throw invalid(path, reasonOf(err));
  } finally {
    db.close();
  }
}

/** Logins of channels, and what lets devices and services in. */
const CREDENTIAL_TABLES = ["vault", "device_grants", "service_tokens", "sign_in_links"] as const;

const REQUIRED_TABLES = ["facts", "inbox", "messages", "outbox", "sessions"] as const;

/**
 * Opens a copy for reading, checks all of it and counts its rows. Throws GatewayError when it is empty, damaged, of another program, or of
 * a later release. Blocks for as long as that takes.
 */
export function checkCopy(path: string): CopyReport {
  refuseOtherFile(path);
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    const { integrity_check: verdict } = db.prepare("PRAGMA integrity_check(1)").get() as { integrity_check: string };
    if (verdict !== "ok") throw invalid(path, `it is damaged: ${verdict}`);
    const tables = (
      db.prepare("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'").all() as {
        name: string;
      }[]
    ).map(({ name }) => name);
    const missing = REQUIRED_TABLES.filter((name) => !tables.includes(name));
    if (missing.length > 0) throw invalid(path, `it is not a store of this gateway: the table ${missing[0]} is missing`);
    const { user_version: format } = db.prepare("PRAGMA user_version").get() as { user_version: number };
    if (format > latestFormat())
      throw invalid(path, `it was written by a later release (format ${format}, this one knows ${latestFormat()})`);
    const count = (name: string): number =>
      (db.prepare(`SELECT count(*) AS n FROM "${name.replaceAll('"', '""')}"`).get() as { n: number }).n;
    return { format, rows: Object.fromEntries(tables.toSorted().map((name) => [name, count(name)])) };
  } catch (err) {
    if (err instanceof GatewayError) throw err;
    throw invalid(path, reasonOf(err));
  } finally {
    db.close();
  }
}

const MAGIC = Buffer.from("SQLite format 3\0");

function refuseOtherFile(path: string): void {
  const head = Buffer.alloc(MAGIC.length);
  const descriptor = openSync(path, "r");
  try {
    const read = readSync(descriptor, head, 0, head.length, 0);
    if (read === 0) throw invalid(path, "it is empty");
    if (!head.equals(MAGIC)) throw invalid(path, "it is not a database");
  } finally {
    closeSync(descriptor);
  }
}

const invalid = (path: string, why: string): GatewayError =>
  new GatewayError("INVALID_REQUEST", `the store in ${path} cannot be used: ${why}`, { fix: "Use another backup: openclaw backup list." });

/**
 * Sets aside what waited in a copy: messages become dead letters and replies count as unknown, as after damage, because both have probably
 * been handled since. Returns how many.
 */
export function parkQueued(path: string): { messages: number; replies: number } {
  const db = new DatabaseSync(path);
  try {
    db.exec("PRAGMA locking_mode=EXCLUSIVE; BEGIN IMMEDIATE;");
    const run = (sql: string): number => Number(db.prepare(sql).run().changes);
    const messages = run("UPDATE inbox SET state = 'parked' WHERE state IN ('queued', 'running')");
    const replies = run("UPDATE outbox SET state = 'unknown' WHERE state IN ('queued', 'attempting')");
    db.exec("COMMIT");
    return { messages, replies };
  } finally {
    db.close();
  }
}
