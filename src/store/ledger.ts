import { readFileSync } from "node:fs";
import { reasonOf } from "../core/errors.ts";
import { writeFileAtomicSync } from "../core/files.ts";
import type { Log } from "../core/log.ts";

/** What is known of a table outside of the database file. */
export type TableStats = {
  /** Null for a table whose rows are not counted. */ rows: number | null;
  /** The highest number that was given to a record; null for a table that numbers none. */ last: number | null;
  /** Page on which the tree of the table begins. */ root: number | null;
};
export type KnownTables = Readonly<Record<string, TableStats>>;

export type Ledger = {
  /** When it was written, ms. */
  at: number;
  tables: KnownTables;
  /** Set when damage was seen in a running store: the next start repairs it. */
  damaged: string | null;
};

const isCount = (value: unknown): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

const asCount = (value: unknown): number | null => (isCount(value) ? value : null);

/** Null when there is none, or none that can be used: then nothing is known outside of the file. */
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

/** How many records the ledger knows of. */
export const countLedgerRows = (ledger: Ledger | null): number =>
  Object.values(ledger?.tables ?? {}).reduce((sum, { rows }) => sum + (rows ?? 0), 0);

/** Never throws: the ledger is a precaution, and what it is about is safe without it. */
export function writeLedger(path: string, ledger: Ledger, log: Log): void {
  try {
    writeFileAtomicSync(path, JSON.stringify(ledger));
  } catch (err) {
    log.debug("the ledger of the store could not be written", { path, cause: reasonOf(err) });
  }
}
