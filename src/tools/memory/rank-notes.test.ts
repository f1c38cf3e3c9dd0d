import assert from "node:assert/strict";
import { test } from "node:test";
import { dayOf, rankNotes } from "./rank-notes.ts";

test("the day of a note is the one in its name, where that is a day", () => {
  assert.equal(dayOf("memory/2026-11-20.md"), Date.UTC(2026, 10, 20));
  assert.equal(dayOf("memory/2026-11-20-dentist.md"), Date.UTC(2026, 10, 20));
  for (const path of ["MEMORY.md", "memory/2026-13-01.md", "memory/2026-02-30.md", "memory/12026-11-20.md", "memory/2026-11-20/a.md"])
    assert.equal(dayOf(path), null, path);
});

test("a dated note counts half after 30 days and never less than a quarter; others count whole", () => {
  const now = Date.UTC(2026, 10, 30);
  const scores = (...paths: string[]): [string, number][] =>
    rankNotes(
      paths.map((path, id) => ({ id, path, score: 8 })),
      now,
    ).map(({ path, score }) => [path, score]);
  assert.deepEqual(scores("memory/2026-10-31.md", "memory/2020-01-01.md", "MEMORY.md", "memory/2027-01-01.md"), [
    ["memory/2027-01-01.md", 8],
    ["MEMORY.md", 8],
    ["memory/2026-10-31.md", 4],
    ["memory/2020-01-01.md", 2],
  ]);
});
