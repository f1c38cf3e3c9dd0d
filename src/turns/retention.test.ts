import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { Bus } from "../core/bus.ts";
import { asId, type AgentId, type SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { silentLog } from "../core/log.ts";
import { createMetrics } from "../observe/metrics.ts";
import { createMessages } from "../store/messages.ts";
import { openStore } from "../store/open.ts";
import { RetentionRows, type RetentionRules } from "../store/retention.ts";
import { createSessions } from "../store/sessions.ts";
import type { TurnEvents } from "./events.ts";
import { Retention } from "./retention.ts";

const DAY = 86_400_000;
const NOW = 1_000 * DAY;
const OLD = NOW - 100 * DAY;
const BODY = { role: "user", content: "words", provenance: { channel: "webchat", senderIsOwner: true } } as const;
const keyOf = (name: string): SessionKey => asId<SessionKey>(`agent:main:${name}`);

/** A store with sessions, and a retention whose pauses take no time. */
function setUp(t: TestContext, rules: Partial<RetentionRules>) {
  const dir = mkdtempSync(join(tmpdir(), "retention-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const store = openStore({ dir, log: silentLog });
  t.after(() => store.close());
  const [sessions, messages] = [createSessions(store), createMessages(store)];
  const clock = new FakeClock(NOW);
  const steps: number[] = [];
  const forgotten: string[] = [];
  const removedKeys: string[] = [];
  const bus = new Bus<TurnEvents>(() => {});
  bus.on("session.removed", ({ sessionKey }) => void removedKeys.push(sessionKey));
  const retention = new Retention({
    store,
    rows: new RetentionRows(store),
    sessions,
    lanes: { withSessionLock: (_, work) => work() },
    runtime: { forget: async (_, context) => void forgotten.push(context) },
    bus,
    // A pause is over at once; a step takes what a test says.
    clock: { ...clock, now: clock.now, monotonic: clock.monotonic, after: (_, fn) => (setImmediate(fn), () => {}) },
    log: silentLog,
    metrics: createMetrics(),
    rules: () => ({ idleBefore: null, archivedBefore: null, resetBefore: null, ...rules }),
    isStopping: () => false,
    crashPoint: () => void steps.push(store.get<{ n: number }>("SELECT count(*) AS n FROM messages")!.n),
  });
  const add = async (
    name: string,
    count: number,
    { at = OLD, id = name, ...patch }: Record<string, unknown> & { at?: number; id?: string } = {},
  ): Promise<void> =>
    store.write(() => {
      const key = keyOf(name);
      sessions.ensure(key, { sessionId: id, agentId: asId<AgentId>("main"), chatKind: "direct", channel: "webchat", now: at });
      for (let n = 0; n < count; n++)
        messages.add({
          id: asId(`${name}-${id}-${n}-${at}`),
          sessionKey: key,
          sessionId: id,
          runId: null,
          idempotencyKey: null,
          body: BODY,
          at,
        });
      sessions.patch(key, { updated_at: at, ...patch });
    });
  const left = (): string[] =>
    store
      .all<{ key: string; n: number }>(
        "SELECT s.key, (SELECT count(*) FROM messages WHERE session_key = s.key) AS n FROM sessions s ORDER BY s.key",
      )
      .map(({ key, n }) => `${key.slice("agent:main:".length)} ${n}`);
  return { store, sessions, retention, add, left, steps, forgotten, removedKeys };
}

test("sessions that were not used for long go; pinned, main and recent ones, and what is not finished, stay", async (t) => {
  const it = setUp(t, { idleBefore: NOW - 30 * DAY });
  await it.add("main", 2);
  await it.add("old", 3);
  await it.add("pinned", 1, { pinned: 1 });
  await it.add("recent", 1, { at: NOW - DAY });
  await it.add("archived", 1, { archived: 1, archived_at: OLD });
  for (const name of ["waits", "dead-letter", "undelivered", "asked", "task"]) await it.add(name, 1);
  await it.store.write(() => {
    const inbox =
      "INSERT INTO inbox (run_id, channel, account, event_id, session_key, session_id, agent_id, payload, crc, state, received_at) VALUES (?, 'c', 'a', ?, ?, 's', 'main', '{}', 0, ?, 1)";
    it.store.run(inbox, "r1", "e1", keyOf("waits"), "queued");
    it.store.run(inbox, "r2", "e2", keyOf("dead-letter"), "parked");
    it.store.run(
      "INSERT INTO outbox (part_key, intent_id, position, session_key, conversation, target, text, state, created_at, updated_at) VALUES ('p', 'i', 0, ?, 'c', '{}', 't', 'unknown', 1, 1)",
      keyOf("undelivered"),
    );
    it.store.run(
      "INSERT INTO approvals (id, status, agent_id, session_key, call_id, subject, digest, created_at, expires_at) VALUES ('a', 'pending', 'main', ?, 'c', '{}', 'd', 1, 2)",
      keyOf("asked"),
    );
    it.store.run(
      "INSERT INTO subagent_tasks (run_id, child_key, parent_key, state, delivery, created_at, record, crc) VALUES ('t', 'x', ?, 'running', 'none', 1, '{}', 0)",
      keyOf("task"),
    );
  });
  const kept = ["archived 1", "asked 1", "dead-letter 1", "main 2", "pinned 1", "recent 1", "task 1", "undelivered 1", "waits 1"];
  assert.deepEqual(await it.retention.plan(), {
    sessions: 1,
    conversations: 0,
    messages: 3,
    bytes: 3 * JSON.stringify(BODY).length,
  });
  assert.deepEqual(it.left(), [...kept, "old 3"].toSorted());
  const removed = await it.retention.run();
  assert.deepEqual([removed.sessions, removed.messages], [1, 3]);
  assert.deepEqual(it.left(), kept);
  assert.deepEqual([it.forgotten, it.removedKeys], [["old"], [keyOf("old")]]);
});

test("archived sessions go by their own rule", async (t) => {
  const it = setUp(t, { archivedBefore: NOW - 30 * DAY });
  await it.add("long-ago", 1, { archived: 1, archived_at: OLD });
  await it.add("lately", 1, { archived: 1, archived_at: NOW - DAY });
  await it.add("in-use", 1);
  await it.retention.run();
  assert.deepEqual(it.left(), ["in-use 1", "lately 1"]);
});

test("earlier conversations of a session go; its present one and the branches of that stay", async (t) => {
  const it = setUp(t, { resetBefore: NOW - 30 * DAY });
  await it.add("chat", 4, { id: "first" });
  await it.add("chat", 2, { id: "second", at: NOW - DAY });
  await it.add("chat", 3, { id: "branch" });
  await it.add("chat", 1, { id: "present", session_id: "present" });
  await it.store.write(() => {
    const branch =
      "INSERT INTO session_branches (id, session_key, session_id, after_seq, context_id, created_at) VALUES (?, ?, ?, 0, ?, 1)";
    it.store.run(branch, "branch", keyOf("chat"), "present", "c1");
    it.store.run(branch, "of-first", keyOf("chat"), "first", "c2");
  });
  const removed = await it.retention.run();
  assert.deepEqual([removed.sessions, removed.conversations, removed.messages], [0, 1, 4]);
  const ids = it.store.all<{ id: string }>("SELECT DISTINCT session_id AS id FROM messages ORDER BY id").map(({ id }) => id);
  assert.deepEqual(ids, ["branch", "present", "second"]);
  assert.deepEqual(it.store.all("SELECT id FROM session_branches"), [Object.assign(Object.create(null), { id: "branch" })]);
});

test("a large session goes in steps, and one that is used meanwhile keeps the rest", async (t) => {
  const it = setUp(t, { idleBefore: NOW - 30 * DAY });
  await it.add("big", LIMITS.retentionRows * 3 + 1);
  await it.retention.run();
  assert.deepEqual(it.steps, [LIMITS.retentionRows * 2 + 1, LIMITS.retentionRows + 1, 1, 0]);
  await it.add("big", LIMITS.retentionRows * 2);
  const push = it.steps.push.bind(it.steps);
  it.steps.push = (...counts) => {
    void it.store.write(() => it.sessions.patch(keyOf("big"), { updated_at: NOW }));
    return push(...counts);
  };
  const removed = await it.retention.run();
  assert.equal(removed.sessions, 0);
  assert.deepEqual(it.left(), [`big ${LIMITS.retentionRows}`]);
});

test("without rules nothing is looked at", async (t) => {
  const it = setUp(t, {});
  await it.add("old", 1);
  assert.deepEqual(await it.retention.run(), { sessions: 0, conversations: 0, messages: 0, bytes: 0 });
  assert.equal(it.retention.last, null);
});
