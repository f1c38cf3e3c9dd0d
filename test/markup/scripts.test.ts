import assert from "node:assert/strict";
import { test } from "node:test";
import { markdownToHtml as toPageHtml } from "../../web/src/markdown-html.ts";
import { toDiscord } from "../../src/channels/discord/outbound.ts";
import { toPlainIrc as toIrc } from "../../src/channels/irc/outbound.ts";
import { toMarkedSignal, toTextStyles } from "../../src/channels/signal/outbound.ts";
import { toMrkdwn } from "../../src/channels/slack/outbound.ts";
import { toTelegramHtml, toVisibleTelegram } from "../../src/channels/telegram/outbound.ts";

/** One sentence in each script: text before, inside (with punctuation at its edges) and after a bold span, without blanks. */
const SCRIPTS: readonly (readonly [script: string, before: string, bold: string, after: string])[] = [
  ["Latin", "see ", "bold", " text"],
  ["Latin inside a word", "un", "believ", "able"],
  ["Chinese", "这是", "“重点”", "内容"],
  ["Japanese", "これは", "（重要）", "です"],
  ["Korean", "이것은", "'중요'", "합니다"],
  ["Arabic", "و", "«نص؟»", "هنا"],
  ["Hebrew", "ו", "(טקסט)", "כאן"],
  ["Devanagari", "और", "(पाठ।)", "यहाँ"],
  ["Thai", "นี่คือ", "(สำคัญ)", "มาก"],
  ["emoji", "🎉", "🦞!", "👨‍👩‍👧"],
];
for (const [script, before, bold, after] of SCRIPTS) {
  test(`bold in ${script} is bold on every channel and on the page`, () => {
    const markdown = `${before}**${bold}**${after}`;
    const plain = before + bold + after;
    assert.equal(toTelegramHtml(markdown), `${before}<b>${bold}</b>${after}`);
    assert.equal(toVisibleTelegram(markdown), plain);
    assert.equal(toMrkdwn(markdown), `${before}*${bold}*${after}`);
    assert.deepEqual(toTextStyles(markdown), { text: plain, ranges: [{ start: before.length, length: bold.length, style: "BOLD" }] });
    assert.equal(toMarkedSignal(markdown), markdown);
    assert.equal(toDiscord(markdown), markdown);
    assert.deepEqual(toIrc(markdown), [plain]);
    assert.equal(toPageHtml(markdown), `<p>${before}<strong>${bold.replaceAll("'", "&#39;")}</strong>${after}</p>\n`);
  });
}

/** What looks like markup and is none: it reads the same everywhere. */
const PLAIN: readonly string[] = [
  "大约1~3个月，5~10元",
  "약 3~5일, 7~8일",
  "costs ~$5-~$10, takes ~5 to ~10 minutes",
  "5 * 3 * 2 = 30",
  "5*3*2 and a*b*c",
  "snake_case_name, a_b_c",
  "١~٣ أشهر و ٥~١٠",
  "עלות ~5 עד ~10",
  "लगभग ~5 से ~10",
  "🦞 ~1 🦀 ~2",
  "\\(a_1 + b_2\\) = \\[x^2\\]",
];
for (const text of PLAIN) {
  test(`${text} keeps its characters everywhere`, () => {
    assert.equal(toVisibleTelegram(text), text);
    assert.equal(toTelegramHtml(text), text);
    assert.equal(toMrkdwn(text), text);
    assert.deepEqual(toTextStyles(text), { text, ranges: [] });
    assert.deepEqual(toIrc(text), [text]);
    assert.equal(toPageHtml(text), `<p>${text}</p>\n`);
    // Discord reads a star between letters or digits as markup: a backslash keeps it.
    assert.equal(toDiscord(text), text.replaceAll(/(?<=[a-z\d])\*(?=[a-z\d])/g, "\\*"));
  });
}

test("random markup in six scripts makes no renderer throw, and every letter is shown", () => {
  const marks = [
    "**",
    "*",
    "_",
    "__",
    "~~",
    "~",
    "`",
    "```\n",
    "[",
    "](https://x.example)",
    "> ",
    "- ",
    "1. ",
    "# ",
    "| ",
    "\n",
    "\n\n",
    " ",
    "\\",
    "<b>",
    "&amp;",
  ];
  const words = ["alpha", "重点", "“中”", "نص", "טקסט", "पाठ", "🦞", "e\u0301"];
  let seed = 17;
  const random = (n: number): number => (seed = (seed * 48_271) % 2_147_483_647) % n;
  for (let round = 0; round < 1_000; round++) {
    const text = Array.from({ length: 1 + random(40) }, () => (random(2) ? marks[random(marks.length)] : words[random(words.length)])).join(
      "",
    );
    const outputs = [
      toVisibleTelegram(text),
      toTelegramHtml(text),
      toMrkdwn(text),
      toMarkedSignal(text),
      toDiscord(text),
      toIrc(text).join("\n"),
      toPageHtml(text),
    ];
    // A word behind a fence names the language of the code, which not every platform shows.
    if (/```|~~~/.test(text)) continue;
    for (const word of words) {
      const count = (shown: string): number => shown.split(word).length - 1;
      for (const shown of outputs)
        assert.ok(count(shown) >= count(text), `${word} of ${JSON.stringify(text)} is missing in ${JSON.stringify(shown)}`);
    }
  }
});
