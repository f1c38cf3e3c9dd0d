import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { reasonOf } from "../core/errors.ts";
import { isAbsent, writeFileAtomicSync } from "../core/files.ts";
import { asObject } from "../core/json.ts";
import type { Log } from "../core/log.ts";

/** Facts about a table that are stored outside the database file. */
export type TableStats = {
  /** Null for a table whose rows are not counted. */ rows: number | null;
  /** The highest number given to a record; null for a table without numbers. */ last: number | null;
  /** Root page of the table. */ root: number | null;
};
export type KnownTables = Readonly<Record<string, TableStats>>;

export type Ledger = {
  /** Time of writing, ms. */
  at: number;
  tables: KnownTables;
  /** Set when damage was found in a running store: the next start repairs it. */
  damaged: string | null;
};

const isCount = (value: unknown): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

const asCount = (value: unknown): number | null => (isCount(value) ? value : null);

/** Null when absent or unusable: then nothing is known outside the file. */
export function readLedger(path: string, log: Log): Ledger | null {
  try {
    return parseLedger(JSON.parse(readFileSync(path, "utf8")));
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException;
    if (code !== "ENOENT") log.warn("the ledger of the store cannot be read", { path, cause: reasonOf(err) });
    return null;
  }
}

function parseLedger(value: Partial<Ledger> | null): Ledger | null {
  if (typeof value?.tables !== "object" || value.tables === null) return null;
  const tables: Record<string, TableStats> = {};
  for (const [name, facts] of Object.entries(value.tables as Record<string, Partial<TableStats>>)) {
    if (!/^[a-z_]+$/.test(name) || typeof facts !== "object" || facts === null) continue;
    tables[name] = { rows: asCount(facts.rows), last: asCount(facts.last), root: asCount(facts.root) };
  }
  return { at: isCount(value.at) ? value.at : 0, tables, damaged: typeof value.damaged === "string" ? value.damaged : null };
}

/** Number of records that the ledger lists. */
export const countLedgerRows = (ledger: Ledger | null): number =>
  Object.values(ledger?.tables ?? {}).reduce((sum, { rows }) => sum + (rows ?? 0), 0);

/** Never throws: the ledger is a precaution; the data is safe without it. */
export function writeLedger(path: string, ledger: Ledger, log: Log): void {
  try {
    writeFileAtomicSync(path, JSON.stringify(ledger));
  } catch (err) {
    log.debug("the ledger of the store could not be written", { path, cause: reasonOf(err) });
  }
}

/** The highest number given to a record, by table. */
export type LastNumbers = Readonly<Record<string, number>>;

/** Every text of the file has this length, so that a shorter one leaves nothing of a longer one. */
const NUMBERS_CHARS = 1_024;

/**
 * Notes the numbers beside the database after a commit. Without a sync: it survives the end of the process, which is when a log of
 * recent changes can be lost, and not always that of the system. Never throws, as writeLedger.
 */
export function writeLastNumbers(path: string, numbers: LastNumbers, log: Log): void {
  try {
    const descriptor = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
    try {
      writeSync(descriptor, JSON.stringify(numbers).padEnd(NUMBERS_CHARS), 0);
    } finally {
      closeSync(descriptor);
    }
  } catch (err) {
    log.debug("the last numbers of the store could not be written", { path, cause: reasonOf(err) });
  }
}

/** The ledger with the numbers that were given after it was written. Null without a ledger. */
export function addLastNumbers(ledger: Ledger | null, path: string, log: Log): Ledger | null {
  if (ledger === null) return null;
  const numbers = readLastNumbers(path, log);
  const tables = Object.entries(ledger.tables).map(([name, facts]) => {
    const more = (asCount(numbers[name]) ?? 0) - (facts.last ?? 0);
    return [name, more > 0 ? { ...facts, last: (facts.last ?? 0) + more, rows: facts.rows === null ? null : facts.rows + more } : facts];
  });
  return { ...ledger, tables: Object.fromEntries(tables) as KnownTables };
}

function readLastNumbers(path: string, log: Log): Readonly<Record<string, unknown>> {
  try {
    return asObject(JSON.parse(readFileSync(path, "utf8"))) ?? {};
  } catch (err) {
    // A power failure may have left a part of it.
    if (!isAbsent(err)) log.debug("the last numbers of the store cannot be read", { path, cause: reasonOf(err) });
    return {};
  }
}
