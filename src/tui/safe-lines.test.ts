import assert from "node:assert/strict";
import { test } from "node:test";
import { itemLines, type ItemContext } from "./item-lines.ts";
import { MarkdownLines } from "./markdown-lines.ts";
import { toPalette } from "./palette.ts";
import { guardLine } from "./safe-lines.ts";
import { toItems } from "../client/conversation/transcript-items.ts";
import type { TranscriptRow } from "../client/conversation/protocol-types.ts";

/** What could steer a terminal, in the shapes in which it may arrive. */
const HOSTILE = [
  "\u001b]0;title\u0007",
  "\u001b[2J\u001b[H",
  "\u001b]52;c;cHduZWQ=\u0007",
  "\u001b]8;;file:///etc/passwd\u001b\\x\u001b]8;;\u001b\\",
  "\u001bPq#0\u001b\\",
  "\u001b_Ga=T;AAAA\u001b\\",
  "\u009b31m",
  "\u009d0;x\u009c",
  "\u001b",
  "\u0007\u0008\u000e\r",
  "\u202eevil\u202c\u2066x\u2069",
  "&#27;[31m&#x9b;1m&#x1b;]0;x&#7;",
];
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
// oxlint-disable-next-line no-control-regex
const OWN = /\u001b\[[0-9;]*m|\u001b\]8;;(?:(?:https?:\/\/|mailto:)[\u0021-\u007e]*)?\u001b\\/g;

const isHarmless = (line: string): boolean => !CONTROL.test(line.replaceAll(OWN, ""));
const palette = toPalette(true, "dark");
const markdown = new MarkdownLines({ palette, hasLinks: true });
const CONTEXT: ItemContext = {
  palette,
  width: 40,
  isOpen: () => true,
  markdown: (text, width) => markdown.render(text, width),
  picture: () => null,
};

const WRAPPINGS: readonly ((text: string) => string)[] = [
  (text) => text,
  (text) => `\`${text}\``,
  (text) => `\`\`\`${text}\n${text}\n\`\`\``,
  (text) => `[label](https://example.org/${text})`,
  (text) => `[${text}](<https://example.org/${text}>)`,
  (text) => `![${text}](${text})`,
  (text) => `| ${text} | b |\n|-|-|\n| ${text} | ${text} |`,
  (text) => `> - ${text}\n>   1. ${text}`,
  (text) => `# ${text}\n\n<b>${text}</b>`,
];

test("nothing in an answer, a message, a tool or an error steers the terminal", () => {
  for (const hostile of HOSTILE) {
    for (const wrapped of WRAPPINGS.map((wrap) => wrap(`a${hostile}b`))) {
      const rows: TranscriptRow[] = [
        { role: "user", content: wrapped, __openclaw: { id: "u", seq: 1, senderName: hostile, transport: { channel: `irc${hostile}` } } },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: wrapped },
            { type: "text", text: wrapped },
            { type: "toolCall", id: "c", name: `exec${hostile}`, arguments: { [`name${hostile}`]: wrapped, list: [hostile] } },
            { type: "image", mimeType: `image/png${hostile}`, url: `https://x/${hostile}` },
          ],
          __openclaw: { id: "a", seq: 2, runId: "r" },
        },
        { role: "toolResult", toolCallId: "c", content: wrapped, isError: true, __openclaw: { id: "t", seq: 3, runId: "r" } },
        {
          role: "assistant",
          content: wrapped,
          stopReason: "error",
          errorMessage: hostile,
          errorDetail: wrapped,
          __openclaw: { id: "e", seq: 4, runId: "r" },
        },
        { role: "system", content: wrapped, __openclaw: { id: "n", seq: 5 } },
      ];
      for (const item of toItems(rows, [], []))
        for (const { text } of itemLines(CONTEXT, item)) assert.ok(isHarmless(text), JSON.stringify([hostile, wrapped, text]));
    }
  }
});

test("the second wall leaves colors and links, and nothing else that begins with an escape character", () => {
  const own = `${palette.bad(palette.bold("x"))} \u001b]8;;https://example.org/\u001b\\link\u001b]8;;\u001b\\`;
  assert.equal(guardLine(own), own);
  for (const hostile of HOSTILE) assert.ok(isHarmless(guardLine(`${own}${hostile}${own}`)), JSON.stringify(hostile));
  assert.equal(guardLine("\u001b]8;;javascript:alert(1)\u001b\\x"), "]8;;javascript:alert(1)\\x");
});
