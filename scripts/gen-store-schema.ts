// Writes src/store/migrations/schema.sql: what a new store is created with, instead of one migration after another.
//   node scripts/gen-store-schema.ts
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

const directory = join(import.meta.dirname, "../src/store/migrations");

type Part = { type: string; name: string; sql: string };

/** The order in which parts need each other. */
const ORDER = ["table", "index", "trigger"];

/** The statements that create an empty store as all migrations leave it. */
export function schemaOfMigrations(): string {
  const db = new DatabaseSync(":memory:");
  try {
    for (const name of readdirSync(directory).toSorted()) if (/^\d{4}-/.test(name)) db.exec(readFileSync(join(directory, name), "utf8"));
    const made = db.prepare("SELECT name, type FROM pragma_table_list WHERE schema = 'main'").all() as { name: string; type: string }[];
    // A virtual table makes its own.
    const shadows = new Set(made.filter(({ type }) => type === "shadow").map(({ name }) => name));
    const parts = db
      .prepare("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid")
      .all() as Part[];
    const kept = parts.filter(({ name }) => !shadows.has(name)).toSorted((a, b) => ORDER.indexOf(a.type) - ORDER.indexOf(b.type));
    const tables = made.filter(({ name, type }) => type === "table" && !name.startsWith("sqlite_")).map(({ name }) => name);
    // Rows before triggers, which would count them.
    const statements = kept.map(({ type, sql }) => ({ type, text: `${sql};` }));
    const of = (isTrigger: boolean): string[] =>
      statements.filter(({ type }) => (type === "trigger") === isTrigger).map(({ text }) => text);
    return [
      "-- Written by scripts/gen-store-schema.ts from the migrations.",
      ...of(false),
      ...tables.toSorted().flatMap((table) => rowsOf(db, table)),
      ...of(true),
      "",
    ].join("\n");
  } finally {
    db.close();
  }
}

/** The rows that migrations write, as statements. */
function rowsOf(db: DatabaseSync, table: string): string[] {
  const columns = db.prepare("SELECT name FROM pragma_table_info(?)").all(table) as { name: string }[];
  const names = columns.map(({ name }) => name);
  const rows = db.prepare(`SELECT ${names.map((name) => `quote(${name}) AS ${name}`).join(", ")} FROM "${table}"`).all();
  return rows.map((row) => `INSERT INTO "${table}" (${names.join(", ")}) VALUES (${Object.values(row).join(", ")});`);
}

if (import.meta.main) writeFileSync(join(directory, "schema.sql"), schemaOfMigrations());
