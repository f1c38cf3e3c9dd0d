import assert from "node:assert/strict";
import { test } from "node:test";
import { fitWidths, Output, type Column } from "./output.ts";
import { sanitizeLine, sanitizeText, truncateText, formatAge, formatDuration, padText, textWidth, wrapText } from "./terminal-text.ts";

function terminal(columns: number | null, options: { color?: boolean } = {}): { out: Output; text: () => string } {
  let text = "";
  const stdout = { write: (part: string) => (text += part), ...(columns !== null && { isTTY: true, columns }) };
  return { out: new Output({ stdout, stderr: { write: () => {} } }, { json: false, color: options.color ?? false }), text: () => text };
}

const COLUMNS: readonly Column[] = [{ title: "key" }, { title: "title", truncate: true }, { title: "n", align: "right" }];
const ROWS = [
  ["a", "a rather long title that does not fit into a narrow terminal at all", "1"],
  ["longer-key", "日本語のタイトル", "1234"],
];

test("a table in a pipe is whole, with two spaces between its columns", () => {
  const { out, text } = terminal(null);
  out.table(COLUMNS, ROWS);
  const lines = text().trimEnd().split("\n");
  assert.equal(lines.length, 3);
  assert.match(lines[1]!, /^a {11}a rather long title that does not fit into a narrow terminal at all {5}1$/);
  assert.ok(lines.every((line) => textWidth(line) === textWidth(lines[1]!) || line === lines[0]));
});

for (const columns of [40, 60, 80, 200]) {
  test(`a table fits ${columns} columns, and says where it was cut`, () => {
    const { out, text } = terminal(columns);
    out.table(COLUMNS, ROWS);
    for (const line of text().trimEnd().split("\n")) assert.ok(textWidth(line) <= columns, `${textWidth(line)}: ${line}`);
    assert.equal(text().includes("…"), columns === 80);
    for (const [key] of ROWS) assert.match(text(), new RegExp(`^${key}`, "m"), "what one copies is whole");
  });
}

test("in a narrow terminal a table becomes a list that keeps every cell", () => {
  const { out, text } = terminal(60);
  out.table(COLUMNS, [...ROWS, ["agent:main:irc:direct:someone-with-a-rather-long-name-on-irc", "-", ""]]);
  assert.equal(
    text(),
    [
      "a",
      "  title  a rather long title that does not fit into a narrow",
      "         terminal at all",
      "  n      1",
      "longer-key",
      "  title  日本語のタイトル",
      "  n      1234",
      "agent:main:irc:direct:someone-with-a-rather-long-name-on-irc",
      "",
    ].join("\n"),
  );
});

test("the first column keeps its width, and a table that cannot fit is none", () => {
  const columns = [
    { title: "a", truncate: true },
    { title: "b", truncate: true },
  ];
  assert.deepEqual(fitWidths(columns, [["x".repeat(50), "y".repeat(50)]], 70), [50, 18]);
  assert.equal(fitWidths(columns, [["x".repeat(70), "y".repeat(50)]], 70), null);
  assert.equal(fitWidths(columns, [["x".repeat(50), "y".repeat(50)]], 60), null);
});

test("text from outside cannot steer the terminal", () => {
  assert.equal(sanitizeLine("a\u001b[31mred\u0007\r\nb\u202ec"), "a[31mred bc");
  assert.equal(sanitizeLine("a\u061c\u200e\u200f\ufeffb\u009b31m"), "ab31m");
  assert.equal(sanitizeText("a\r\nb\u001b]0;title\u0007\tc"), "a\nb]0;title\tc");
  const { out, text } = terminal(80, { color: true });
  out.table([{ title: "t" }], [["\u001b[2Jgone\nnext"]]);
  assert.ok(!text().includes("\u001b[2J"));
  assert.equal(text().split("\n").length, 3);
});

test("color is for terminals only", () => {
  assert.equal(terminal(80, { color: true }).out.paint("red", "x"), "\u001b[31mx\u001b[0m");
  assert.equal(terminal(80, { color: false }).out.paint("red", "x"), "x");
  assert.equal(terminal(null, { color: true }).out.paint("red", "x"), "x");
});

test("widths count columns, not characters", () => {
  assert.equal(textWidth("abc"), 3);
  assert.equal(textWidth("日本"), 4);
  assert.equal(textWidth("🙂"), 2);
  assert.equal(textWidth("e\u0301"), 1);
  assert.equal(truncateText("日本語", 5), "日本…");
  assert.equal(truncateText("abc", 3), "abc");
  assert.equal(padText("日", 4, "right"), "  日");
});

test("wrapped text keeps its words and its indent", () => {
  assert.deepEqual(wrapText("one two three four", 9, "  "), ["one two", "  three", "  four"]);
  assert.deepEqual(wrapText("unbreakable-word", 5), ["unbreakable-word"]);
  assert.deepEqual(wrapText("", 5), [""]);
  assert.deepEqual(wrapText("  Why: it is so", 10, "  "), ["  Why: it", "  is so"]);
  assert.deepEqual(wrapText("a    b", 80), ["a    b"]);
});

const DURATIONS: readonly [number, string][] = [
  [0, "0 s"],
  [12, "12 ms"],
  [1_000, "1 s"],
  [93_000, "1 min 33 s"],
  [3_600_000, "1 h"],
  [90_061_000, "1 d 1 h"],
];
for (const [ms, text] of DURATIONS) test(`${ms} ms are "${text}"`, () => assert.equal(formatDuration(ms), text));

test("ages are relative, and no time is a dash", () => {
  assert.equal(formatAge(1_000, 1_500), "now");
  assert.equal(formatAge(1_000, 301_000), "5 min ago");
  assert.equal(formatAge(7_201_000, 1_000), "in 2 h");
  assert.equal(formatAge(90 * 86_400_000, 5_000), "in 90 d");
  assert.equal(formatAge(null, 1_000), "-");
  assert.equal(formatAge(0, 1_000), "-");
});
