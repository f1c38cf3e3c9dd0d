import assert from "node:assert/strict";
import { test } from "node:test";
import { highlight, type Piece } from "./highlight.ts";

const marked = (pieces: readonly Piece[]): string => pieces.map(({ text, kind }) => (kind === null ? text : `<${kind}:${text}>`)).join("");

for (const [language, text, wanted] of [
  ["ts", 'const a = "x"; // why', '<keyword:const> a = <string:"x">; <comment:// why>'],
  ["js", "return `a ${b}` + 0x1f", "<keyword:return> <string:`a ${b}`> + <number:0x1f>"],
  ["python", "def f(): # note\n  return '#1'", "<keyword:def> f(): <comment:# note>\n  <keyword:return> <string:'#1'>"],
  ["bash", "echo $#; # done", "echo $#; <comment:# done>"],
  ["SQL", "SELECT 1 -- one", "<keyword:SELECT> <number:1> <comment:-- one>"],
  ["c", "/* open", "<comment:/* open>"],
  ["diff", "@@ -1 +1 @@\n-old\n+new\n same", "<hunk:@@ -1 +1 @@\n><removed:-old\n><added:+new\n> same"],
  ["", "const a = 1", "const a = 1"],
  ["constructor", "const a = 1", "const a = 1"],
] as const)
  test(`${language || "no language"}: ${JSON.stringify(text)}`, () => assert.equal(marked(highlight(text, language)), wanted));

test("nothing of the text is lost or added, and hostile texts are read once", () => {
  const hostile = ["/*", '"', "'\\", "`\\", "#", "--", "a$", "1.", "/", "\\\\", "\n", '"\\"'];
  for (const part of hostile)
    for (const language of ["ts", "c", "py", "sql", "diff"]) {
      const text = part.repeat(20_000);
      const pieces = highlight(text, language);
      assert.equal(pieces.map((piece) => piece.text).join(""), text);
    }
});
