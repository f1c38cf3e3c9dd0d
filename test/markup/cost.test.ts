import assert from "node:assert/strict";
import { test } from "node:test";
import { markdownToHtml as toPageHtml } from "../../web/src/markdown-html.ts";
import { toDiscord } from "../../src/channels/discord/outbound.ts";
import { splitIntoLines, toPlainIrc as toIrc } from "../../src/channels/irc/outbound.ts";
import { parseStyledText } from "../../src/channels/styled-text.ts";
import { toMarkedSignal, toTextStyles, toVisibleSignal as toSignal } from "../../src/channels/signal/outbound.ts";
import { toBlocks, toMrkdwn, toPlainSlack as toSlackPlain } from "../../src/channels/slack/outbound.ts";
import { splitText } from "../../src/channels/split-text.ts";
import { toTelegramHtml, toPlainTelegram, toVisibleTelegram } from "../../src/channels/telegram/outbound.ts";

/** Every mark of Markdown, whole and in halves, alone and nested. Each is repeated until the text is long. */
const MARKS: readonly string[] = [
  ..."* ** *** _ __ ~ ~~ ` `` [ ]( [] ![ < <a > | \\ & ( \\( # = - + .".split(" "),
  "``a`",
  "`a",
  "[a](",
  "[a](b",
  '[a](b "',
  "[a][b]",
  "![a](b)",
  "[[a]]",
  '<a b="',
  "<!--",
  "<div>\n",
  "> ",
  "1. ",
  "- ",
  "> - ",
  "> a\n",
  "- a\n  ",
  "- a\n\n",
  "    a\n",
  "| a ",
  "| a | b |\n",
  "a|b\n-|-\n",
  "a\n===\n",
  "[a]: b\n",
  "```\n",
  "~~~ x\n",
  "_a_",
  "_a_ ",
  "*a _b ",
  "**a",
  "a**b**",
  "***a*",
  "**“重点”**",
  "http://a",
  "https://a.b/c ",
  "www.a",
  "a@b",
  "&amp;",
  "\n",
  " ",
  "\t",
  "\r\n",
  "🦞",
  "e\u0301",
  "\ud800",
];
const MIXES: readonly string[] = [
  "**bold *it* ~~no~~ `c` [x](https://a.b) ![p](https://c.d) <b> &lt; \\* https://e.f** ",
  "> - 1. # **a** _b_ `c`\n",
  "| **a** | `b|c` | [d](e) |\n|-|-|-|\n",
  "[![a](b)](c) *[d*](e) `*f*` ~~g ~~h~~ ",
];
/** What is opened many times and closed as often. */
const NESTED: readonly (readonly [open: string, close: string])[] = [
  ["*a ", " b*"],
  ["**a ", " b**"],
  ["_a ", " b_"],
  ["~~a ", " b~~"],
  ["[", "](a)"],
  ["![", "](a)"],
  ["[a *b ", "*](c)"],
  ["(", ")"],
  ["<a>", "</a>"],
  ["> ", ""],
  ["- ", ""],
];

const CHARS = 400_000;
const long = (unit: string, chars: number): string => unit.repeat(Math.ceil(chars / unit.length)).slice(0, chars);
const nested = ([open, close]: readonly [string, string], chars: number): string => {
  const times = Math.floor(chars / (open.length + close.length));
  return open.repeat(times) + "x" + close.repeat(times);
};
const texts = (chars: number): readonly string[] => [
  ...[...MARKS, ...MIXES].map((unit) => long(unit, chars)),
  ...NESTED.map((pair) => nested(pair, chars)),
  Array.from({ length: chars / 100 }, (_, i) => "  ".repeat(i % 60) + "- a").join("\n"),
];

/** CPU seconds that no linear renderer comes near to at 400,000 characters, on any machine; a quadratic one needs minutes. */
const CPU_SECONDS = 20;
function withinBudget(name: string, text: string, work: (text: string) => unknown): void {
  const before = process.cpuUsage();
  work(text);
  const { user, system } = process.cpuUsage(before);
  assert.ok((user + system) / 1e6 < CPU_SECONDS, `${name} took ${(user + system) / 1e6} s for ${JSON.stringify(text.slice(0, 20))}`);
}

