import assert from "node:assert/strict";
import { test } from "node:test";
import { diffsOf, toolCallOf, toolEndOf, toPrompt, toUpdates } from "./acp-content.ts";

test("a prompt has the directory before it, but not before a command", () => {
  assert.equal(toPrompt([{ type: "text", text: "hi" }], "/src").message, "[Working directory: /src]\n\nhi");
  assert.equal(toPrompt([{ type: "text", text: "/status" }], "/src").message, "/status");
  assert.equal(toPrompt([{ type: "text", text: "hi" }], null).message, "hi");
});

test("files and pictures of a prompt become text and attachments", () => {
  const { message, attachments } = toPrompt(
    [
      { type: "text", text: "see" },
      { type: "resource_link", uri: "file:///a.ts", name: "a.ts" },
      { type: "resource", resource: { uri: "file:///b.md", text: "```\nx\n```" } },
      { type: "image", mimeType: "image/png", data: "AAAA" },
    ],
    null,
  );
  assert.equal(message, "see\n\n[a.ts](file:///a.ts)\n\nfile:///b.md\n````\n```\nx\n```\n````");
  assert.deepEqual(attachments, [{ type: "image", mimeType: "image/png", content: "AAAA" }]);
  assert.throws(() => toPrompt([{ type: "audio" }], null), /content of the type "audio" is not taken/);
});

test("changes of files are shown as diffs, and a change that failed is not", () => {
  assert.deepEqual(diffsOf("write", { path: "/a", content: "x" }), [{ type: "diff", path: "/a", oldText: null, newText: "x" }]);
  assert.deepEqual(diffsOf("edit", { path: "/a", edits: [{ oldText: "x", newText: "y" }] }), [
    { type: "diff", path: "/a", oldText: "x", newText: "y" },
  ]);
  const call = { name: "write", args: { path: "/a", content: "x" } };
  assert.equal(toolCallOf("c", "write", call.args)["kind"], "edit");
  assert.equal((toolEndOf("c", { ...call, result: "no", isError: true })["content"] as unknown[]).length, 1);
  assert.equal((toolEndOf("c", { ...call, result: "ok", isError: false })["content"] as unknown[]).length, 2);
});

test("a stored conversation becomes updates in its order", () => {
  const updates = toUpdates([
    { role: "user", content: "hi" },
    {
      role: "assistant",
      content: [
        { type: "thinking", thinking: "hm" },
        { type: "toolCall", id: "c", name: "exec", arguments: { command: "ls" } },
      ],
    },
    { role: "toolResult", toolCallId: "c", toolName: "exec", content: [{ type: "text", text: "a.txt" }] },
    { role: "assistant", content: [{ type: "text", text: "there" }] },
  ]);
  assert.deepEqual(
    updates.map((update) => update["sessionUpdate"]),
    ["user_message_chunk", "agent_thought_chunk", "tool_call", "tool_call_update", "agent_message_chunk"],
  );
  assert.equal(updates[2]!["title"], "exec ls");
});
