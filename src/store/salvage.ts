import { crc32 } from "node:zlib";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { freePages, createWalk, walkRecords, unreachableRecords, type StoredRecord, type SqlValue, type TreeWalk } from "./btree.ts";
import type { KnownTables } from "./ledger.ts";
import { INDEXED_BELOW } from "./indexed-below.ts";
import { PageImage } from "./page-image.ts";

/** The losses caused by damage. */
export type Losses = {
  /** Path of the damaged file; null when it was missing or empty. */
  damagedFile: string | null;
  /** Why the file was unusable. */
  cause: string;
  kept: number;
  /** Records known to be lost: counted by the ledger, or found unreadable. */
  lost: number;
  /** False: there may be more, because pages are missing and the ledger does not list their content. */
  exact: boolean;
  damagedPages: number;
  tables: Record<string, { kept: number; lost: number }>;
};

type Column = { name: string; type: string; required: boolean; key: number };
type Table = {
  name: string;
  /** In the order of the record. */ columns: readonly Column[];
  rowids: boolean;
  /** Column that is the rowid itself. */ alias: string | null;
};

/** Credentials and pairings: a stale page must not restore a revoked one. */
const REACHABLE_ONLY = new Set([
  "devices",
  "device_grants",
  "device_requests",
  "service_tokens",
  "sign_in_links",
  "paired_senders",
  "vault",
]);

/**
 * Copies every readable record of a damaged database into `target`, which has the current schema and is empty. The pages are
 * read without SQLite, so a damaged page affects only its own records; the root pages are known from the file's schema or from
 * `known`. Never throws for damage.
 */
export function salvage(damagedFile: string, target: DatabaseSync, known: KnownTables | null, cause: string): Losses {
  const losses: Losses = { damagedFile, cause, kept: 0, lost: 0, exact: true, damagedPages: 0, tables: {} };
  const image = new PageImage(damagedFile);
  const tables = tablesOf(target);
  const writers = new Map(tables.map((table) => [table.name, new TableWriter(target, table)]));
  try {
    target.exec("BEGIN");
    const { roots, walk } = readRoots(image, known);
    const walks = new Map<string, TreeWalk>();
    for (const table of tables) {
      const root = roots.get(table.name);
      const own = createWalk(walk.visited);
      walks.set(table.name, own);
      if (root === undefined) own.damagedPages++;
      else for (const record of walkRecords(image, root, table.rowids, own)) writers.get(table.name)!.add(record);
    }
    const damaged = [...walks.values()].some((each) => each.damagedPages > 0);
    if (damaged) recoverUnreachable(image, walk.visited, writers);
    target.exec("DELETE FROM sqlite_sequence");
    for (const table of tables)
      finishTable(table, target, { writer: writers.get(table.name)!, walk: walks.get(table.name)!, known, losses });
    restoreSessions(target);
    // The rows were copied without their words: all of them are indexed again.
    target.exec(`DELETE FROM facts WHERE name = '${INDEXED_BELOW}'`);
    losses.damagedPages += walk.damagedPages + image.wal.damagedFrames;
    target.exec("COMMIT");
  } finally {
    image.close();
  }
  return losses;
}

function finishTable(
  table: Table,
  target: DatabaseSync,
  from: { writer: TableWriter; walk: TreeWalk; known: KnownTables | null; losses: Losses },
): void {
  const { writer, walk, losses } = from;
  const facts = from.known?.[table.name];
  const seen = writer.refused + walk.damagedRecords;
  const counted = facts?.rows ?? null;
  // Numbers that were given after the last count; records that were removed after it count as lost.
  const later = counted !== null && facts?.last != null ? Math.max(0, writer.highestKept - facts.last) : 0;
  const lost = Math.max(seen, (counted ?? 0) + later - writer.kept);
  // With its newest record a table may have lost others that came after the last count.
  const lostNewest = lost > 0 && (facts?.last == null || writer.highestKept < facts.last);
  if (later > 0 || lostNewest || (walk.damagedPages > 0 && counted === null)) losses.exact = false;
  losses.damagedPages += walk.damagedPages;
  losses.tables[table.name] = { kept: writer.kept, lost };
  losses.kept += writer.kept;
  losses.lost += lost;
  if (table.alias === null) return;
  // A number is never reused, not even that of a lost record.
  const last = Math.max(writer.highest, facts?.last ?? 0);
  if (last > 0 && hasAutoincrement(target, table.name))
    target.prepare("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)").run(table.name, last);
}