test("400,000 characters of every mark, flat and nested, are read in linear time and nothing throws", () => {
  for (const text of texts(CHARS)) withinBudget("toStyled", text, parseStyledText);
});

const RENDERERS: Readonly<Record<string, (text: string) => unknown>> = {
  "The page": toPageHtml,
  "Telegram's HTML": toTelegramHtml,
  "Telegram's plain text": (text) => toPlainTelegram(text, 4_096),
  "Slack's mrkdwn": toMrkdwn,
  "Slack's plain text": toSlackPlain,
  "Discord's Markdown": toDiscord,
  "Signal's ranges": toTextStyles,
  "Signal's marks": toMarkedSignal,
  "IRC's text": toIrc,
};
for (const [name, work] of Object.entries(RENDERERS)) {
  test(`${name}: long texts of every mark are rendered in linear time and nothing throws`, () => {
    for (const text of texts(20_000)) withinBudget(name, text, work);
    for (const text of ["_a_", "[a](", "| a | b |\n|-|-|\n| c |\n"]) withinBudget(name, long(text, CHARS), work);
  });
}

test("texts of every mark are cut in a bounded number of renderings for each character", () => {
  const cuts: readonly [name: string, value: number, render: (text: string) => string][] = [
    ["Telegram", 4_096, toVisibleTelegram],
    ["Slack", 4_000, toMrkdwn],
    ["Discord", 2_000, toDiscord],
    ["Signal", 2_000, toSignal],
  ];
  for (const [name, value, render] of cuts) {
    for (const text of texts(12_000)) {
      let rendered = 0;
      const counted = (part: string): string => {
        rendered += part.length;
        return render(part);
      };
      const pieces = splitText(text, { unit: "utf16", value }, { render: counted });
      assert.ok(rendered <= 40 * text.length + 10_000, `${name}: ${rendered} characters rendered for ${JSON.stringify(text.slice(0, 20))}`);
      for (const piece of pieces) assert.ok(render(piece.text).length <= value || piece.text.length === 1, name);
    }
  }
});

test("400,000 characters are cut for every channel, also where a part holds little of what is written", () => {
  for (const text of ["_a_", "[a](https://example.org/a-long-address) ", "e\u0301", "\n "].map((unit) => long(unit, CHARS))) {
    withinBudget("Telegram", text, (part) => splitText(part, { unit: "utf16", value: 4_096 }, { render: toVisibleTelegram }));
    withinBudget("IRC", text, (part) => splitIntoLines(part, "#room", 80));
    withinBudget("bytes", text, (part) => splitText(part, { unit: "utf8", value: 1_600 }));
  }
  withinBudget("Slack", long("_a_", CHARS), (part) => toBlocks(part, []));
});

test("what is nested too deeply stays as it was written", () => {
  assert.match(parseStyledText(`${">".repeat(3_072)}a`).text, />{3040}a$/);
  for (const pair of NESTED) {
    const { text } = parseStyledText(nested(pair, 3_000));
    assert.ok(text.includes("x"), pair[0]);
  }
});

test("no word of a long text is lost, with any surrounding marks", () => {
  const words = Array.from({ length: 2_000 }, (_, i) => `w${i}w`);
  let seed = 5;
  const random = (n: number): number => (seed = (seed * 48_271) % 2_147_483_647) % n;
  // Addresses of links and languages of code are not shown as text.
  const units = [...MARKS, ...NESTED.flat()].filter((unit) => !/\]\(|\]:|\]\[|~~~|www|http|@/.test(unit));
  for (let round = 0; round < 20; round++) {
    const text = words.map((word) => `${units[random(units.length)]!}${random(3) ? "" : " "}${word}`).join(random(2) ? " " : "\n");
    const outputs: Readonly<Record<string, string>> = {
      toStyled: parseStyledText(text).text,
      page: toPageHtml(text),
      Telegram: toTelegramHtml(text),
      Slack: toMrkdwn(text),
      Signal: toMarkedSignal(text),
      Discord: toDiscord(text),
      IRC: toIrc(text).join("\n"),
    };
    for (const [name, shown] of Object.entries(outputs))
      assert.deepEqual(
        words.filter((word) => !shown.includes(word)),
        [],
        name,
      );
  }
});
