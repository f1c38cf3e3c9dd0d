import assert from "node:assert/strict";
import { test } from "node:test";
import { characterStart, formatBytes, keepFirstLines, keepLastChars } from "./truncation.ts";

const numbers = Array.from({ length: 2_001 }, (_, index) => String(index + 1));

test("a text at the limits is whole, one more line or byte is cut", () => {
  const lines = `${numbers.slice(1).join("\n")}\n`;
  assert.deepEqual(keepFirstLines(lines), { text: lines, lines: 2_000, limit: null });
  assert.deepEqual(keepFirstLines("x".repeat(51_200)), { text: "x".repeat(51_200), lines: 1, limit: null });
  assert.deepEqual(keepFirstLines(""), { text: "", lines: 0, limit: null });
  assert.deepEqual(keepFirstLines(numbers.join("\n")), { text: numbers.slice(0, -1).join("\n"), lines: 2_000, limit: "lines" });
});

test("bytes are counted with line breaks, and only whole lines are kept", () => {
  const [a, b] = ["a".repeat(25_600), "b".repeat(25_599)];
  assert.deepEqual(keepFirstLines(`${a}\n${b}\nc`), { text: `${a}\n${b}`, lines: 2, limit: "bytes" });
});

test("of a line that is too long nothing is kept from the front", () => {
  assert.deepEqual(keepFirstLines(`x${"€".repeat(20_000)}`), { text: "", lines: 0, limit: "bytes" });
});

test("the end of a text has whole lines, or whole characters of a line that is too long", () => {
  const cases: [text: string, maxChars: number, expected: [text: string, lines: number, isCut: boolean]][] = [
    ["", 4, ["", 0, false]],
    ["a\nb\n", 4, ["a\nb\n", 2, false]],
    ["a\nb\nc\n", 4, ["b\nc\n", 2, true]],
    ["a\nb\nc", 3, ["b\nc", 2, true]],
    ["long\nb\nc", 4, ["b\nc", 2, true]],
    ["a\nlonger", 4, ["nger", 0, true]],
    ["a\nlonger\n", 4, ["ger\n", 0, true]],
    ["a\nfour\n", 5, ["four\n", 1, true]],
    ["long", 2, ["ng", 0, true]],
    ["x😀y", 2, ["y", 0, true]],
  ];
  for (const [text, maxChars, [end, lines, isCut]] of cases)
    assert.deepEqual(keepLastChars(text, maxChars), { text: end, lines, isCut }, JSON.stringify([text, maxChars]));
});

test("a position inside of a character moves to the next one", () => {
  const bytes = Buffer.from("a€b");
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((at) => characterStart(bytes, at)),
    [0, 1, 4, 4, 4],
  );
});

test("sizes are written for people", () => {
  assert.deepEqual([0, 1_023, 51_200, 4_718_592].map(formatBytes), ["0 bytes", "1023 bytes", "50.0 KB", "4.5 MB"]);
});
