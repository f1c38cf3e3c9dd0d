import assert from "node:assert/strict";
import { test } from "node:test";
import { toHeartbeatReply } from "./heartbeat-reply.ts";

test("an answer that only says that nothing needs attention is not sent", () => {
  for (const answer of [
    "HEARTBEAT_OK",
    " HEARTBEAT_OK\n",
    "**HEARTBEAT_OK**",
    "`HEARTBEAT_OK`.",
    "HEARTBEAT_OK\n\nAll quiet.",
    "Nothing new.\nHEARTBEAT_OK",
    "NO_REPLY",
  ])
    assert.deepEqual(toHeartbeatReply(answer, 300), { kind: "token", text: "" }, answer);
  assert.deepEqual(toHeartbeatReply("  \n", 300), { kind: "empty", text: "" });
});

test("an answer that has something to say is sent without the word", () => {
  assert.deepEqual(toHeartbeatReply("The backup has failed.", 300), { kind: "text", text: "The backup has failed." });
  const long = "x".repeat(301);
  assert.deepEqual(toHeartbeatReply(`HEARTBEAT_OK\n${long}`, 300), { kind: "text", text: long });
  assert.deepEqual(toHeartbeatReply(`${long} HEARTBEAT_OK`, 300), { kind: "text", text: long });
  assert.deepEqual(toHeartbeatReply("HEARTBEAT_OK but the disk is full", 0), { kind: "text", text: "but the disk is full" });
});

test("the word within an answer is a word like others", () => {
  const text = "The log says HEARTBEAT_OK at nine, and then nothing.";
  assert.deepEqual(toHeartbeatReply(text, 300), { kind: "text", text });
  assert.deepEqual(toHeartbeatReply("HEARTBEAT_OKAY", 300), { kind: "text", text: "HEARTBEAT_OKAY" });
});