/**
 * Messages of a lost session would be in no list: each such session is recreated from its last message. Its settings
 * are lost, as if the next message had created it.
 */
function restoreSessions(target: DatabaseSync): void {
  target.exec(`
    INSERT INTO sessions (key, session_id, agent_id, chat_kind, channel, created_at, updated_at, last_message_at)
    SELECT session_key, session_id, substr(session_key, 7, instr(substr(session_key, 7), ':') - 1),
      CASE WHEN session_key LIKE '%:group:%' THEN 'group' WHEN session_key LIKE '%:channel:%' THEN 'channel' ELSE 'direct' END,
      coalesce((SELECT json_extract(own.body, '$.provenance.channel') FROM messages own
        WHERE own.session_key = messages.session_key AND own.role = 'user' ORDER BY own.seq DESC LIMIT 1), 'webchat'),
      min(at), max(at), max(at)
    FROM messages JOIN (SELECT max(seq) AS last FROM messages GROUP BY session_key) ON seq = last
    WHERE session_key LIKE 'agent:_%:_%' AND session_key NOT IN (SELECT key FROM sessions)
    GROUP BY session_key`);
}

const hasAutoincrement = (db: DatabaseSync, table: string): boolean =>
  /AUTOINCREMENT/i.test((db.prepare("SELECT sql FROM sqlite_schema WHERE name = ?").get(table) as { sql: string }).sql);

/** Root page of each table. */
function readRoots(image: PageImage, known: KnownTables | null): { roots: Map<string, number>; walk: TreeWalk } {
  const roots = new Map<string, number>();
  for (const [name, facts] of Object.entries(known ?? {})) if (facts.root !== null) roots.set(name, facts.root);
  const walk = createWalk();
  for (const { values } of walkRecords(image, 1, true, walk)) {
    const [type, name, , root] = values;
    if (type === "table" && typeof name === "string" && typeof root === "number") roots.set(name, root);
  }
  walk.visited.add(1);
  return { roots, walk };
}

function tablesOf(db: DatabaseSync): Table[] {
  const names = db
    .prepare("SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'")
    .all() as { name: string; wr: number }[];
  // Triggers recompute the counts while the rows are written.
  return names.filter(({ name }) => !DERIVED.has(name)).map(({ name, wr }) => toTable(db, name, wr === 0));
}

const DERIVED = new Set(["row_counts", "session_counts"]);

function toTable(db: DatabaseSync, name: string, rowids: boolean): Table {
  const info = db.prepare(
    `SELECT name, type, "notnull" AS required, dflt_value IS NULL AS bare, pk AS key FROM pragma_table_info('${name}')`,
  );
  const columns = (info.all() as { name: string; type: string; required: number; bare: number; key: number }[]).map((column) => ({
    ...column,
    required: column.required === 1 && column.bare === 1,
  }));
  const keys = columns.filter((column) => column.key > 0).toSorted((a, b) => a.key - b.key);
  const alias = rowids && keys.length === 1 && keys[0]!.type === "INTEGER" ? keys[0]!.name : null;
  return { name, rowids, alias, columns: rowids ? columns : [...keys, ...columns.filter((column) => column.key === 0)] };
}

/** Writes the records of one table. A record of an older release is shorter: its last columns have their defaults. */
class TableWriter {
  readonly table: Table;
  kept = 0;
  /** Readable records that violate a constraint of the schema or their checksum. */
  refused = 0;
  highest = 0;
  highestKept = 0;
  readonly #db: DatabaseSync;
  readonly #inserts = new Map<number, StatementSync>();

  constructor(db: DatabaseSync, table: Table) {
    this.#db = db;
    this.table = table;
  }

