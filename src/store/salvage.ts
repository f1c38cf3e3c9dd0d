import { closeSync, copyFileSync, existsSync, openSync, readSync, rmSync, statSync, truncateSync, writeSync } from "node:fs";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";

/** How many records of each table were carried over, and how many are known to be lost. */
export type Losses = { damagedFile: string; kept: number; lost: number; tables: Record<string, { kept: number; lost: number }> };

type Source = { db: DatabaseSync; table: string; columns: string };

/**
 * Copies every readable row of a damaged database into `target`, which has the current schema and is empty. Rows are read by
 * key in ever smaller ranges, so that a damaged page costs only the rows on it. Never throws for damage.
 */
export function salvage(damagedFile: string, target: DatabaseSync): Losses {
  const losses: Losses = { damagedFile, kept: 0, lost: 0, tables: {} };
  const working = workingCopy(damagedFile, headerOf(target));
  const db = openDamaged(working);
  try {
    for (const table of db ? tablesOf(target) : []) {
      const count = copyTable(db!, target, table);
      losses.tables[table] = count;
      losses.kept += count.kept;
      losses.lost += count.lost;
    }
  } finally {
    db?.close();
    for (const suffix of ["", "-wal", "-shm"]) rmSync(working + suffix, { force: true });
  }
  return losses;
}

const HEADER_BYTES = 100;

/** The first bytes of a sound database of ours: but for a few counters they are the same in every one. */
function headerOf(db: DatabaseSync): Buffer {
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  return readStart(db.location()!);
}

function readStart(path: string): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const fd = openSync(path, "r");
  readSync(fd, header, 0, HEADER_BYTES, 0);
  closeSync(fd);
  return header;
}

/**
 * The damaged file stays as it is, for an expert. In the copy, a header that is none is replaced by `sound`, and a file that was
 * cut is filled up: SQLite would refuse either as a whole.
 */
function workingCopy(damagedFile: string, sound: Buffer): string {
  const working = `${damagedFile}.working`;
  for (const suffix of ["", "-wal"]) if (existsSync(damagedFile + suffix)) copyFileSync(damagedFile + suffix, working + suffix);
  const bytes = statSync(working).size;
  if (!isHeader(readStart(working), sound) && bytes > HEADER_BYTES) writeHeader(working, sound, bytes);
  const header = readStart(working);
  const wholeBytes = pageBytesOf(header) * header.readUInt32BE(28);
  if (wholeBytes > bytes && wholeBytes < bytes * 64) truncateSync(working, wholeBytes);
  return working;
}

const pageBytesOf = (header: Buffer): number => (header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16));

/** Magic, page size and the fixed bytes up to the counters are those of a database of ours, and so are format and encoding. */
const isHeader = (header: Buffer, sound: Buffer): boolean =>
  header.subarray(0, 24).equals(sound.subarray(0, 24)) &&
  header.subarray(44, 48).equals(sound.subarray(44, 48)) &&
  header.readUInt32BE(56) === 1;

/** Free pages are forgotten: nothing is written to this copy. */
function writeHeader(path: string, sound: Buffer, bytes: number): void {
  const header = Buffer.from(sound);
  header.writeUInt32BE(Math.ceil(bytes / pageBytesOf(sound)), 28);
  header.writeBigUInt64BE(0n, 32);
  const fd = openSync(path, "r+");
  writeSync(fd, header, 0, HEADER_BYTES, 0);
  closeSync(fd);
}

function openDamaged(path: string): DatabaseSync | null {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    db.prepare("SELECT count(*) FROM sqlite_schema").get();
    return db;
  } catch {
    // Not even the schema can be read: nothing is left to carry over. The file stays where it is, for an expert.
    db?.close();
    return null;
  }
}

const tablesOf = (db: DatabaseSync): string[] =>
  // Search indexes fill themselves from the rows that are copied.
  (
    db.prepare("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'").all() as {
      name: string;
    }[]
  ).map((row) => row.name);

function columnsOf(db: DatabaseSync, table: string): string[] {
  try {
    return (db.prepare(`SELECT name FROM pragma_table_info('${table}')`).all() as { name: string }[]).map((row) => row.name);
  } catch {
    return []; // the table's definition is unreadable: it counts as absent
  }
}

function copyTable(from: DatabaseSync, to: DatabaseSync, table: string): { kept: number; lost: number } {
  const present = new Set(columnsOf(from, table));
  const columns = columnsOf(to, table).filter((name) => present.has(name));
  if (columns.length === 0) return { kept: 0, lost: 0 };
  const insert = to.prepare(`INSERT OR IGNORE INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`);
  const source: Source = { db: from, table, columns: columns.join(", ") };
  const tally = { kept: 0, lost: 0 };
  const keep = (row: Record<string, SQLInputValue>): void => {
    try {
      insert.run(...columns.map((name) => row[name] ?? null));
      tally.kept++;
    } catch {
      tally.lost++; // the row reads, but breaks a rule of the schema: damaged content
    }
  };
  to.exec("BEGIN");
  if (hasRowid(from, table)) copyByRowid(source, keep, tally);
  else copyInOrder(source, keep, tally);
  to.exec("COMMIT");
  return tally;
}

function hasRowid(db: DatabaseSync, table: string): boolean {
  try {
    db.prepare(`SELECT rowid FROM ${table} LIMIT 1`).all();
    return true;
  } catch (err) {
    return !/no such column/.test(String(err));
  }
}

type Keep = (row: Record<string, SQLInputValue>) => void;
type Tally = { lost: number };

function copyInOrder(source: Source, keep: Keep, tally: Tally): void {
  try {
    for (const row of source.db.prepare(`SELECT ${source.columns} FROM ${source.table}`).iterate())
      keep(row as Record<string, SQLInputValue>);
  } catch {
    tally.lost++; // everything after the damaged page; how many rows that were cannot be known
  }
}

function copyByRowid(source: Source, keep: Keep, tally: Tally): void {
  const highest = edge(source, "max");
  const lowest = edge(source, "min") ?? 1;
  if (highest === null) return copyInOrder(source, keep, tally);
  const pending: [number, number][] = [[lowest, highest]];
  while (pending.length > 0) {
    const [low, high] = pending.pop()!;
    const rows = readRange(source, low, high);
    if (rows) rows.forEach(keep);
    else if (low === high) tally.lost++;
    else {
      const middle = Math.floor((low + high) / 2);
      pending.push([middle + 1, high], [low, middle]);
    }
  }
}

function edge(source: Source, which: "min" | "max"): number | null {
  try {
    const row = source.db.prepare(`SELECT ${which}(rowid) AS value FROM ${source.table}`).get() as { value: number | null };
    return row.value;
  } catch {
    return which === "max" ? highestFromSequence(source) : null;
  }
}

/** The right edge of the tree is damaged; AUTOINCREMENT tables know their highest key from elsewhere. */
function highestFromSequence(source: Source): number | null {
  try {
    const row = source.db.prepare("SELECT seq FROM sqlite_sequence WHERE name = ?").get(source.table) as { seq: number } | undefined;
    return row?.seq ?? null;
  } catch {
    return null;
  }
}

function readRange(source: Source, low: number, high: number): Record<string, SQLInputValue>[] | null {
  try {
    return source.db.prepare(`SELECT ${source.columns} FROM ${source.table} WHERE rowid BETWEEN ? AND ?`).all(low, high) as Record<
      string,
      SQLInputValue
    >[];
  } catch {
    return null;
  }
}
