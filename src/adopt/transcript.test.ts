import assert from "node:assert/strict";
import { test } from "node:test";
import { activeBranch, formatLeft, parseLines, toTranscript } from "./transcript.ts";

const message = (id: string, parentId: string | null, body: object): Record<string, unknown> => ({
  type: "message",
  id,
  parentId,
  timestamp: "2026-11-30T10:00:00.000Z",
  message: body,
});
const user = (id: string, parentId: string | null, text: string) =>
  message(id, parentId, { role: "user", content: text, timestamp: 5_000 });

test("the newest branch of a conversation is taken, and abandoned ones are not", () => {
  const events = [
    { type: "session", id: "s" },
    user("1", null, "first"),
    user("2", "1", "abandoned"),
    user("3", "1", "edited"),
    message("4", "3", { role: "assistant", content: [{ type: "text", text: "yes" }] }),
  ];
  assert.deepEqual(
    activeBranch(events).map(({ id }) => id),
    ["1", "3", "4"],
  );
});

test("events without parents, and a circle of parents, end", () => {
  assert.equal(activeBranch([user("1", null, "a"), user("2", null, "b")]).length, 2);
  assert.equal(activeBranch([user("1", "2", "a"), user("2", "1", "b")]).length, 2);
});

test("texts, thoughts and calls of tools become messages, and no message counts as the owner's", () => {
  const { messages, left } = toTranscript(
    [
      user("1", null, "hello"),
      message("2", "1", {
        role: "assistant",
        provider: "anthropic",
        model: "m",
        stopReason: "toolUse",
        content: [
          { type: "thinking", thinking: "hm" },
          { type: "toolCall", id: "c1", name: "read", arguments: { path: "a" } },
        ],
      }),
      message("3", "2", {
        role: "toolResult",
        toolCallId: "c1",
        toolName: "read",
        content: [{ type: "text", text: "file" }],
        isError: true,
      }),
    ],
    "telegram",
  );
  assert.equal(left.size, 0);
  assert.deepEqual(messages[0], {
    id: "1",
    at: 5_000,
    body: { role: "user", content: "hello", provenance: { channel: "telegram", senderIsOwner: false } },
  });
  assert.deepEqual(messages[1]!.body, {
    role: "assistant",
    provider: "anthropic",
    model: "m",
    stopReason: "toolUse",
    content: [
      { type: "thinking", thinking: "hm" },
      { type: "toolCall", id: "c1", name: "read", arguments: { path: "a" } },
    ],
  });
  assert.deepEqual(messages[2]!.body, {
    role: "toolResult",
    toolCallId: "c1",
    toolName: "read",
    content: [{ type: "text", text: "file" }],
    isError: true,
  });
  assert.equal(messages[1]!.at, Date.parse("2026-11-30T10:00:00.000Z"));
});

test("what cannot be taken is counted by name, and the rest is taken", () => {
  const { messages, left } = toTranscript(
    [
      message("1", null, {
        role: "user",
        content: [{ type: "text", text: "look" }, { type: "image", data: "AAAA" }, { type: "image", data: "BBBB" }, { type: "hologram" }],
      }),
      message("2", "1", { role: "system", content: "be nice" }),
      { type: "compaction", id: "3", parentId: "2", summary: "short" },
      user("4", "3", "more"),
    ],
    "webchat",
  );
  assert.equal(messages.length, 2);
  assert.equal(formatLeft(left), '2 pictures, 1 part of the kind "hologram", 1 message of the role "system", 1 summary');
});

test("a line that was cut off costs only itself", () => {
  const { events, damaged } = parseLines(`{"type":"session"}\n{"type":"mess\n[1]\n\n${JSON.stringify(user("1", null, "a"))}\n`);
  assert.equal(events.length, 2);
  assert.deepEqual(damaged, [2, 3]);
});
