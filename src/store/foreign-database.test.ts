import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { openForeignDatabase } from "./foreign-database.ts";

const root = mkdtempSync(join(tmpdir(), "foreign-"));
after(() => rmSync(root, { recursive: true, force: true }));

test("rows that are only in the write-ahead log of a running program are read, and nothing changes beside the file", () => {
  const path = join(root, "a.sqlite");
  const owner = new DatabaseSync(path);
  owner.exec("PRAGMA journal_mode=WAL; CREATE TABLE t (a INTEGER, b TEXT) STRICT; INSERT INTO t VALUES (1, 'x'), (2, 'y')");
  const state = (): unknown => readdirSync(root).map((name) => [name, readFileSync(join(root, name)).toString("base64")]);
  const before = state();
  const db = openForeignDatabase(path)!;
  assert.deepEqual(
    db.all<{ b: string }>("SELECT b FROM t WHERE a > ? ORDER BY a", 0).map(({ b }) => b),
    ["x", "y"],
  );
  assert.deepEqual(
    [...db.each<{ a: number }>("SELECT a FROM t ORDER BY a")].map(({ a }) => a),
    [1, 2],
  );
  assert.deepEqual([db.has("t", ["a", "b"]), db.has("t", ["c"]), db.has("none", ["a"])], [true, false, false]);
  db.close();
  assert.deepEqual(state(), before);
  owner.close();
});

test("no file is null; a file that is not a database, and a link, are refused", () => {
  assert.equal(openForeignDatabase(join(root, "none.sqlite")), null);
  const path = join(root, "text.sqlite");
  writeFileSync(path, "this is not a database, and it is long enough to be looked at as one ".repeat(4));
  assert.throws(() => openForeignDatabase(path), /cannot be read/);
  symlinkSync(path, join(root, "link.sqlite"));
  assert.throws(() => openForeignDatabase(join(root, "link.sqlite")), /cannot be read/);
});
