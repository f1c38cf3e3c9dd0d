import assert from "node:assert/strict";
import { test } from "node:test";
import { askedBefore, entryOf } from "./branches.ts";
import type { TranscriptRow } from "../../src/client/conversation/protocol-types.ts";
import type { TranscriptItem } from "../../src/client/conversation/transcript-items.ts";

const user = (key: string, traceId: string): TranscriptItem => ({
  kind: "user",
  key,
  blocks: [],
  atMs: 0,
  outgoing: null,
  sender: null,
  waits: false,
  traceId,
});
const answer = (key: string, traceId: string): TranscriptItem =>
  ({ kind: "assistant", key, traceId, blocks: [], atMs: 0, run: null, end: "stop" }) as unknown as TranscriptItem;

const ROWS: readonly TranscriptRow[] = [
  { role: "user", content: "a", __openclaw: { id: "m1", runId: "r1" } },
  { role: "assistant", content: "b", __openclaw: { id: "m2", runId: "r1" } },
  { role: "toolResult", content: "c", __openclaw: { id: "m3", runId: "r1" } },
  { role: "assistant", content: "d", __openclaw: { id: "m4", runId: "r1" } },
  { role: "user", content: "e", idempotencyKey: "k2:user", __openclaw: { id: "m5" } },
];

test("a message is found by its run, and an answer by its last part", () => {
  assert.equal(entryOf(user("u", "r1"), ROWS), "m1");
  assert.equal(entryOf(answer("a", "r1"), ROWS), "m4");
  assert.equal(entryOf(user("u", "k2"), ROWS), "m5");
  assert.equal(entryOf(user("u", "m5"), ROWS), "m5");
  assert.equal(entryOf(user("u", "other"), ROWS), null);
});

test("an answer is asked for again with the person's message before it", () => {
  const items = [user("u1", "r1"), answer("a1", "r1"), user("u2", "r2"), answer("a2", "r2")];
  assert.equal(askedBefore(items, "a2")?.key, "u2");
  assert.equal(askedBefore(items, "a1")?.key, "u1");
  assert.equal(askedBefore(items, "none"), null);
});
