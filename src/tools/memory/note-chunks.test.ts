import assert from "node:assert/strict";
import { test } from "node:test";
import { toChunks } from "./note-chunks.ts";

const shown = (text: string, maxChars: number): string[] =>
  toChunks(text, maxChars).map(({ firstLine, lastLine, text: part }) => `${firstLine}-${lastLine} ${JSON.stringify(part)}`);

test("a note is divided at lines, and at headings once a part is half full", () => {
  assert.deepEqual(shown("a\nb\nc", 100), ['1-3 "a\\nb\\nc"']);
  assert.deepEqual(shown("aaaa\nbbbb\ncccc", 9), ['1-2 "aaaa\\nbbbb"', '3-3 "cccc"']);
  assert.deepEqual(shown("# A\nlong enough\n# B\nx", 20), ['1-2 "# A\\nlong enough"', '3-4 "# B\\nx"']);
  assert.deepEqual(shown("# A\n# B\nx", 100), ['1-3 "# A\\n# B\\nx"']);
  assert.deepEqual(shown("a\r\nb\rc", 100), ['1-3 "a\\nb\\nc"']);
});

test("a long line is divided, and what has no words is left out", () => {
  assert.deepEqual(shown("abcdefghij\nx", 4), ['1-1 "abcd"', '1-1 "efgh"', '1-2 "ij\\nx"']);
  assert.deepEqual(shown(`abc${"😀"}d`, 4), ['1-1 "abc\ufffd"', '1-1 "\ufffdd"']);
  assert.deepEqual(shown("\n---\n\n", 100), []);
  assert.deepEqual(shown("", 100), []);
});
