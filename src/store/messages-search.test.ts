import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { crc32 } from "node:zlib";
import { asId, type AgentId, type SessionKey } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { LIMITS } from "../core/limits.ts";
import { createMessageWords } from "./message-words.ts";
import { createMessages, type MessageBody } from "./messages.ts";
import { openStore, type Store } from "./open.ts";
import { salvage } from "./salvage.ts";
import { createSessions } from "./sessions.ts";

const root = mkdtempSync(join(tmpdir(), "search-"));
after(() => rmSync(root, { recursive: true, force: true }));
const key = asId<SessionKey>("agent:main:main");

const open = (name: string): Store => openStore({ dir: join(root, name), log: silentLog });
const user = (content: string): MessageBody => ({ role: "user", content, provenance: { channel: "webchat", senderIsOwner: true } });

const NEW = { sessionKey: key, sessionId: "s", runId: null, idempotencyKey: null, at: 1_000 };

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

/** A file as the earlier release left it: its migrations, and messages in its own index. */
function openEarlier(name: string, texts: readonly string[]): void {
  const store = open(name);
  const { path } = store;
  store.close();
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
  const db = new DatabaseSync(path);
  const directory = new URL("./migrations/", import.meta.url);
  for (const file of readdirSync(directory).toSorted()) if (file < "0013") db.exec(readFileSync(new URL(file, directory), "utf8"));
  db.exec("PRAGMA user_version=12");
  const add = db.prepare(
    "INSERT INTO messages (id, session_key, session_id, role, body, at, crc) VALUES (?, 'agent:main:main', 's', 'user', ?, ?, ?)",
  );
  for (const [index, text] of texts.entries()) {
    const body = JSON.stringify(user(text));
    add.run(`m${index}`, body, index, crc32(body));
  }
  db.close();
}

/** Runs all steps that are left; how many there were. */
async function indexAll(store: Store): Promise<number> {
  const words = createMessageWords(store);
  for (let steps = 1; ; steps++) if (!(await store.write(() => words.indexSome(1)))) return steps;
}

test("messages of an earlier release are indexed step by step after the update, the newest first, and the answer says so meanwhile", async () => {
  openEarlier("older", ["deploying the index", ...Array.from({ length: 150 }, (_, n) => `filler ${n}`), "東京の天気"]);
  const store = open("older");
  await store.write(() => {
    createSessions(store).ensure(key, { sessionId: "s", agentId: asId<AgentId>("main"), chatKind: "direct", channel: "webchat", now: 1 });
    createMessages(store).add({ ...NEW, id: "new", body: user("a new message") });
  });
  const words = createMessageWords(store);
  assert.deepEqual(found(store, "new"), ["new"], "what comes meanwhile is found at once");
  assert.equal(createMessages(store).search(["new"], 10, () => true).complete, false);
  assert.equal(await store.write(() => words.indexSome(1)), true);
  assert.deepEqual([found(store, "天気"), found(store, "deployed")], [["m151"], []]);
  assert.ok((await indexAll(store)) > 1);
  assert.deepEqual([found(store, "deployed"), found(store, "new")], [["m0"], ["new"]]);
  assert.equal(createMessages(store).search(["deployed"], 10, () => true).complete, true);
  assert.deepEqual([words.isComplete(), await indexAll(store)], [true, 1], "a second time nothing is added");
  await store.write(() => createSessions(store).remove(key));
  assert.deepEqual(found(store, "deployed"), []);
  store.close();
});

const FORMS: readonly [text: string, query: string, isFound: boolean][] = [
  ["東京の天気は晴れです", "天気", true],
  ["東京の天気は晴れです", "京の", true],
  ["東京の天気は晴れです", "晴", true],
  ["東京の天気は晴れです", "気天", false],
  ["東京の天気は晴れです", "東京 晴れ", true],
  ["東京の天気は晴れです", "東晴", false],
  ["오늘 회의록을 보냈다", "회의", true],
  ["明日は Node24 を入れる", "node24", true],
  ["ｶﾀｶﾅ", "カタカナ", true],
  ["we deployed it", "deploying", true],
  ["we deploy it", "deployed", true],
  ["we deployed it", "deployin", true],
  ["she was running", "run", true],
  ["she was running", "runn", true],
  ["two cities", "city", true],
  ["connections are made", "connection", true],
  ["a café", "cafe", true],
  ["a needle", "need", true],
  ["a needle", "thread", false],
  ["the state", "station", false],
  ["about the news", "new york", false],
];
for (const [index, [text, query, isFound]] of FORMS.entries())
  test(`${JSON.stringify(query)} ${isFound ? "finds" : "does not find"} ${JSON.stringify(text)}`, async () => {
    const store = open(`form-${index}`);
    await fill(store, [user(text)]);
    assert.deepEqual(found(store, ...query.split(" ")), isFound ? ["m0"] : []);
    store.close();
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
  await indexAll(repaired);
  assert.deepEqual(found(repaired, "carried"), ["m0"]);
  repaired.close();
});
