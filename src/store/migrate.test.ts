import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { latestFormat, migrate, missingParts } from "./migrate.ts";

const directory = new URL("./migrations/", import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, directory), "utf8");
const steps = readdirSync(directory)
  .filter((name) => /^\d{4}-/.test(name))
  .toSorted();

/** Every table, index and trigger with its statement, and the rows that migrations write. */
const contents = (db: DatabaseSync) => ({
  parts: db.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").all(),
  counts: db.prepare("SELECT * FROM row_counts ORDER BY name").all(),
  format: db.prepare("PRAGMA user_version").get(),
});

test("a new store has all that a store has that went through every migration", () => {
  const made = new DatabaseSync(":memory:");
  migrate(made);
  const migrated = new DatabaseSync(":memory:");
  migrated.exec(read(steps[0]!));
  migrated.exec(`PRAGMA user_version=${Number(steps[0]!.slice(0, 4))}`);
  migrate(migrated);
  assert.deepEqual(contents(made), contents(migrated));
  assert.deepEqual(missingParts(made), []);
  assert.deepEqual(missingParts(migrated), []);
  assert.equal(contents(made).format?.["user_version"], latestFormat());
});

test("a lost index, trigger or table is named", () => {
  const db = new DatabaseSync(":memory:");
  migrate(db);
  const { name: index } = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL LIMIT 1").get() as {
    name: string;
  };
  db.exec(`DROP TRIGGER inbox_counted; DROP INDEX ${index}; DROP TABLE message_words;`);
  assert.deepEqual(missingParts(db).toSorted(), [`index ${index}`, "table message_words", "trigger inbox_counted"]);
});
