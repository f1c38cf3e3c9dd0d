import assert from "node:assert/strict";
import { test } from "node:test";
import { formatBytes, keepFirstLines, keepLastLines, lastBytes } from "./truncation.ts";

const numbers = Array.from({ length: 2_001 }, (_, index) => String(index + 1));

test("a text at the limits is whole, one more line or byte is cut", () => {
  const lines = `${numbers.slice(1).join("\n")}\n`;
  for (const keep of [keepFirstLines, keepLastLines]) {
    assert.deepEqual(keep(lines), { text: lines, lines: 2_000, limit: null });
    assert.deepEqual(keep("x".repeat(51_200)), { text: "x".repeat(51_200), lines: 1, limit: null });
    assert.deepEqual(keep(""), { text: "", lines: 0, limit: null });
  }
  const long = numbers.join("\n");
  assert.deepEqual(keepFirstLines(long), { text: numbers.slice(0, -1).join("\n"), lines: 2_000, limit: "lines" });
  assert.deepEqual(keepLastLines(long), { text: numbers.slice(1).join("\n"), lines: 2_000, limit: "lines" });
});

test("bytes are counted with line breaks, and only whole lines are kept", () => {
  const [a, b] = ["a".repeat(25_600), "b".repeat(25_599)];
  assert.deepEqual(keepFirstLines(`${a}\n${b}\nc`), { text: `${a}\n${b}`, lines: 2, limit: "bytes" });
  assert.deepEqual(keepLastLines(`c\n${a}\n${b}`), { text: `${a}\n${b}`, lines: 2, limit: "bytes" });
});

test("of a line that is too long nothing is kept from the front, and whole characters from the back", () => {
  const text = `x${"€".repeat(20_000)}`;
  assert.deepEqual(keepFirstLines(text), { text: "", lines: 0, limit: "bytes" });
  assert.deepEqual(keepLastLines(text), { text: "€".repeat(17_066), lines: 0, limit: "bytes" });
  assert.deepEqual([lastBytes("a€", 2), lastBytes("a€", 3), lastBytes("a€", 9)], ["", "€", "a€"]);
});

test("sizes are written for people", () => {
  assert.deepEqual([0, 1_023, 51_200, 4_718_592].map(formatBytes), ["0 bytes", "1023 bytes", "50.0 KB", "4.5 MB"]);
});
