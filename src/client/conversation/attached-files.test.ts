import assert from "node:assert/strict";
import { test } from "node:test";
import { splitAttachedFiles } from "./attached-files.ts";

const NOTES = '[attached file "notes.md" (text/markdown, 31 bytes)]\n````\n# Notes\n```\ncode\n```\n````\n[stored at /state/media/a.md]';
const SOUND = '[attached audio "a \\"b\\".ogg" (audio/ogg, 12 KiB), stored at /state/media/b.ogg]';

test("the files of a message are read from its end, and its text stays as it was", () => {
  const { text, files } = splitAttachedFiles(`Look at these\n\n${NOTES}\n\n${SOUND}`);
  assert.equal(text, "Look at these");
  assert.deepEqual(
    files.map(({ kind, name, mimeType, size, text: content }) => [kind, name, mimeType, size, content]),
    [
      ["file", "notes.md", "text/markdown", "31 bytes", "# Notes\n```\ncode\n```"],
      ["audio", 'a "b".ogg', "audio/ogg", "12 KiB", null],
    ],
  );
  assert.equal([text, ...files.map(({ raw }) => raw)].join("\n\n"), `Look at these\n\n${NOTES}\n\n${SOUND}`);
  assert.equal(splitAttachedFiles(NOTES).text, "");
});

test("what a person has typed is a text, whatever it begins with", () => {
  for (const typed of [
    "hello",
    '[attached file "x" (text/plain, 1 bytes)] is how it looks',
    'before\n[attached file "x" (text/plain, 1 bytes)]\nafter',
    `${NOTES}\n\nand a word after it`,
    '[attached file "x" (text/plain, 1 bytes)]\n```\nnever ends',
    '[attached file "\\x" (text/plain, 1 bytes)]',
  ])
    assert.deepEqual(splitAttachedFiles(typed), { text: typed, files: [] });
});
