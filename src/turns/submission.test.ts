import assert from "node:assert/strict";
import { test } from "node:test";
import { sessionTitle, type Submission } from "./submission.ts";

type Named = Parameters<typeof sessionTitle>[0];

const target = { channel: "telegram", account: "default", chat: { kind: "direct", id: "4711" } } as unknown as Submission["target"];
const from = (more: object): Named["provenance"] => ({ channel: "telegram", senderIsOwner: false, senderId: "4711", ...more });

test("a session of a channel is named after the person or the room, not after the first words", () => {
  const direct: Named = { text: "hello again", target, chatKind: "direct", provenance: from({ senderName: "Ada L" }) };
  assert.equal(sessionTitle(direct), "Ada L");
  assert.equal(sessionTitle({ ...direct, provenance: from({}) }), "4711");
  const group: Named = { ...direct, chatKind: "group", provenance: from({ senderName: "Ada L", roomName: "Garden club" }) };
  assert.equal(sessionTitle(group), "Garden club");
  assert.equal(sessionTitle({ ...group, provenance: from({ senderName: "Ada L" }) }), "4711");
});

test("every other session is named after its first line, and not after a command", () => {
  const page: Named = { text: "plan the garden\nwith roses", target: null, chatKind: "direct", provenance: from({}) };
  assert.equal(sessionTitle(page), "plan the garden");
  assert.equal(sessionTitle({ ...page, text: "[Working directory: ~/garden]\n\nplan the garden" }), "plan the garden");
  assert.equal(sessionTitle({ ...page, text: "/status" }), null);
  assert.equal(sessionTitle({ ...page, text: "x".repeat(80) })?.length, 60);
});
