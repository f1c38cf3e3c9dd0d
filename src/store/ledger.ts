import { readFileSync } from "node:fs";
import { reasonOf } from "../core/errors.ts";
import { writeFileAtomicSync } from "../core/files.ts";
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
