import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { asId, type AgentId, type SessionKey } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { LIMITS } from "../core/limits.ts";
import { createMessages, type MessageBody } from "./messages.ts";
import { openStore, type Store } from "./open.ts";
import { salvage } from "./salvage.ts";
import { createSessions } from "./sessions.ts";

const root = mkdtempSync(join(tmpdir(), "search-"));
after(() => rmSync(root, { recursive: true, force: true }));
const key = asId<SessionKey>("agent:main:main");

const open = (name: string): Store => openStore({ dir: join(root, name), log: silentLog });
const user = (content: string): MessageBody => ({ role: "user", content, provenance: { channel: "webchat", senderIsOwner: true } });

async function fill(store: Store, bodies: readonly MessageBody[]): Promise<void> {
  await store.write(() => {
    createSessions(store).ensure(key, { sessionId: "s", agentId: asId<AgentId>("main"), chatKind: "direct", channel: "webchat", now: 1 });
    for (const [index, body] of bodies.entries())
      createMessages(store).add({ id: `m${index}`, sessionKey: key, sessionId: "s", runId: null, idempotencyKey: null, at: index, body });
  });
}

test("a search reads a bounded part of the messages that match, and says so", async () => {
  const store = open("large");
  await fill(
    store,
    Array.from({ length: 6 }, (_, n) => user(`needle ${n} ${"x".repeat(125_000)}`)),
  );
  const all = createMessages(store).search(["needle", "needle"], 10, () => true);
  assert.equal(all.hits.length, 4);
  assert.equal(all.complete, false);
  assert.equal(createMessages(store).search(["needle"], 3, () => true).complete, true);
  store.close();
});

const found = (store: Store, ...words: string[]): string[] =>
  createMessages(store)
    .search(words, 10, () => true)
    .hits.map((hit) => hit.message.id);

test("texts of people and agents are found, but not tool results or reasoning", async () => {
  const store = open("kinds");
  await fill(store, [
    user("the needle of a person"),
    {
      role: "assistant",
      content: [
        { type: "thinking", thinking: "a needle?" },
        { type: "text", text: "no" },
      ],
    },
    {
      role: "assistant",
      content: [
        { type: "text", text: "a needle" },
        { type: "text", text: "in hay" },
      ],
    },
    { role: "toolResult", toolCallId: "t", toolName: "read", content: [{ type: "text", text: "needle" }], isError: false },
  ]);
  assert.deepEqual(found(store, "needle").toSorted(), ["m0", "m2"]);
  assert.deepEqual(found(store, "hay", "need"), ["m2"]);
  store.close();
});

test("a search reads a bounded number of messages, newest first, and reports the limit", async () => {
  const store = open("bounded");
  await fill(
    store,
    Array.from({ length: LIMITS.searchMatches + 20 }, (_, index) => user(`common ${index}`)),
  );
  const { hits, complete } = createMessages(store).search(["common"], 1_000, () => true);
  assert.equal(hits.length, LIMITS.searchMatches);
  assert.equal(complete, false);
  assert.ok(hits.every((hit) => hit.message.at >= 20));
  store.close();
});

test("messages of an earlier release are found after the update", async () => {
  const store = open("older");
  await fill(store, [user("written before the index")]);
  store.close();
  const db = new DatabaseSync(join(root, "older", "gateway.db"));
  db.exec("DROP TRIGGER message_search_add; DROP TRIGGER message_search_remove; DROP TABLE message_search; PRAGMA user_version=8;");
  db.close();
  const updated = open("older");
  assert.deepEqual(found(updated, "index"), ["m0"]);
  await updated.write(() => createSessions(updated).remove(key));
  assert.deepEqual(found(updated, "index"), []);
  updated.close();
});

test("messages recovered from a damaged store are found", async () => {
  const store = open("damaged");
  await fill(store, [user("carried over")]);
  store.close();
  const fresh = open("fresh");
  const { path } = fresh;
  fresh.close();
  const target = new DatabaseSync(path);
  salvage(join(root, "damaged", "gateway.db"), target, null, "a test");
  target.close();
  const repaired = open("fresh");
  assert.deepEqual(found(repaired, "carried"), ["m0"]);
  repaired.close();
});
