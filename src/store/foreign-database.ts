import { closeSync, copyFileSync, constants, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { openRegularFileSync } from "../core/files.ts";
import type { SqlRow } from "./store.ts";

/** How often a copy is made again because the file changed meanwhile. */
const TRIES = 5;

/** A database of another program, read from a private copy: nothing is created, locked or changed where the original is. */
export type ForeignDatabase = {
  all<T extends object = SqlRow>(sql: string, ...params: SQLInputValue[]): T[];
  /** The rows one after the other, for tables that may not fit into memory. */
  each<T extends object = SqlRow>(sql: string, ...params: SQLInputValue[]): Iterable<T>;
  /** Whether there is a table with these columns. */
  has(table: string, columns: readonly string[]): boolean;
  close(): void;
};

/**
 * Null when the file does not exist. Throws UNAVAILABLE when it cannot be read as a database, or is written too often to be copied. SQLite
 * itself would make an index of the write-ahead log beside the file, even when it only reads.
 */
export function openForeignDatabase(path: string): ForeignDatabase | null {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return null;
  const dir = mkdtempSync(join(tmpdir(), "openclaw-adopt-"));
  const discard = (): void => rmSync(dir, { recursive: true, force: true });
  try {
    const copy = join(dir, "copy.sqlite");
    copyWhole(path, copy);
    const db = new DatabaseSync(copy);
    try {
      db.prepare("SELECT count(*) FROM sqlite_master").get();
    } catch (err) {
      db.close();
      throw err;
    }
    return {
      all: <T extends object>(sql: string, ...params: SQLInputValue[]) => db.prepare(sql).all(...params) as T[],
      each: <T extends object>(sql: string, ...params: SQLInputValue[]) => db.prepare(sql).iterate(...params) as Iterable<T>,
      has: (table, columns) => {
        const found = new Set(
          (db.prepare("SELECT name FROM pragma_table_info(?)").all(table) as { name: string }[]).map(({ name }) => name),
        );
        return columns.every((column) => found.has(column));
      },
      close: () => {
        db.close();
        discard();
      },
    };
  } catch (err) {
    discard();
    if (err instanceof GatewayError) throw err;
    throw new GatewayError("UNAVAILABLE", `${path} cannot be read: ${reasonOf(err)}`, { cause: err });
  }
}

/** Copies a database with its write-ahead log, as they were at one moment. */
function copyWhole(path: string, copy: string): void {
  for (let tries = 0; tries < TRIES; tries++) {
    const before = stateOf(path);
    // Refuses links, pipes and devices.
    closeSync(openRegularFileSync(path));
    copyFileSync(path, copy, constants.COPYFILE_FICLONE);
    const log = `${path}-wal`;
    if (statSync(log, { throwIfNoEntry: false })?.isFile()) copyFileSync(log, `${copy}-wal`, constants.COPYFILE_FICLONE);
    else rmSync(`${copy}-wal`, { force: true });
    if (stateOf(path) === before) return;
  }
  throw new GatewayError("UNAVAILABLE", `${path} is written all the time, so that no copy of one moment could be made`, {
    fix: "Try again, or stop the program that writes it.",
  });
}

function stateOf(path: string): string {
  return [path, `${path}-wal`]
    .map((each) => {
      const stats = statSync(each, { throwIfNoEntry: false, bigint: true });
      return stats === undefined ? "none" : `${stats.size}:${stats.mtimeNs}`;
    })
    .join(" ");
}
