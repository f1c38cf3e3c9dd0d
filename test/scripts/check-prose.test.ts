import assert from "node:assert/strict";
import { test } from "node:test";
import { findIdiom } from "../../scripts/check-prose.ts";

// Assembled here, so that this file passes the check that it tests.
const PHRASE = ["no", "body"].join("");
const SPLIT_PHRASE = ["is", "told"];

const found = (text: string, isSource: boolean): (string | number)[][] =>
  findIdiom(text, isSource).map((finding) => [finding.line, finding.found]);

const CASES: readonly { readonly name: string; readonly text: string; readonly isSource: boolean; readonly hits: (string | number)[][] }[] =
  [
    { name: "a document is checked whole", text: `One.\n${PHRASE} reads it.`, isSource: false, hits: [[2, PHRASE]] },
    {
      name: "a phrase is found across a line break in a comment",
      text: `// the caller ${SPLIT_PHRASE[0]}\n  // ${SPLIT_PHRASE[1]} so`,
      isSource: true,
      hits: [[1, SPLIT_PHRASE.join(" ")]],
    },
    { name: "strings of a source file are checked", text: `const text = "${PHRASE}";`, isSource: true, hits: [[1, PHRASE]] },
    { name: "identifiers of a source file are not checked", text: `const ${PHRASE} = 1;`, isSource: true, hits: [] },
    { name: "a part of a word is not a phrase", text: `${PHRASE}s-list and standard`, isSource: false, hits: [] },
    { name: "'there is no' is plain English", text: "There is no room left; it is no longer open.", isSource: false, hits: [] },
  ];

for (const { name, text, isSource, hits } of CASES) {
  test(name, () => assert.deepEqual(found(text, isSource), hits));
}
