import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { asId } from "../core/ids.ts";
import { silentLog, type Log } from "../core/log.ts";
import { listAccountBacklogs } from "./account-backlog.ts";
import { createInbox } from "./inbox.ts";
import { createMessages } from "./messages.ts";
import { openStore, type Store } from "./open.ts";
import { createOutbox } from "./outbox.ts";
import { createSessions, listStatement } from "./sessions.ts";
import { insertToken, listTokens } from "./tokens.ts";

function fresh(t: TestContext): { store: Store; errors: string[] } {
  const dir = mkdtempSync(join(tmpdir(), "guard-"));
  const errors: string[] = [];
  const log: Log = { ...silentLog, error: (message, fields) => void errors.push(`${message} ${JSON.stringify(fields)}`) };
  const store = openStore({ dir, log });
  t.after(() => {
    store.close();
    rmSync(dir, { recursive: true });
  });
  return { store, errors };
}

const newSession = (n: number) => ({
  sessionId: `s${n}`,
  agentId: asId<never>(`agent${n % 3}`),
  chatKind: "direct" as const,
  channel: "x",
  now: n,
});

test("a run that has ended is counted with the route of its message, and a damaged one without", (t) => {
  const { store } = fresh(t);
  const inbox = createInbox(store);
  const payloads = [{ text: "a", route: { rule: "peer", binding: 2, access: "", detail: "" } }, { text: "b" }, { text: "c" }];
  store.writeNow(() => {
    for (const [n, payload] of payloads.entries()) {
      const keys = {
        runId: asId<never>(`r${n}`),
        channel: "irc",
        account: "",
        eventId: `e${n}`,
        sessionKey: asId<never>("k"),
        sessionId: "s",
      };
      inbox.add({ ...keys, agentId: asId<never>("main"), payload, receivedAt: n, state: "done", startedAt: n, outcome: null });
    }
    store.run("UPDATE inbox SET state = 'done', ended_at = 10 + received_at");
    store.run("UPDATE inbox SET payload = 'damaged' WHERE run_id = 'r2'");
  });
  assert.deepEqual(
    inbox.listEnded(0, 100, 10).map(({ endedAt, rule, binding }) => [endedAt, rule, binding]),
    [
      [12, null, null],
      [11, null, null],
      [10, "peer", 2],
    ],
  );
});

test("a number beyond 2^53 does not fail a list: it is clamped, and its row is reported once", (t) => {
  const { store, errors } = fresh(t);
  const sessions = createSessions(store);
  store.writeNow(() => {
    for (let n = 0; n < 3; n++) sessions.ensure(asId(`k${n}`), newSession(n));
    store.run("UPDATE sessions SET context_tokens = 9007199254740993, updated_at = -9223372036854775808 WHERE key = 'k1'");
  });
  for (let look = 0; look < 2; look++) {
    assert.equal(sessions.list({ limit: 10, offset: 0 }).rows.length, 3);
    assert.equal(sessions.get("k1")?.context_tokens, 8.64e15);
  }
  assert.doesNotThrow(() => new Date(sessions.get("k1")!.updated_at).toISOString());
  assert.equal(errors.length, 1);
  assert.match(errors[0]!, /k1.*context_tokens/);
  assert.deepEqual(store.health, { state: "degraded", cause: "1 record is not readable; the log names it" });
});

test("a target that cannot be read costs a session where it talked last, and nothing else", (t) => {
  const { store, errors } = fresh(t);
  const sessions = createSessions(store);
  const damaged = ["{", '"irc"', "null", "[]"];
  store.writeNow(() => {
    for (const [n, target] of damaged.entries()) {
      sessions.ensure(asId(`k${n}`), newSession(n));
      sessions.patch(`k${n}`, { target });
    }
    sessions.ensure(asId("good"), newSession(9));
    sessions.patch("good", { target: '{"channel":"irc"}' });
  });
  for (const n of damaged.keys()) assert.equal(sessions.lastTarget(`k${n}`), null);
  assert.deepEqual(sessions.lastTarget("good"), { channel: "irc" });
  assert.equal(sessions.lastTarget("unknown"), null);
  assert.equal(sessions.list({ limit: 10, offset: 0 }).rows.length, 5);
  assert.equal(errors.length, damaged.length);
});

test("an unreadable record is reported to who watches the store, once", (t) => {
  const { store } = fresh(t);
  const seen: string[] = [];
  store.onHealth = ({ state, cause }) => void seen.push(`${state}: ${cause}`);
  for (let look = 0; look < 2; look++) store.reportUnreadable("messages 7", "its checksum does not fit");
  assert.deepEqual(seen, ["degraded: 1 record is not readable; the log names it"]);
});

