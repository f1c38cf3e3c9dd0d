import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { INVARIANTS, MUTANTS } from "./mutants.ts";

const root = join(import.meta.dirname, "../..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");

test("every invariant has guards that are broken on purpose", () => {
  assert.ok(MUTANTS.length >= 40);
  assert.deepEqual([...new Set(MUTANTS.map(({ invariant }) => String(invariant)))].toSorted(), Object.keys(INVARIANTS).toSorted());
});

for (const { file, text, broken, tests, title, breaks } of MUTANTS)
  test(`the guard is where the table says: ${breaks}`, () => {
    const source = read(file);
    assert.equal(source.split(text).length - 1, 1, `${file} must contain exactly once: ${text}`);
    const changed = source.replace(text, () => broken);
    assert.notEqual(changed, source);
    // A change that does not even parse would count as caught.
    if (file.endsWith(".ts")) stripTypeScriptTypes(changed);
    for (const each of tests) {
      assert.ok(existsSync(join(root, each)), each);
      if (title !== undefined)
        assert.ok(read(each).includes(title) || tests.some((other) => read(other).includes(title)), `${each}: ${title}`);
    }
  });
