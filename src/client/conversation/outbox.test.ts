import assert from "node:assert/strict";
import { test } from "node:test";
import { removeEntry, deserializeEntries, nextEntry, patchEntry, requeueEntries, serializeEntries } from "./outbox.ts";
import type { OutboxEntry } from "./outbox.ts";

const entry = (idempotencyKey: string, extra: Partial<OutboxEntry> = {}): OutboxEntry => ({
  idempotencyKey,
  sessionKey: "s",
  text: idempotencyKey,
  state: "queued",
  error: null,
  images: 0,
  atMs: 0,
  afterSeq: 0,
  create: null,
  attachments: [],
  ...extra,
});

test("the messages of a session go one after the other", () => {
  assert.equal(nextEntry([entry("a"), entry("b")])?.idempotencyKey, "a");
  assert.equal(nextEntry([entry("a", { state: "sending" }), entry("b")]), undefined);
  assert.equal(nextEntry([entry("a", { state: "accepted" }), entry("b")])?.idempotencyKey, "b");
});

test("a failed message holds back its own session only", () => {
  const entries = [entry("a", { state: "failed" }), entry("b"), entry("c", { sessionKey: "t" })];
  assert.equal(nextEntry(entries)?.idempotencyKey, "c");
  assert.equal(nextEntry(removeEntry(entries, "a"))?.idempotencyKey, "b");
});

test("after a lost connection everything unanswered goes again, under its key", () => {
  const entries = requeueEntries([entry("a", { state: "sending" }), entry("b", { state: "accepted" }), entry("c", { state: "failed" })]);
  assert.deepEqual(
    entries.map((one) => [one.idempotencyKey, one.state]),
    [
      ["a", "queued"],
      ["b", "accepted"],
      ["c", "failed"],
    ],
  );
});

test("a reload of the tab keeps the outbox; nonsense in the storage is an empty one", () => {
  const picture = { type: "image", mimeType: "image/png", fileName: "a.png", content: "AA==", sizeBytes: 1 } as const;
  const entries = [entry("a", { state: "sending" }), entry("b", { attachments: [picture] })];
  assert.deepEqual(
    deserializeEntries(serializeEntries(entries, true)).map((one) => [one.idempotencyKey, one.state]),
    [
      ["a", "queued"],
      ["b", "queued"],
    ],
  );
  assert.equal(deserializeEntries(serializeEntries(entries, false)).length, 1);
  assert.deepEqual(deserializeEntries(null), []);
  assert.deepEqual(deserializeEntries("{"), []);
  assert.deepEqual(deserializeEntries('[1,{"text":"x"}]'), []);
});

test("a change touches one entry", () => {
  const entries = [entry("a"), entry("b")];
  const changed = patchEntry(entries, "b", { state: "failed", error: "no" });
  assert.equal(changed[0], entries[0]);
  assert.equal(changed[1]?.error, "no");
});
