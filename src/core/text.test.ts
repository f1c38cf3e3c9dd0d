import assert from "node:assert/strict";
import { test } from "node:test";
import { clip, toSentence } from "./text.ts";

test("a sentence ends with one mark", () => {
  for (const [text, sentence] of [
    ["the disk is full", "the disk is full."],
    ["the disk is full.", "the disk is full."],
    ["the disk is full..", "the disk is full."],
    ["is it full?", "is it full?"],
    ["", "."],
  ] as const)
    assert.equal(toSentence(text), sentence);
});

test("half of a character is not kept", () => {
  assert.equal(clip("a\u{1F600}b", 2), "a");
  assert.equal(clip("a\u{1F600}b", 3), "a\u{1F600}");
});
