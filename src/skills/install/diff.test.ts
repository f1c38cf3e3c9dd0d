import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContentFile } from "../contents.ts";
import { diffContents, diffLines } from "./diff.ts";

const file = (path: string, text: string, isExecutable = false): ContentFile => ({ path, bytes: Buffer.from(text), isExecutable });

test("a change is shown with a little of what surrounds it", () => {
  const before = ["1", "2", "3", "4", "5", "6", "7", "8"];
  const after = ["1", "2", "3", "four", "5", "5b", "6", "7", "8"];
  assert.deepEqual(diffLines(before, after), ["  2", "  3", "- 4", "+ four", "  5", "+ 5b", "  6", "  7"]);
  assert.deepEqual(diffLines(["a"], []), ["- a"]);
  assert.deepEqual(diffLines([], ["a", "b"]), ["+ a", "+ b"]);
});

test("long texts are shown as replaced", () => {
  const lines = Array.from({ length: 2_500 }, (_, index) => `${index}`);
  assert.equal(diffLines(lines, lines.toReversed()).length, 5_000);
});

test("files that are new, removed, changed, of another kind or the same", () => {
  const before = [file("a", "x\n"), file("b", "y"), file("c", "z"), file("run", "go"), file("picture", "\0\u0001")];
  const after = [file("a", "x\n"), file("c", "Z"), file("d", "n", true), file("run", "go", true), file("picture", "\0\u0002")];
  assert.deepEqual(diffContents(before, after), [
    "b: removed",
    "  - y",
    "c: changed",
    "  - z",
    "  + Z",
    "d: new file, may be run as a program",
    "  + n",
    "picture: changed",
    "  (not a text)",
    "run: may be run as a program",
  ]);
  assert.deepEqual(diffContents(after, after), []);
});
