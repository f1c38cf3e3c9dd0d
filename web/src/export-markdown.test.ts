import assert from "node:assert/strict";
import { test } from "node:test";
import { fileName, toMarkdown } from "./export-markdown.ts";
import type { TranscriptRow } from "../../src/client/conversation/protocol-types.ts";

const options = { isWhole: true, timeText: (at: number) => `t${at}` };

test("a conversation becomes headings, texts and fenced tools", () => {
  const rows: readonly TranscriptRow[] = [
    { role: "user", content: "Hello", timestamp: 1 },
    {
      role: "assistant",
      model: "m",
      content: [
        { type: "text", text: "Looking." },
        { type: "toolCall", id: "c", name: "read", arguments: { path: "a" } },
      ],
      timestamp: 2,
    },
    { role: "toolResult", content: [{ type: "text", text: "```\ncode\n```" }], toolName: "read" },
  ];
  assert.equal(
    toMarkdown("My\ntitle", rows, options),
    '# My title\n\n## You, t1\n\nHello\n\n## Answer (m), t2\n\nLooking.\n\n*Tool read*\n\n```\n{\n  "path": "a"\n}\n```\n\n*Result of read*\n\n````\n```\ncode\n```\n````\n',
  );
});

test("a conversation that is not whole says so, and messages of others have their names", () => {
  const rows: readonly TranscriptRow[] = [{ role: "user", content: "Hi", __openclaw: { senderName: "Ann" } }];
  assert.equal(
    toMarkdown("T", rows, { ...options, isWhole: false }),
    "# T\n\n*Older messages are not part of this file: the conversation is too long.*\n\n## Ann\n\nHi\n",
  );
});

test("a file name has letters and digits of every script", () => {
  assert.equal(fileName("Plan: the garden/2026"), "plan-the-garden-2026.md");
  assert.equal(fileName("計画"), "計画.md");
  assert.equal(fileName("///"), "conversation.md");
});
