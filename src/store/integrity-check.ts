import { statSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { Clock } from "../core/clock.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Store } from "./store.ts";

type Table = { name: string; rowids: boolean };

/**
 * Reads a whole store in small steps: each yields after LIMITS.storeCheckRows records. Records whose checksum does not match are
 * reported; a damaged page ends the table, because the repair of the next start counts the losses.
 */
export function* integritySteps(store: Store): Generator<void> {
  const tables = store.all<{ name: string; wr: number }>(
    "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'",
  );
  for (const { name, wr } of tables) {
    yield* checkTable(store, { name, rowids: wr === 0 });
    for (const index of store.all<{ name: string }>(
      "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
      name,
    )) {
      yield;
      // A partial index can only be named in a query with its condition; its table has been read already.
      if (!isPartial(store, index.name)) store.all(`SELECT count(*) FROM ${name} INDEXED BY ${index.name}`);
    }
  }
}

const isPartial = (store: Store, index: string): boolean =>
  /\bWHERE\b/i.test(store.get<{ sql: string }>("SELECT sql FROM sqlite_schema WHERE name = ?", index)?.sql ?? "");

function* checkTable(store: Store, { name, rowids }: Table): Generator<void> {
  if (!rowids) {
    const verdict = store.all<{ quick_check: string }>(`PRAGMA quick_check(${name})`)[0]?.quick_check;
    if (verdict !== undefined && verdict !== "ok") store.reportDamage(`${name}: ${verdict}`);
    return;
  }
  const next = `SELECT rowid AS rowid_, * FROM ${name} WHERE rowid > ? ORDER BY rowid LIMIT ${LIMITS.storeCheckRows}`;
  for (let after = Number.MIN_SAFE_INTEGER; store.damage === null;) {
    const rows = store.all<{ rowid_: number; body?: unknown; crc?: unknown; id?: unknown }>(next, after);
    yield;
    if (rows.length === 0) return;
    if (name === "messages") for (const row of rows) checkMessage(store, row);
    after = rows.at(-1)!.rowid_;
  }
}

function checkMessage(store: Store, row: { rowid_: number; body?: unknown; crc?: unknown }): void {
  if (typeof row.body !== "string" || crc32(row.body) !== row.crc)
    store.reportUnreadable(`messages ${row.rowid_}`, "its checksum does not fit");
}

const noop = (): void => {};

/**
 * Checks a store that was too large for a check before the start, with a pause after each step. Returns a function that
 * stops it.
 */
export function startIntegrityCheck(store: Store, clock: Clock, log: Log): () => void {
  if ((statSync(store.path, { throwIfNoEntry: false })?.size ?? 0) <= LIMITS.storeFullCheckBytes) return () => {};
  const steps = integritySteps(store);
  let cancel = noop;
  const step = (): void => {
    try {
      if (steps.next().done || store.damage !== null) return log.info("the store was checked", { damage: store.damage });
    } catch (err) {
      return log.error("the store could not be checked", { error: err });
    }
    cancel = clock.after(LIMITS.storeCheckPauseMs, step);
  };
  cancel = clock.after(LIMITS.storeCheckPauseMs, step);
  return () => cancel();
}
