import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
  closeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { asId } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { createInbox } from "./inbox.ts";
import { createMessages } from "./messages.ts";
import { openStore, type Store } from "./open.ts";
import { createSessions } from "./sessions.ts";

const options = (dir: string) => ({ dir, log: silentLog });
const temporary = (): string => mkdtempSync(join(tmpdir(), "store-"));

async function fill(store: Store, messages: number, prefix = "m"): Promise<void> {
  const transcript = createMessages(store);
  const sessions = createSessions(store);
  await store.write(() => {
    sessions.ensure(asId("agent:main:main"), { sessionId: "s", agentId: asId("main"), chatKind: "direct", channel: "webchat", now: 1 });
    for (let n = 0; n < messages; n++) {
      transcript.add({
        id: `${prefix}${n}`,
        sessionKey: asId("agent:main:main"),
        sessionId: "s",
        runId: null,
        idempotencyKey: null,
        at: n,
        body: { role: "user", content: `message ${n} ${"x".repeat(200)}`, provenance: { channel: "webchat", senderIsOwner: true } },
      });
    }
  });
}

const kept = (store: Store): number => createMessages(store).tail("agent:main:main", "s", { limit: 100_000 }).length;

test("writes of one turn of the event loop are one commit, and one that throws is rolled back alone", async () => {
  const dir = temporary();
  const marks: string[] = [];
  const store = openStore({ ...options(dir), crashPoint: (point) => marks.push(point) });
  const sessions = createSessions(store);
  const fresh = { sessionId: "s", agentId: asId<never>("main"), chatKind: "direct" as const, channel: "x", now: 1 };
  const results = await Promise.allSettled([
    store.write(() => sessions.ensure(asId("a"), fresh)),
    store.write(() => {
      sessions.ensure(asId("b"), fresh);
      throw new Error("no");
    }),
    store.write(() => sessions.ensure(asId("c"), fresh)),
  ]);
  assert.deepEqual(
    results.map((each) => each.status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  assert.deepEqual(marks, ["before-commit", "after-commit"]);
  assert.equal(sessions.get("b"), undefined);
  assert.equal(sessions.count(), 2);
  store.close();
  rmSync(dir, { recursive: true });
});

test("the state directory has one owner", () => {
  const dir = temporary();
  const store = openStore(options(dir));
  const script = `import { openStore } from ${JSON.stringify(new URL("./open.ts", import.meta.url).href)};
    const log = { debug() {}, info() {}, warn() {}, error() {}, child() { return log; } };
    try { openStore({ dir: ${JSON.stringify(dir)}, log }); console.log("opened"); } catch (err) { console.log(err.code, err.details.code); }`;
  const other = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  assert.equal(other.stdout.trim(), "CONFLICT STATE_DIR_OWNED", other.stderr);
  store.close();
  rmSync(dir, { recursive: true });
});

test("a full disk is a typed error, stores nothing, and ends when there is space", async () => {
  const dir = temporary();
  const store = openStore(options(dir));
  await fill(store, 1);
  const { page_count: pages } = store.get<{ page_count: number }>("PRAGMA page_count")!;
  store.all(`PRAGMA max_page_count=${pages}`);
  await assert.rejects(
    fill(store, 500, "n"),
    (err: { code?: string; details?: { code?: string } }) => err.code === "UNAVAILABLE" && err.details?.code === "STORAGE_FULL",
  );
  assert.equal(kept(store), 1);
  store.all("PRAGMA max_page_count=1000000");
  const transcript = createMessages(store);
  await store.write(() =>
    transcript.add({
      id: "later",
      sessionKey: asId("agent:main:main"),
      sessionId: "s",
      runId: null,
      idempotencyKey: null,
      at: 9,
      body: { role: "assistant", content: [] },
    }),
  );
  assert.equal(kept(store), 2);
  store.close();
  rmSync(dir, { recursive: true });
});

/** A seeded generator, so that a failure can be repeated. */
function randoms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test("damage anywhere in the file loses only damaged records and never prevents the start", async () => {
  const dir = temporary();
  const store = openStore(options(dir));
  await fill(store, 600);
  store.close();
  const path = join(dir, "gateway.db");
  const whole = readFileSync(path);
  const random = randoms(7);
  const survivors: number[] = [];
  for (let round = 0; round < 40; round++) {
    writeFileSync(path, whole);
    const fd = openSync(path, "r+");
    const noise = Buffer.from(Array.from({ length: 1 + Math.floor(random() * 4096) }, () => Math.floor(random() * 256)));
    writeSync(fd, noise, 0, noise.length, Math.floor(random() * whole.length));
    closeSync(fd);
    const damaged = openStore(options(dir));
    survivors.push(kept(damaged));
    damaged.close();
    for (const name of readdirSync(dir)) if (name !== "gateway.db") rmSync(join(dir, name));
  }
  // A hit on the schema page costs everything; everywhere else nearly everything stays.
  const median = survivors.toSorted((a, b) => a - b)[20]!;
  assert.ok(median > 550, `median of ${median} of 600 messages kept: ${survivors.join(" ")}`);
  rmSync(dir, { recursive: true });
});

test("a truncated, empty or foreign file is renamed, and the gateway starts", async () => {
  for (const harm of ["half", "empty", "text"] as const) {
    const dir = temporary();
    const first = openStore(options(dir));
    await fill(first, 2_000);
    first.close();
    const path = join(dir, "gateway.db");
    if (harm === "half") truncateSync(path, Math.floor(statSync(path).size / 8192) * 4096);
    if (harm === "empty") truncateSync(path, 0);
    if (harm === "text")
      writeFileSync(path, "this is not a database, and it is longer than a header of a hundred bytes so that it is read as one".repeat(3));
    const store = openStore(options(dir));
    await fill(store, 0);
    assert.equal(store.losses !== null || harm === "empty", true, harm);
    if (harm === "half") assert.ok(kept(store) > 300, `half of the file kept ${kept(store)} messages`);
    if (harm !== "empty") assert.ok(readdirSync(dir).some((name) => name.startsWith("gateway.db.damaged-")));
    store.close();
    rmSync(dir, { recursive: true });
  }
});

const row = (id: string) => ({
  runId: asId<never>(id),
  channel: "rpc",
  account: "",
  eventId: id,
  sessionKey: asId<never>("k"),
  sessionId: "s",
  agentId: asId<never>("main"),
  payload: { text: id },
  receivedAt: 1,
  state: "queued" as const,
  startedAt: null,
  outcome: null,
});

test("a payload that was damaged on disk is detected, and the others are read", async () => {
  const dir = temporary();
  const store = openStore(options(dir));
  const inbox = createInbox(store);
  await store.write(() => [inbox.add(row("a")), inbox.add(row("b"))]);
  await store.write(() => store.run("UPDATE inbox SET payload = '{\"text\":\"forged\"}' WHERE run_id = 'a'"));
  assert.deepEqual(
    inbox.listOpen<{ text: string }>().map((each) => each.payload),
    [null, { text: "b" }],
  );
  store.close();
  rmSync(dir, { recursive: true });
});

test("a store of a later release is refused with the reason and not changed", () => {
  const dir = temporary();
  const store = openStore(options(dir));
  store.writeNow(() => undefined);
  store.all("PRAGMA user_version=9999");
  store.close();
  const before = readFileSync(join(dir, "gateway.db"));
  assert.throws(() => openStore(options(dir)), /later release/);
  assert.deepEqual(readFileSync(join(dir, "gateway.db")), before);
  rmSync(dir, { recursive: true });
});

test("the version of a table is another one after each change of its rows and after a rollback, and after nothing else", async () => {
  const dir = temporary();
  const store = openStore(options(dir));
  const sessions = createSessions(store);
  await fill(store, 1);
  const versions = (): string => `${store.version("sessions")} ${store.version("messages")}`;
  let before = versions();
  const changes = async (change: () => unknown): Promise<boolean> => {
    await store.write(change).catch(() => undefined);
    const isOther = versions() !== before;
    before = versions();
    return isOther;
  };
  assert.equal(await changes(() => sessions.get("agent:main:main")), false);
  assert.equal(await changes(() => store.run("UPDATE sessions SET label = 'x' WHERE key = 'missing'")), false);
  assert.equal(await changes(() => store.run("UPDATE inbox SET state = 'done'")), false);
  assert.equal(await changes(() => sessions.patch("agent:main:main", { label: "x" })), true);
  assert.equal(await changes(() => store.get("DELETE FROM messages RETURNING seq")), true);
  assert.equal(
    await changes(() => store.run("WITH k AS (SELECT 'agent:main:main' AS key) UPDATE sessions SET label = 'y' WHERE key IN k")),
    true,
  );
  const isOther = changes(() => {
    sessions.patch("agent:main:main", { label: "never" });
    throw new Error("rolled back");
  });
  assert.equal(await isOther, true);
  let during = 0;
  const failing = store.write(() => {
    sessions.patch("agent:main:main", { label: "never" });
    during = store.version("sessions");
    throw new Error("rolled back");
  });
  await assert.rejects(failing);
  assert.notEqual(store.version("sessions"), during, "what was read before the rollback counts as outdated");
  store.close();
  rmSync(dir, { recursive: true });
});

test("changed sessions are named once, and not at all when they were changed in another way", async () => {
  const dir = temporary();
  const store = openStore(options(dir));
  const sessions = createSessions(store);
  await fill(store, 1);
  const key = "agent:main:main";
  assert.equal(sessions.takeChanged(), null, "the first time it may be any");
  assert.deepEqual([...sessions.takeChanged()!], []);
  await store.write(() => sessions.patch(key, { label: "x" }));
  assert.deepEqual([...sessions.takeChanged()!], [key]);
  await store.write(() =>
    sessions.insert({
      key: asId(`${key}:2`),
      session_id: "s2",
      agent_id: asId("main"),
      chat_kind: "direct",
      channel: "webchat",
      created_at: 1,
      updated_at: 1,
      parent_key: key,
    }),
  );
  await store.write(() => sessions.remove(key));
  assert.deepEqual([...sessions.takeChanged()!].toSorted(), [key, `${key}:2`]);
  await store.write(() => store.run("UPDATE sessions SET label = 'y'"));
  await store.write(() => sessions.patch(`${key}:2`, { label: "z" }));
  assert.equal(sessions.takeChanged(), null);
  assert.deepEqual([...sessions.takeChanged()!], []);
  store.close();
  rmSync(dir, { recursive: true });
});
