import assert from "node:assert/strict";
import { test } from "node:test";
import type { SessionRow } from "../store/sessions.ts";
import { isForOwner } from "./permissions.ts";
import type { Payload } from "./submission.ts";

type Input = { owner?: boolean; kind?: SessionRow["chat_kind"]; from?: string; target?: "direct" | "group" | null };

function isFor({ owner = true, kind = "direct", from = "webchat", target = null }: Input): boolean {
  const payload = {
    provenance: { channel: from, senderIsOwner: owner },
    target: target && { channel: "irc", account: "default", chat: { kind: target, id: "x" } },
  } as Pick<Payload, "provenance" | "target">;
  return isForOwner({ chat_kind: kind }, { owner }, payload);
}

for (const [title, input, expected] of [
  ["an operator's message in the page", {}, true],
  ["an owner's direct message", { from: "irc", target: "direct" }, true],
  ["another person's direct message", { from: "irc", target: "direct", owner: false }, false],
  ["an owner's message in a room", { from: "irc", target: "group", kind: "group" }, false],
  ["an owner's message in a room that shares the main conversation", { from: "irc", target: "group" }, false],
  ["an operator's message in the conversation of a room", { kind: "group" }, false],
  ["an operator's message whose answer is sent to a chat", { target: "direct" }, false],
  ["a conversation that all chats share", { kind: "global" }, false],
] as const)
  test(`the answer is for the owner alone (${expected}): ${title}`, () => assert.equal(isFor(input), expected));

test("without a session nothing is for the owner alone", () => {
  const payload = { provenance: { channel: "webchat", senderIsOwner: true }, target: null } as Pick<Payload, "provenance" | "target">;
  assert.equal(isForOwner(undefined, { owner: true }, payload), false);
});
