import assert from "node:assert/strict";
import { test } from "node:test";
import { diffLines } from "./line-diff.ts";

const shown = (before: string, after: string): string[] =>
  diffLines(before, after).map(({ kind, text }) => `${{ same: " ", removed: "-", added: "+", gap: "~" }[kind]}${text}`);

test("equal texts have no difference", () => {
  assert.deepEqual(diffLines("a\nb", "a\nb"), []);
});

test("a change is shown with the lines around it, and the rest is left out", () => {
  const before = ["{", "  a: 1,", "  b: 2,", "  c: 3,", "  d: 4,", "  e: 5,", "  f: 6,", "}"].join("\n");
  assert.deepEqual(shown(before, before.replace("c: 3", "c: 30")), [
    "   a: 1,",
    "   b: 2,",
    "-  c: 3,",
    "+  c: 30,",
    "   d: 4,",
    "   e: 5,",
    "~",
  ]);
});

test("lines that are common to both stay between changes", () => {
  assert.deepEqual(shown("a\nb\nc\nd", "x\nb\nc\ny"), ["-a", "+x", " b", " c", "-d", "+y"]);
});

test("an added and a removed line need no partner", () => {
  assert.deepEqual(shown("a\nb", "a\nnew\nb"), [" a", "+new", " b"]);
  assert.deepEqual(shown("a\nold\nb", "a\nb"), [" a", "-old", " b"]);
  assert.deepEqual(shown("", "a"), ["-", "+a"]);
});

const text = (word: string): string => Array.from({ length: 3_000 }, (_, at) => `${word}${at}`).join("\n");

test("two large texts that have nothing in common are replaced as a whole", () => {
  const lines = diffLines(text("a"), text("b"));
  assert.equal(lines.length, 6_000);
  assert.equal(lines[0]!.kind, "removed");
  assert.equal(lines.at(-1)!.kind, "added");
});
