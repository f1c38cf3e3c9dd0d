import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { asId, type SessionKey } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { createMessages, type Messages } from "./messages.ts";
import { openStore } from "./open.ts";

const KEY = asId<SessionKey>("agent:main:main");
const PROVENANCE = { channel: "webchat", senderIsOwner: true };
const COMMON = { sessionKey: KEY, sessionId: "s", runId: null, idempotencyKey: null };

/** A session whose messages have these texts. */
async function withTexts(t: TestContext, texts: readonly string[]): Promise<Messages> {
  const dir = mkdtempSync(join(tmpdir(), "messages-"));
  const store = openStore({ dir, log: silentLog });
  t.after(() => {
    store.close();
    rmSync(dir, { recursive: true });
  });
  const messages = createMessages(store);
  await store.write(() => {
    for (const [n, content] of texts.entries())
      messages.add({ ...COMMON, id: `m${n}`, at: n, body: { role: "user", content, provenance: PROVENANCE } });
  });
  return messages;
}

test("a tail has the newest messages that fit, and always the newest one", async (t) => {
  const messages = await withTexts(t, ["small", "x".repeat(5_000), "small", "y".repeat(300), "small"]);
  const ids = (maxBytes?: number, limit = 10): string[] =>
    messages.tail(KEY, "s", maxBytes === undefined ? { limit } : { limit, maxBytes }).map(({ id }) => id);
  assert.deepEqual(ids(), ["m0", "m1", "m2", "m3", "m4"]);
  assert.deepEqual(ids(100_000), ["m0", "m1", "m2", "m3", "m4"]);
  assert.deepEqual(ids(1_000), ["m2", "m3", "m4"]);
  assert.deepEqual(ids(1_000, 2), ["m3", "m4"]);
  assert.deepEqual(ids(1), ["m4"]);
});

test("a position is found without reading what lies between", async (t) => {
  const messages = await withTexts(t, ["a", "b", "c", "d"]);
  const seqs = messages.tail(KEY, "s", { limit: 10 }).map(({ seq }) => seq);
  assert.equal(messages.seqOf(KEY, "s", 0), seqs[3]);
  assert.equal(messages.seqOf(KEY, "s", 2), seqs[1]);
  assert.equal(messages.seqOf(KEY, "s", 4), undefined);
  assert.equal(messages.seqOf(KEY, "s", 0, seqs[1]), seqs[0]);
  const { count, bytes } = messages.sizeAfter(KEY, "s", seqs[0]!, 2);
  assert.deepEqual([count, bytes], [2, 2 * JSON.stringify({ role: "user", content: "b", provenance: PROVENANCE }).length]);
});