  /** `stray`: from a page that no tree reaches; an existing record takes precedence because this one may be older. */
  add(record: StoredRecord, stray = false): void {
    const { columns, rowids } = this.table;
    const row = record.values.slice(0, columns.length).map((value, index) => this.#valueOf(record, value, columns[index]!));
    if (rowids && typeof record.rowid === "number") this.highest = Math.max(this.highest, record.rowid);
    try {
      if (!isIntact(this.table.name, columns, row)) throw new Error("the checksum does not match");
      const changed = this.#insert(row.length).run(...(rowids ? [record.rowid!, ...row] : row)).changes;
      if (Number(changed) > 0) {
        this.kept++;
        if (rowids && typeof record.rowid === "number") this.highestKept = Math.max(this.highestKept, record.rowid);
      } else if (!stray) this.refused++;
    } catch {
      // Damaged content: it violates a type or a constraint of the schema. The caller's report counts it.
      if (!stray) this.refused++;
    }
  }

  #valueOf(record: StoredRecord, value: SqlValue, column: Column): SQLInputValue {
    if (column.name === this.table.alias) return record.rowid;
    // SQLite stores whole numbers of a REAL column as integers.
    return column.type === "REAL" && typeof value === "bigint" ? Number(value) : value;
  }

  #insert(count: number): StatementSync {
    let insert = this.#inserts.get(count);
    if (!insert) {
      const names = this.table.columns.slice(0, count).map((column) => column.name);
      const all = this.table.rowids ? ["rowid", ...names] : names;
      insert = this.#db.prepare(`INSERT OR IGNORE INTO ${this.table.name} (${all.join(", ")}) VALUES (${all.map(() => "?").join(", ")})`);
      this.#inserts.set(count, insert);
    }
    return insert;
  }
}

/** A message whose checksum does not match is lost; a damaged inbox payload is kept, so that an operator sees it. */
function isIntact(table: string, columns: readonly Column[], row: readonly SQLInputValue[]): boolean {
  if (table !== "messages") return true;
  const at = (name: string): SQLInputValue => row[columns.findIndex((column) => column.name === name)] ?? null;
  const body = at("body");
  return typeof body === "string" && crc32(body) === at("crc");
}

/**
 * Adds records of unreachable pages to the only table that matches them. They may be outdated: queued messages become
 * dead letters, and queued replies become unknown, so that nothing is done twice.
 */
function recoverUnreachable(image: PageImage, visited: ReadonlySet<number>, writers: ReadonlyMap<string, TableWriter>): void {
  const candidates = [...writers.values()].filter(({ table }) => table.rowids && !REACHABLE_ONLY.has(table.name));
  for (const page of unreachableRecords(image, visited, freePages(image))) {
    const fitting = candidates.filter(({ table }) => page.length > 0 && page.every((record) => matchesSchema(table, record)));
    if (fitting.length !== 1) continue;
    const { table } = fitting[0]!;
    for (const record of page) fitting[0]!.add({ ...record, values: withStaleState(table, record.values) }, true);
  }
}

function matchesSchema({ columns, alias }: Table, { values }: StoredRecord): boolean {
  if (values.length > columns.length) return false;
  return columns.every((column, index) => {
    const value = values[index];
    if (value === undefined) return !column.required;
    if (column.name === alias) return value === null;
    if (value === null) return !column.required && column.key === 0;
    if (column.type === "TEXT") return typeof value === "string";
    if (column.type === "BLOB") return value instanceof Uint8Array;
    return typeof value === "number" || typeof value === "bigint";
  });
}

const STALE_STATES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  inbox: { queued: "parked", running: "parked" },
  outbox: { queued: "unknown", attempting: "unknown" },
};

function withStaleState(table: Table, values: readonly SqlValue[]): readonly SqlValue[] {
  const past = STALE_STATES[table.name];
  const state = table.columns.findIndex((column) => column.name === "state");
  return past ? values.map((value, index) => (index === state && typeof value === "string" ? (past[value] ?? value) : value)) : values;
}
