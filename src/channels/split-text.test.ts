import assert from "node:assert/strict";
import { test } from "node:test";
import { splitText, type TextPiece, type SplitOptions } from "./split-text.ts";

type Limit = { unit: "utf16" | "utf8"; value: number };
const size = (text: string, unit: Limit["unit"]): number => (unit === "utf8" ? Buffer.byteLength(text) : text.length);

/** Every property that holds for every text and every limit that has room for fence marks. */
function check(text: string, limit: Limit, options: SplitOptions = {}): readonly TextPiece[] {
  const pieces = splitText(text, limit, options);
  let at = 0;
  for (const piece of pieces) {
    assert.match(text.slice(at, piece.start), /^\s*$/, "only white space is dropped between parts");
    assert.ok(piece.text.includes(text.slice(piece.start, piece.end)), "a part carries its piece of the source");
    assert.ok(piece.end > piece.start, "every part carries something");
    assert.ok(
      size((options.render ?? String)(piece.text), limit.unit) <= limit.value,
      `${size(piece.text, limit.unit)} > ${limit.value}: ${JSON.stringify(piece.text)}`,
    );
    if (text.isWellFormed()) assert.ok(piece.text.isWellFormed(), "no cut goes through a surrogate pair");
    at = piece.end;
  }
  assert.match(text.slice(at), /^\s*$/, "nothing is lost at the end");
  return pieces;
}

/** Repeatable random numbers below `n`. */
function seeded(seed: number): (n: number) => number {
  return (n) => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % n;
}

const texts = (text: string, value: number, options?: SplitOptions): readonly string[] =>
  check(text, { unit: "utf16", value }, options).map((piece) => piece.text);

test("a text within the limit stays one part", () => {
  assert.deepEqual(texts("hello", 5), ["hello"]);
  assert.deepEqual(texts("", 5), []);
  assert.deepEqual(texts("  \n ", 5), []);
});

test("prefers paragraph, then line, then sentence, then word", () => {
  assert.deepEqual(texts("one two.\n\nthree four. five", 18), ["one two.", "three four. five"]);
  assert.deepEqual(texts("one two three\nfour. five six", 22), ["one two three", "four. five six"]);
  assert.deepEqual(texts("one two three. four five six", 22), ["one two three.", "four five six"]);
  assert.deepEqual(texts("one two three four five six", 17), ["one two three", "four five six"]);
  assert.deepEqual(texts("abcdefghij", 4), ["abcd", "efgh", "ij"]);
});

test("a break near the start does not make a tiny part", () => {
  assert.deepEqual(texts("a\n\nbbbb bbbb bbbb bbbb", 16), ["a\n\nbbbb bbbb", "bbbb bbbb"]);
});

for (const length of [39, 40, 41]) {
  test(`a text of ${length} characters at a limit of 40`, () => assert.equal(texts("x".repeat(length), 40).length, length > 40 ? 2 : 1));
}

test("a code fence is closed and opened again", () => {
  const parts = texts("```ts\nline one\nline two\nline three\n```\nafter", 28);
  assert.deepEqual(parts, ["```ts\nline one\nline two\n```", "```ts\nline three\n```\nafter"]);
});

test("indentation inside a fence survives the cut", () => {
  const parts = texts("```\nif (x) {\n    deep();\n    deeper();\n}\n```", 30);
  assert.ok(
    parts.slice(1).some((part) => part.startsWith("```\n    deep")),
    parts.join("|"),
  );
});

test("emoji with joiners, flags and combining marks stay whole where they fit", () => {
  const family = "👨‍👩‍👧‍👦";
  for (const part of texts(family.repeat(20), 30)) assert.equal(part.length % family.length, 0);
  for (const part of texts("🇩🇪".repeat(40), 30)) assert.equal(part.length % 4, 0);
  for (const part of texts("e\u0301".repeat(40), 31)) assert.equal(part.length % 2, 0);
});

test("a grapheme longer than the limit is cut between its characters", () => {
  assert.ok(texts("👨‍👩‍👧‍👦".repeat(2), 5).length > 4);
  assert.ok(texts(`e${"\u0301".repeat(500)}`, 10).length >= 50);
});

test("bytes are counted where the platform counts bytes", () => {
  const pieces = check("äöü ".repeat(100), { unit: "utf8", value: 50 });
  assert.ok(pieces.length >= 14);
});

const toHtml = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

test("text that grows when rendered is measured as rendered", () => {
  const pieces = check("a<b && c ".repeat(50), { unit: "utf16", value: 60 }, { render: toHtml });
  assert.ok(pieces.every((piece) => toHtml(piece.text).length <= 60));
});

test("a limit below the fence marks still makes progress", () => {
  const pieces = splitText("```\nabc\n```", { unit: "utf16", value: 2 });
  assert.ok(pieces.every((piece) => piece.text.length <= 3));
  assert.ok(pieces.length >= 4);
});

test("random texts rejoin to their source", () => {
  const random = seeded(7);
  const words = [
    "a",
    "word",
    "sentence.",
    "\n",
    "\n\n",
    "```\n",
    "\n```js\n",
    "~~~\n",
    "🦞",
    "👨‍👩‍👧",
    "日本語",
    "العربية",
    "x".repeat(50),
    "  indented",
    "\t",
    "&<>",
    "`code`",
    "| a | b |\n",
    "\r\n",
    "e\u0301",
  ];
  for (let round = 0; round < 1_500; round++) {
    const text = Array.from({ length: random(60) }, () => words[random(words.length)] + (random(3) ? " " : "")).join("");
    check(text, { unit: random(2) ? "utf8" : "utf16", value: 40 + random(120) });
  }
});

for (const [what, sample] of [
  ["plain words", "lorem ipsum dolor sit amet. "],
  ["markup", "**bold** and _italic_ with `code` and [a link](https://example.org/a).\n"],
  ["text that grows", "a < b & c > d. "],
  ["code blocks", "```ts\nconst a = 1;\n```\n\ntext\n\n"],
] as const)
  test(`64,000 characters of ${what} are rendered about once while they are cut`, () => {
    const text = sample.repeat(Math.ceil(64_000 / sample.length));
    for (const value of [2_000, 4_000, 8_000]) {
      let rendered = 0;
      const render = (part: string): string => {
        rendered += part.length;
        return toHtml(part);
      };
      const parts = splitText(text, { unit: "utf16", value }, { render });
      assert.ok(rendered <= text.length * 1.5, `${rendered} of ${text.length} characters rendered at ${value}`);
      const fill = parts.slice(0, -1).map((part) => toHtml(part.text).length / value);
      assert.ok(Math.min(...fill) >= 0.75, `a part is filled to ${Math.min(...fill)} only`);
    }
  });

test("random texts that change their length when rendered keep the limit and lose nothing", () => {
  const random = seeded(7);
  const words = ["**b**", "a<b", "&", "`c`", "[l](https://e.org/x)", "\n", "\n\n", "```\n", "word", "emoji😀", "> q\n", "* "];
  for (let round = 0; round < 300; round++) {
    const text = Array.from({ length: random(300) }, () => words[random(words.length)] + (random(3) ? " " : "")).join("");
    check(text, { unit: random(2) ? "utf8" : "utf16", value: 120 + random(400) }, { render: toHtml });
  }
});
