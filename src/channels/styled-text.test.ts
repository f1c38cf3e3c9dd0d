import assert from "node:assert/strict";
import { test } from "node:test";
import { renderStyledText, parseStyledText, type StyleMarkers } from "./styled-text.ts";

const tags: StyleMarkers = {
  escape: (text) => text,
  open: (span) => `<${span.style}${span.info ? ` ${span.info}` : ""}>`,
  close: (span) => `</${span.style}>`,
};
const show = (markdown: string): string => renderStyledText(parseStyledText(markdown), tags);

const CASES: readonly [name: string, markdown: string, shown: string][] = [
  ["plain text stays", "a < b & c", "a < b & c"],
  ["nested styles", "**bold *and italic***", "<bold>bold <italic>and italic</italic></bold>"],
  ["code keeps its characters", "`a < **b**`", "<code>a < **b**</code>"],
  ["a block keeps its language", "x\n\n```ts\nlet a = 1;\n```\n\ny", "x\n\n<block ts>let a = 1;</block>\n\ny"],
  ["a link keeps its address", "[here](https://example.org/?a=1&b=2)", "<link https://example.org/?a=1&b=2>here</link>"],
  ["a link with another scheme is text", "[here](javascript:alert(1))", "here"],
  ["lists", "- a\n- b\n  - c\n\n1. x\n2. y", "• a\n• b\n  • c\n\n1. x\n2. y"],
  ["a task list", "- [x] done\n- [ ] open", "• ☑ done\n• ☐ open"],
  ["a quote", "> said\n> so", "<quote>said\nso</quote>"],
  ["a heading", "# Title\ntext", "<heading>Title</heading>\n\ntext"],
  ["a table", "|a|b|\n|-|-|\n|1|2|", "<bold>a</bold> | <bold>b</bold>\n1 | 2"],
  ["HTML is text", "<b>x</b> & <script>", "<b>x</b> & <script>"],
  ["escapes", "\\*not\\* \\<b\\>", "*not* <b>"],
  ["line breaks stay", "a\nb", "a\nb"],
  ["strike and emoji", "~~no~~ 🦞", "<strike>no</strike> 🦞"],
];

for (const [name, markdown, shown] of CASES) test(name, () => assert.equal(show(markdown), shown));

test("spans lie inside the text and never cross, whatever the text is", () => {
  const words = ["**", "*", "_", "`", "```\n", "> ", "- ", "[a](", "https://x.y)", "text ", "\n", "\n\n", "~~", "# ", "|", "🦞"];
  let seed = 7;
  const random = (n: number): number => (seed = (seed * 48_271) % 2_147_483_647) % n;
  for (let i = 0; i < 2_000; i++) {
    const { text, spans } = parseStyledText(Array.from({ length: 12 }, () => words[random(words.length)]).join(""));
    const open: number[] = [];
    for (const span of spans) {
      assert.ok(span.start >= 0 && span.start < span.end && span.end <= text.length);
      while (open.length > 0 && open.at(-1)! <= span.start) open.pop();
      assert.ok(open.length === 0 || span.end <= open.at(-1)!, JSON.stringify({ text, spans }));
      open.push(span.end);
    }
  }
});
