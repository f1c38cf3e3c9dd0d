// Group: wire
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import { asId } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { integritySteps } from "./integrity-check.ts";
import { createMessages } from "./messages.ts";
import { openStore, type Store, type StoreOptions } from "./open.ts";
import { createSessions } from "./sessions.ts";
import { describeLosses } from "./store.ts";
import { insertToken, listTokens } from "./tokens.ts";

const PAGE = 4_096;
const KEY = asId<never>("agent:main:main");

function directory(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "damage-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const open = (dir: string, options: Partial<StoreOptions> = {}): Store => openStore({ dir, log: silentLog, ...options });

function add(store: Store, from: number, to: number, chars = 300): void {
  store.writeNow(() => {
    createSessions(store).ensure(KEY, { sessionId: "s", agentId: asId("main"), chatKind: "direct", channel: "webchat", now: 1 });
    for (let n = from; n < to; n++) {
      createMessages(store).add({
        id: `m${n}`,
        sessionKey: KEY,
        sessionId: "s",
        runId: null,
        idempotencyKey: null,
        at: n,
        body: { role: "user", content: `message ${n} ${"x".repeat(chars)}`, provenance: { channel: "webchat", senderIsOwner: true } },
      });
    }
  });
}

const kept = (store: Store): number => createMessages(store).tail(KEY, "s", { limit: 1_000_000 }).length;

function overwrite(path: string, pages: readonly number[], bytes = PAGE): void {
  const fd = openSync(path, "r+");
  for (const page of pages) writeSync(fd, randomBytes(bytes), 0, bytes, page * PAGE);
  closeSync(fd);
}

/** A closed store with `count` messages; resolves to its file. */
function filled(dir: string, count: number): string {
  const store = open(dir);
  add(store, 0, count);
  store.writeNow(() =>
    insertToken(store, { id: "t", name: "t", scopes: [], createdAt: 1, createdBy: "me", expiresAt: null, lastUsedAt: null }, "hash"),
  );
  store.close();
  return join(dir, "gateway.db");
}

/** The files as a `kill -9` leaves them: with a write-ahead log. `hasLedger`: the ledger was written after the last change. */
function killed(dir: string, fill: (store: Store) => void, hasLedger = true): string {
  const live = join(dir, "live");
  const copy = join(dir, "copy");
  const store = open(live);
  fill(store);
  if (hasLedger) store.writeLedger();
  cpSync(live, copy, { recursive: true });
  store.close();
  return copy;
}

test("a damaged first page costs no message, and the damaged file is kept private", (t) => {
  const dir = directory(t);
  const path = filled(dir, 500);
  chmodSync(path, 0o644);
  overwrite(path, [0]);
  const store = open(dir);
  assert.equal(kept(store), 500);
  assert.equal(listTokens(store).length, 1);
  assert.equal(store.losses?.lost, 0);
  const files = readdirSync(dir).filter((name) => name.startsWith("gateway.db"));
  assert.equal(files.filter((name) => name.includes(".damaged-")).length, 1);
  for (const name of files) assert.equal(statSync(join(dir, name)).mode & 0o777, 0o600, name);
  store.close();
});

test("every page of the schema can be lost without a message", (t) => {
  const dir = directory(t);
  const path = filled(dir, 200);
  const whole = readFileSync(path);
  const ledger = readFileSync(join(dir, "store-ledger.json"));
  const schemaPages = Array.from({ length: whole.length / PAGE }, (_, page) => page).filter((page) =>
    whole.subarray(page * PAGE, (page + 1) * PAGE).includes("CREATE "),
  );
  assert.ok(schemaPages.length > 1);
  for (const page of schemaPages) {
    writeFileSync(path, whole);
    writeFileSync(join(dir, "store-ledger.json"), ledger);
    overwrite(path, [page]);
    const store = open(dir);
    assert.equal(kept(store), 200, `page ${page}`);
    store.close();
  }
});

test("without a ledger, a lost first page loses ambiguous records, and never claims that nothing was lost", (t) => {
  const dir = directory(t);
  const path = filled(dir, 500);
  rmSync(join(dir, "store-ledger.json"));
  overwrite(path, [0]);
  const store = open(dir);
  assert.equal(kept(store), 500);
  assert.equal(store.losses?.exact, false);
  assert.match(describeLosses(store.losses!), /at least/);
  store.close();
});

test("losses are counted by the ledger outside the file", (t) => {
  const dir = directory(t);
  const path = filled(dir, 2_000);
  overwrite(path, [100, 101, 102, 150, 151]);
  const store = open(dir);
  assert.ok(kept(store) < 2_000 && kept(store) > 1_900);
  assert.equal(store.losses!.tables["messages"]!.lost, 2_000 - kept(store));
  assert.equal(store.losses!.exact, true);
  add(store, 2_000, 2_001);
  assert.equal(createMessages(store).lastSeq(KEY, "s"), 2_001);
  store.close();
});

test("a large store with most of its pages damaged starts with the rest", (t) => {
  const dir = directory(t);
  const path = filled(dir, 6_000);
  const pages = statSync(path).size / PAGE;
  overwrite(
    path,
    Array.from({ length: pages - 60 }, (_, index) => index + 60).filter((page) => page % 8 !== 0),
  );
  const store = open(dir, { repair: true });
  assert.ok(kept(store) > 200);
  assert.ok(store.losses!.tables["messages"]!.lost >= 6_000 - kept(store));
  for (const _ of integritySteps(store)) void _;
  assert.equal(store.damage, null);
  store.close();
});

test("damage in a large store is found at run time, recorded, and repaired by the next start", (t) => {
  const dir = directory(t);
  const path = filled(dir, 2_000);
  overwrite(path, [100, 140, 180]);
  const first = open(dir, { fullCheckBytes: 0 });
  for (const _ of integritySteps(first)) void _;
  assert.ok(first.damage);
  assert.equal(first.health.state, "degraded");
  assert.ok(kept(first) > 0, "what lies on sound pages is still listed");
  first.close();
  const store = open(dir, { fullCheckBytes: 0 });
  assert.ok(kept(store) > 1_900);
  assert.equal(store.losses!.tables["messages"]!.lost, 2_000 - kept(store));
  for (const _ of integritySteps(store)) void _;
  assert.equal(store.damage, null);
  store.close();
});

test("an intact large store is checked completely without a finding", (t) => {
  const dir = directory(t);
  filled(dir, 300);
  const store = open(dir, { fullCheckBytes: 0 });
  const steps = [...integritySteps(store)].length;
  assert.ok(steps > 300 / 32);
  assert.deepEqual(store.health, { state: "ready", cause: null });
  store.close();
});

test("a message on a damaged page is lost alone; the others of its session are listed", (t) => {
  const dir = directory(t);
  const path = filled(dir, 1_000);
  overwrite(path, [Math.floor(readFileSync(path).indexOf("message 500 ") / PAGE)]);
  const store = open(dir, { fullCheckBytes: 0 });
  const listed = kept(store);
  assert.ok(listed > 950 && listed < 1_000, `${listed} of 1000`);
  store.close();
});

test("lost records that were added after the last count are counted, and the count is not called exact", (t) => {
  const dir = directory(t);
  const path = filled(dir, 1_000);
  const ledger = readFileSync(join(dir, "store-ledger.json"));
  const store = open(dir);
  add(store, 1_000, 1_200);
  store.close();
  writeFileSync(join(dir, "store-ledger.json"), ledger);
  overwrite(path, [100, 101, 102, 150, 151]);
  const repaired = open(dir);
  const { lost } = repaired.losses!.tables["messages"]!;
  assert.ok(lost > 0);
  assert.equal(lost, 1_200 - kept(repaired));
  assert.equal(repaired.losses!.exact, false);
  repaired.close();
});

test("a count is not called exact when the newest records are among the lost ones", (t) => {
  const dir = directory(t);
  const path = filled(dir, 1_000);
  const ledger = readFileSync(join(dir, "store-ledger.json"));
  const store = open(dir);
  add(store, 1_000, 1_400);
  store.close();
  writeFileSync(join(dir, "store-ledger.json"), ledger);
  truncateSync(path, Math.floor(statSync(path).size / 2 / PAGE) * PAGE);
  const repaired = open(dir);
  assert.ok(kept(repaired) < 1_000);
  assert.equal(repaired.losses!.exact, false);
  assert.match(describeLosses(repaired.losses!), /at least/);
  repaired.close();
});

test("messages of a lost session are found in a recreated session", (t) => {
  const dir = directory(t);
  const path = filled(dir, 10);
  const db = new DatabaseSync(path);
  db.exec("INSERT INTO sessions (key, session_id, agent_id, created_at, updated_at) VALUES ('agent:main:kept', 'k', 'main', 1, 1)");
  db.exec("DELETE FROM sessions WHERE key = 'agent:main:main'");
  // Any damage: the store is built again.
  db.exec("DROP INDEX sessions_id");
  db.close();
  const store = open(dir);
  const sessions = createSessions(store);
  assert.equal(sessions.get(asId("agent:main:kept"))?.session_id, "k");
  const again = sessions.get(KEY)!;
  assert.deepEqual(
    [again.session_id, again.agent_id, again.chat_kind, again.channel, again.updated_at],
    ["s", "main", "direct", "webchat", 9],
  );
  assert.equal(kept(store), 10);
  store.close();
});

/** Runs one statement on a closed store. */
function onFile(path: string, sql: string): { type: string; name: string }[] {
  const db = new DatabaseSync(path);
  const rows = db.prepare(sql).all() as { type: string; name: string }[];
  db.close();
  return rows;
}

test("a store without a table, index or trigger is rebuilt with the records of its pages", (t) => {
  const all = "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name";
  const whole = onFile(filled(directory(t), 1), all);
  for (const type of ["table", "index", "trigger"]) assert.ok(whole.some((part) => part.type === type));
  const tables = whole.filter(({ name }) => ["messages", "outbox", "facts"].includes(name));
  const others = ["index", "trigger"].flatMap((type) => whole.filter((part) => part.type === type).slice(0, 3));
  for (const { type, name } of [...tables, ...others]) {
    const dir = directory(t);
    const path = filled(dir, 50);
    onFile(path, `DROP ${type} ${name}`);
    const causes: unknown[] = [];
    const store = open(dir, { log: { ...silentLog, error: (_message, fields) => void causes.push(fields?.["cause"]) } });
    add(store, 100, 101);
    if (type !== "table") assert.equal(kept(store), 51, `${type} ${name}`);
    assert.match(String(causes[0]), new RegExp(`${type} ${name}`));
    store.close();
    assert.deepEqual(onFile(path, all), whole, `${type} ${name}`);
  }
});

test("a missing or empty store is reported, with the number of records that the ledger lists", (t) => {
  for (const harm of ["missing", "empty"] as const) {
    const dir = directory(t);
    const path = filled(dir, 50);
    if (harm === "missing") rmSync(path);
    else truncateSync(path, 0);
    const errors: string[] = [];
    const store = open(dir, { log: { ...silentLog, error: (message) => void errors.push(message) } });
    assert.ok((store.losses?.lost ?? 0) >= 51, harm);
    assert.equal(store.health.state, "degraded");
    assert.match(errors.join("\n"), /lost records/);
    store.close();
    const again = open(dir);
    assert.equal(again.losses, null, "it is reported once, not at every start");
    again.close();
  }
});

test("lost changes of a missing write-ahead log are reported", (t) => {
  for (const harm of ["missing", "empty", "cut"] as const) {
    const dir = killed(directory(t), (store) => {
      add(store, 0, 100);
      store.all("PRAGMA wal_checkpoint(TRUNCATE)");
      for (let n = 100; n < 150; n++) add(store, n, n + 1);
    });
    const wal = join(dir, "gateway.db-wal");
    if (harm === "missing") rmSync(wal);
    else truncateSync(wal, harm === "empty" ? 0 : Math.floor(statSync(wal).size / 2));
    const store = open(dir);
    assert.ok(store.losses, harm);
    assert.equal(store.losses.tables["messages"]!.lost, 150 - kept(store));
    store.close();
  }
});

test("lost changes are reported that are younger than the ledger", (t) => {
  for (const harm of ["missing", "empty", "cut"] as const) {
    const dir = killed(
      directory(t),
      (store) => {
        store.all("PRAGMA wal_checkpoint(TRUNCATE)");
        add(store, 0, 60);
      },
      false,
    );
    const wal = join(dir, "gateway.db-wal");
    if (harm === "missing") rmSync(wal);
    else truncateSync(wal, harm === "empty" ? 0 : Math.floor(statSync(wal).size / 2));
    const store = open(dir);
    assert.equal(kept(store), 0);
    assert.equal(store.losses?.tables["messages"]?.lost, 60, harm);
    assert.match(store.health.cause ?? "", /lacks its last changes|is empty although it had records/);
    store.close();
  }
});

test("after a kill nothing counts as lost, whatever was left of the numbers", (t) => {
  for (const left of [undefined, "", '{"messages":', '{"messages":"many"}', '{"other":7}']) {
    const dir = killed(directory(t), (store) => add(store, 0, 60), false);
    if (left !== undefined) writeFileSync(join(dir, "store-numbers.json"), left);
    const store = open(dir);
    assert.equal(kept(store), 60);
    assert.deepEqual(store.health, { state: "ready", cause: null }, String(left));
    store.close();
  }
});

test("damage in the middle of a write-ahead log loses its pages, not later commits", (t) => {
  const dir = killed(directory(t), (store) => {
    add(store, 0, 20);
    store.all("PRAGMA wal_checkpoint(TRUNCATE)");
    for (let n = 20; n < 120; n++) add(store, n, n + 1);
  });
  const fd = openSync(join(dir, "gateway.db-wal"), "r+");
  writeSync(fd, randomBytes(PAGE), 0, PAGE, 32 + 40 * (PAGE + 24) + 24);
  closeSync(fd);
  const store = open(dir);
  assert.ok(kept(store) >= 110, `${kept(store)} of 120`);
  assert.ok(store.losses);
  store.close();
});

test("a last commit torn by a power failure is not damage", (t) => {
  const dir = killed(directory(t), (store) => {
    for (let n = 0; n < 30; n++) add(store, n, n + 1);
  });
  rmSync(join(dir, "store-ledger.json"));
  const wal = join(dir, "gateway.db-wal");
  truncateSync(wal, statSync(wal).size - 5_000);
  const store = open(dir);
  assert.equal(store.losses, null);
  assert.ok(kept(store) >= 28);
  store.close();
});

test("a lost database file is restored from its write-ahead log", (t) => {
  for (const harm of ["missing", "empty"] as const) {
    const dir = killed(directory(t), (store) => add(store, 0, 80));
    const path = join(dir, "gateway.db");
    if (harm === "missing") rmSync(path);
    else truncateSync(path, 0);
    const store = open(dir);
    assert.equal(kept(store), 80, harm);
    assert.ok(store.losses);
    store.close();
  }
});

test("a repair that was interrupted after its end is moved into place", (t) => {
  const dir = directory(t);
  const path = filled(dir, 10);
  writeFileSync(`${path}.rebuilt`, readFileSync(path));
  rmSync(path);
  const store = open(dir);
  assert.equal(kept(store), 10);
  assert.equal(existsSync(`${path}.rebuilt`), false);
  store.close();
});

test("a directory, a dead link and a foreign file at the path of the store are reported with a fix", (t) => {
  const dir = directory(t);
  mkdirSync(join(dir, "gateway.db"));
  assert.throws(() => open(dir), { code: "UNAVAILABLE", message: /it is a directory/ });
  rmSync(join(dir, "gateway.db"), { recursive: true });
  symlinkSync("/nonexistent/x.db", join(dir, "gateway.db"));
  assert.throws(
    () => open(dir),
    (err: { message: string; fix?: string }) => /link/.test(err.message) && err.fix !== undefined,
  );
  const file = join(dir, "file");
  writeFileSync(file, "");
  assert.throws(
    () => open(join(file, "gateway")),
    (err: { fix?: string }) => /Move that file away/.test(err.fix ?? ""),
  );
});

test("a second process that opens the store moves nothing and leaves no file", (t) => {
  const dir = killed(directory(t), (store) => add(store, 0, 5));
  const before = readdirSync(dir);
  const store = open(dir);
  const { losses } = store;
  assert.equal(losses, null);
  store.close();
  assert.deepEqual(
    readdirSync(dir),
    before.filter((name) => !/-(wal|shm)$/.test(name)),
  );
});

test("a state directory that is removed while the store is open is written again, with everything", async (t) => {
  const dir = directory(t);
  const store = open(join(dir, "gateway"));
  add(store, 0, 40);
  rmSync(join(dir, "gateway"), { recursive: true });
  await store.write(() => createSessions(store).patch(KEY, { title: "after" }));
  assert.deepEqual(store.health, { state: "ready", cause: null });
  store.close();
  const again = open(join(dir, "gateway"));
  assert.equal(kept(again), 40);
  assert.equal(createSessions(again).get(KEY)?.title, "after");
  assert.equal(statSync(again.path).mode & 0o777, 0o600);
  again.close();
});

test("a store whose file was replaced rejects writes with the reason", async (t) => {
  const dir = directory(t);
  const store = open(dir);
  add(store, 0, 1);
  rmSync(store.path);
  writeFileSync(store.path, "someone else's");
  await assert.rejects(
    store.write(() => undefined),
    { code: "UNAVAILABLE", message: /was replaced/ },
  );
  assert.equal(store.health.state, "failing");
  assert.throws(() => store.verifyPath());
  assert.equal(readFileSync(store.path, "utf8"), "someone else's");
  store.close();
});

test("a rejected write makes the store failing until one succeeds, also without further writes", async (t) => {
  const dir = directory(t);
  const store = open(dir);
  add(store, 0, 1);
  const seen: string[] = [];
  const ready = new Promise<void>((resolve) => {
    store.onHealth = ({ state, cause }) => {
      seen.push(`${state} ${cause?.split(";")[0] ?? ""}`.trim());
      if (state === "ready") resolve();
    };
  });
  const { page_count: pages } = store.get<{ page_count: number }>("PRAGMA page_count")!;
  store.all(`PRAGMA max_page_count=${pages}`);
  await assert.rejects(
    store.write(
      () =>
        add.length &&
        createMessages(store).add({
          id: "big",
          sessionKey: KEY,
          sessionId: "s",
          runId: null,
          idempotencyKey: null,
          at: 1,
          body: { role: "assistant", content: [{ type: "text", text: "y".repeat(100_000) }] },
        }),
    ),
  );
  store.all("PRAGMA max_page_count=1000000");
  await ready;
  assert.deepEqual(seen, ["failing the disk is full", "ready"]);
  store.close();
});