test("a row with invalid JSON is skipped alone: lists, the outbox and metrics continue", (t) => {
  const { store, errors } = fresh(t);
  const outbox = createOutbox(store);
  store.writeNow(() => {
    for (const name of ["a", "b"]) {
      const part = { partKey: name, intentId: name, position: 0, runId: null, sessionKey: null, conversation: "c", text: name, at: 1 };
      outbox.add({ ...part, target: { channel: "irc", account: "x" } });
      insertToken(store, { id: name, name, scopes: [], createdAt: 1, createdBy: "me", expiresAt: null, lastUsedAt: null }, `hash-${name}`);
    }
    store.run("UPDATE outbox SET target = '{\"chan' WHERE part_key = 'a'");
    store.run("UPDATE service_tokens SET scopes = 'null' WHERE id = 'a'");
  });
  assert.equal(outbox.next("c")?.partKey, "b");
  assert.deepEqual(
    outbox.byState("queued", 10).map((part) => part.partKey),
    ["b"],
  );
  assert.deepEqual(
    listTokens(store).map((token) => token.id),
    ["b"],
  );
  assert.equal(listAccountBacklogs(store)[0]?.outboxWaiting, 1);
  assert.deepEqual(
    errors.map((line) => /"record":"([^"]+)"/.exec(line)?.[1]),
    ["outbox a", "service_tokens a"],
  );
  assert.equal(store.health.cause, "2 records are not readable; the log names them");
});

test("a message and an outcome that were changed on disk are lost alone", (t) => {
  const { store } = fresh(t);
  const messages = createMessages(store);
  const inbox = createInbox(store);
  const body = { role: "assistant" as const, content: [] };
  store.writeNow(() => {
    for (const id of ["m1", "m2", "m3"]) {
      messages.add({ id, sessionKey: asId("k"), sessionId: "s", runId: null, idempotencyKey: null, at: 1, body });
      inbox.add({
        runId: asId(id),
        channel: "rpc",
        account: "",
        eventId: id,
        sessionKey: asId("k"),
        sessionId: "s",
        agentId: asId("main"),
        payload: { text: id },
        receivedAt: 1,
        state: "queued",
        startedAt: null,
        outcome: null,
      });
    }
    store.run("UPDATE messages SET body = 'x' WHERE id = 'm2'");
    store.run("UPDATE inbox SET outcome = '{' WHERE run_id = 'm2'");
  });
  assert.deepEqual(
    messages.tail("k", "s", { limit: 10 }).map((each) => each.id),
    ["m1", "m3"],
  );
  assert.equal(messages.byId("m2"), undefined);
  assert.deepEqual(
    inbox.listOpen().map((each) => each.runId),
    ["m1", "m2", "m3"],
  );
});

test("pages of the session list use an index, without a scan or a sort", (t) => {
  const { store } = fresh(t);
  for (const query of [
    {},
    { agentId: "a" },
    { archived: "all" as const },
    { archived: "all" as const, agentId: "a" },
    { withMessages: true },
  ]) {
    const [sql, ...params] = listStatement({ limit: 100, offset: 0, ...query });
    const plan = store.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, ...params).map((step) => step.detail);
    assert.ok(!plan.some((step) => /SCAN|TEMP B-TREE/.test(step)), `${JSON.stringify(query)}: ${plan.join("; ")}`);
  }
});

test("counts of sessions follow every change, including a rollback", async (t) => {
  const { store } = fresh(t);
  const sessions = createSessions(store);
  store.writeNow(() => {
    for (let n = 0; n < 9; n++) sessions.ensure(asId(`k${n}`), newSession(n));
    sessions.patch("k1", { archived: 1, last_message_at: 5 });
    sessions.patch("k2", { last_message_at: 5 });
    sessions.patch("k2", { last_message_at: 6 });
    sessions.remove("k3");
  });
  await assert.rejects(
    store.write(() => {
      sessions.remove("k4");
      throw new Error("undone");
    }),
  );
  for (const query of [
    {},
    { archived: "all" as const },
    { archived: true },
    { agentId: "agent1" },
    { withMessages: true },
    { agents: ["agent1", "agent2"] },
  ]) {
    const { rows, total } = sessions.list({ limit: 100, offset: 0, ...query });
    assert.equal(total, rows.length, JSON.stringify(query));
  }
  assert.deepEqual([sessions.count(), sessions.countsByAgent().get("agent0")], [8, 2]);
});
