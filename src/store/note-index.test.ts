import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import { silentLog, type Log } from "../core/log.ts";
import { NoteIndex } from "./note-index.ts";

function openIndex(t: TestContext, log: Log = silentLog): { index: NoteIndex; path: string } {
  const dir = mkdtempSync(join(tmpdir(), "note-index-"));
  const path = join(dir, "below", "main.sqlite");
  const index = new NoteIndex(path, log);
  t.after(() => {
    index.close();
    rmSync(dir, { recursive: true });
  });
  return { index, path };
}

const note = (path: string, text: string, stamp = "1") => ({
  note: { path, stamp, changedAt: 1 },
  chunks: [{ firstLine: 1, lastLine: 2, text }],
});

const TEXTS = [
  note("memory/english.md", "She was running the Databases of the house"),
  note("memory/french.md", "Le café est fermé"),
  note("memory/japanese.md", "明日は東京都庁で会議。パスワードはﾃｽﾄ"),
  note("memory/korean.md", "비밀번호는 책상에 있다"),
  note("memory/2026-11-20.md", "Rent is due"),
];

for (const [query, expected] of [
  ["run database", "english"],
  ["CAFE", "french"],
  ["東京", "japanese"],
  ["京", "japanese"],
  ["議", "japanese"],
  ["東京都庁で会議", "japanese"],
  ["テスト", "japanese"],
  ["비밀번호", "korean"],
  ["번호", "korean"],
  ["2026-11-20", "2026-11-20"],
  ['rent" OR words:* NEAR(', "2026-11-20"],
  ["zebra", ""],
  ["!?", ""],
] as const)
  test(`the note that is found with ${query}`, (t) => {
    const { index } = openIndex(t);
    index.update(TEXTS, []);
    assert.equal(
      index
        .search(query, 10)
        .matches.map(({ path }) => path)
        .join(),
      expected && `memory/${expected}.md`,
    );
  });

test("texts with some of the words are found only where none has all", (t) => {
  const { index } = openIndex(t);
  index.update([note("a.md", "red green"), note("b.md", "green blue"), note("c.md", "東京の天気")], []);
  const find = (query: string): string => {
    const { matches, isAll } = index.search(query, 10);
    return `${matches.map(({ path }) => path).join(" ")} ${isAll}`;
  };
  assert.equal(find("red green"), "a.md true");
  assert.equal(find("red black"), "a.md false");
  assert.equal(find("大阪の天気"), "c.md false");
  assert.equal(find("black"), " true");
});

test("a note that changes or goes leaves nothing of its old words, and the newest matches count", (t) => {
  const { index } = openIndex(t);
  index.update([note("a.md", "apple"), note("b.md", "apple pie")], []);
  index.update([note("a.md", "pear", "2")], ["b.md"]);
  assert.deepEqual(index.search("apple", 10).matches, []);
  assert.deepEqual(
    index.notes().map((each) => ({ ...each })),
    [{ path: "a.md", stamp: "2", changedAt: 1 }],
  );
  assert.equal(index.count().notes, 1);
  index.update([note("c.md", "pear"), note("d.md", "pear")], []);
  const { matches } = index.search("pear", 2);
  assert.deepEqual(matches.map(({ path }) => path).toSorted(), ["c.md", "d.md"]);
  assert.deepEqual(index.read([matches[0]!.id, 99]).map(({ text, lastLine }) => [text, lastLine]), [["pear", 2]]); // prettier-ignore
});

test("a change that fails leaves the index as it was", (t) => {
  const { index } = openIndex(t);
  index.update([note("a.md", "apple")], []);
  const wrong = { ...note("b.md", "pear"), chunks: [{ firstLine: 1, lastLine: 1, text: null as unknown as string }] };
  assert.throws(() => index.update([wrong], ["a.md"]));
  assert.equal(index.search("apple", 10).matches.length, 1);
});

test("an index that is damaged, of another version, or no database is made again, and says so", (t) => {
  const warnings: string[] = [];
  const { index, path } = openIndex(t, { ...silentLog, warn: (text) => void warnings.push(text) });
  const spoil: readonly (() => void)[] = [
    () => writeFileSync(path, "not a database, but a text that is longer than the header of one".repeat(20)),
    () => {
      const db = new DatabaseSync(path);
      db.exec("PRAGMA user_version=999");
      db.close();
    },
    () => {
      const bytes = readFileSync(path);
      bytes.fill(0x55, 4_096);
      writeFileSync(path, bytes);
    },
  ];
  for (const [count, damage] of spoil.entries()) {
    index.update([note("a.md", "apple")], []);
    assert.equal(index.search("apple", 10).matches.length, 1);
    index.close();
    damage();
    assert.deepEqual(index.search("apple", 10).matches, []);
    assert.equal(index.generation, count + 1);
  }
  assert.equal(warnings.length, spoil.length);
});
