import assert from "node:assert/strict";
import { test } from "node:test";
import { breakAnywhere, MarkdownLines } from "./markdown-lines.ts";
import { toPalette } from "./palette.ts";
import { visibleWidth } from "./toolkit.ts";

const plain = { ...toPalette(false, "dark") };
const bare = Object.fromEntries(Object.keys(plain).map((name) => [name, (text: string) => text])) as typeof plain;
const render = (text: string, width = 40, hasLinks = false): string[] => new MarkdownLines({ palette: bare, hasLinks }).render(text, width);

test("blocks have an empty line between them, and lists hang", () => {
  assert.deepEqual(render("# Title\n\ntext\n\n- one\n- two two two two\n  1. three", 14), [
    "Title",
    "",
    "text",
    "",
    "• one",
    "• two two two",
    "  two",
    "  1. three",
  ]);
  assert.deepEqual(render("> a\n>\n> b"), ["│ a", "│ ", "│ b"]);
  assert.deepEqual(render("- [x] done\n- [ ] open"), ["• [x] done", "• [ ] open"]);
});

test("code keeps its spaces, and a long line of it is broken and not cut", () => {
  assert.deepEqual(render("```ts\nif (x)\n  y();\n```"), ["  ts", "  if (x)", "    y();"]);
  assert.equal(
    render(`\`\`\`\n${"x".repeat(100)}\n\`\`\``, 42)
      .join("")
      .replaceAll(" ", ""),
    "x".repeat(100),
  );
});

test("the address of a link is shown, unless its label is the address", () => {
  assert.deepEqual(render("[bank](https://evil.example/)", 80), ["bank (https://evil.example/)"]);
  assert.deepEqual(render("<https://example.org>", 80), ["https://example.org"]);
  assert.deepEqual(render("[x](javascript:alert(1))", 80), ["x (javascript:alert(1))"]);
  assert.ok(render("[x](https://example.org/)", 80, true)[0]!.startsWith("\u001b]8;;https://example.org/\u001b\\x\u001b]8;;\u001b\\"));
  assert.ok(!render("[x](javascript:alert(1))", 80, true)[0]!.includes("\u001b"));
});

test("a table keeps its columns, gives way, and becomes a list where it cannot", () => {
  const table = "|name|count|\n|-|-:|\n|apples|12|\n|pears and plums|3|";
  assert.deepEqual(render(table), ["name             count", "───────────────  ─────", "apples              12", "pears and plums      3"]);
  assert.deepEqual(render(table, 17), ["name        count", "──────────  ─────", "apples         12", "pears and       3", "plums"]);
  assert.deepEqual(render(table, 12), ["  name", "  apples", "  count 12", "", "  name pears", "  and plums", "  count 3"]);
});

test("no line is wider than the terminal, whatever a model writes", () => {
  const texts = [
    "word ".repeat(50),
    "漢字".repeat(60),
    "👩‍👩‍👧 ".repeat(40),
    `| ${"a".repeat(90)} | b |\n|-|-|\n| c | d |`,
    "> ".repeat(40) + "deep",
    "- ".repeat(40) + "deep",
    `\`${"x".repeat(200)}\``,
  ];
  for (const text of texts)
    for (const width of [20, 79])
      for (const line of render(text, width))
        assert.ok(visibleWidth(line) <= Math.max(width, 80), JSON.stringify([text.slice(0, 20), width, line]));
  assert.deepEqual(breakAnywhere("abcdef", 4), ["abcd", "ef"]);
});

test("a growing text is the same as the whole text", () => {
  const text = "# A\n\none **two** three\n\n```\ncode\n```\n\n- x\n- y\n\nend";
  const growing = new MarkdownLines({ palette: bare, hasLinks: false });
  for (let end = 1; end <= text.length; end += 3) growing.render(text.slice(0, end), 30);
  assert.deepEqual(growing.render(text, 30), render(text, 30));
});

test("an answer that is made to be slow or deep is drawn", () => {
  for (const piece of ["_a_", "a**b**", "> ", "- ", "[", "![a](", "| a "]) assert.ok(render(piece.repeat(3_000), 80).length > 0, piece);
});
