import assert from "node:assert/strict";
import { test } from "node:test";
import { findIdiom, findWrongFigures } from "../../scripts/check-prose.ts";

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

const LIMITS = { fileBytes: 16_777_216, idleMs: 300_000, heapMib: 256, files: 4, "toy.textChars": 4_000 };
const FIGURES: readonly { readonly text: string; readonly wrong: readonly string[] }[] = [
  { text: "at 16 MiB<!-- limit fileBytes -->, with four<!-- limit files --> files", wrong: [] },
  { text: "5 minutes<!-- limit idleMs -->, five minutes<!-- limit idleMs --> or 300 s<!-- limit idleMs -->", wrong: [] },
  { text: "256 MiB<!-- limit heapMib --> and 4,000 characters<!-- limit toy.textChars -->", wrong: [] },
  { text: "at 8 MiB<!-- limit fileBytes -->", wrong: ["8 MiB<!-- limit fileBytes -->"] },
  { text: "at 16 MB<!-- limit fileBytes -->", wrong: ["16 MB<!-- limit fileBytes -->"] },
  { text: "after 300<!-- limit idleMs -->", wrong: ["300<!-- limit idleMs -->"] },
  { text: "many<!-- limit files --> files", wrong: ["<!-- limit files -->"] },
  { text: "4<!-- limit unknown --> files", wrong: ["4<!-- limit unknown -->"] },
];

for (const { text, wrong } of FIGURES) {
  test(`figures of a document: ${text}`, () =>
    assert.deepEqual(
      findWrongFigures(text, LIMITS).map((finding) => finding.found),
      wrong,
    ));
}
