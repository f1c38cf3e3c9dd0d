import assert from "node:assert/strict";
import { test } from "node:test";
import { parseArgPattern, toArgPattern } from "./arg-pattern.ts";

test("the words of a pattern are read as they were written", () => {
  for (const words of [[], [""], ["install", "{path}"], ['"', "ü", "\n"]]) assert.deepEqual(parseArgPattern(toArgPattern(words)), words);
});

for (const text of ["", "^push$", "words:", "words:no json", 'words:"a"', "words:[1]", "words:{}", 'sha256:["a"]'])
  test(`${JSON.stringify(text)} is another form`, () => assert.equal(parseArgPattern(text), null));
