import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { silentLog } from "../core/log.ts";
import { placeStore } from "../../test/fakes/store-template.ts";
import { openStore } from "./open.ts";
import { createUsage, HOUR_MS, type UsageCall } from "./usage.ts";

const START = 490_000;

/** Requests of 12 days, of which each number follows from its place. */
const CALLS: readonly UsageCall[] = Array.from({ length: 600 }, (_, index) => ({
  agentId: `agent-${(index % 4) % 3}`,
  channel: index % 2 === 0 ? "webchat" : "irc",
  sender: `sender-${index % 5}`,
  cause: index % 7 === 0 ? ("heartbeat" as const) : ("message" as const),
  at: START * HOUR_MS + Math.floor((index * 12 * 24 * HOUR_MS) / 600),
  sessionKey: `agent:main:${index % 4}`,
  sessionId: "s",
  runId: `run-${index}`,
  provider: "p",
  model: `m-${index % 2}`,
  status: "ok" as const,
  durationMs: index,
  firstTokenMs: index % 3 === 0 ? null : index,
  isPriced: index % 11 !== 0,
  input: index,
  output: 1,
  cacheRead: 0,
  cacheWrite: 2,
  inputCost: index * 3,
  outputCost: 1,
  cacheReadCost: 0,
  cacheWriteCost: 0,
}));

async function open() {
  const dir = mkdtempSync(join(tmpdir(), "usage-days-"));
  placeStore(dir);
  const store = openStore({ dir, log: silentLog });
  const usage = createUsage(store);
  await store.write(() => usage.add(CALLS));
  const close = (): void => {
    store.close();
    rmSync(dir, { recursive: true, force: true });
  };
  return { store, usage, close };
}

const calledBy = (rows: readonly { count: number }[]): number => rows.reduce((sum, { count }) => sum + count, 0);
const hourOf = ({ at }: UsageCall): number => Math.floor(at / HOUR_MS);

test("sums of days and hours are those of the rows, for each range, grouping and filter", async () => {
  const { usage, close } = await open();
  const end = START + 12 * 24;
  for (const [from, to] of [
    [START, end],
    [START + 1, end - 1],
    [START + 7, START + 31],
    [START + 5, START + 200],
    [START - 100, end + 100],
  ] as const) {
    const kept = CALLS.filter((call) => hourOf(call) >= from && hourOf(call) < to);
    const [all] = usage.sums({ from, to }, []);
    assert.equal(all?.calls ?? 0, kept.length);
    assert.equal(
      all?.input ?? 0,
      kept.reduce((sum, { input }) => sum + input, 0),
    );
    assert.equal(
      all?.inputCost ?? 0,
      kept.reduce((sum, { inputCost }) => sum + inputCost, 0),
    );
    assert.equal(all?.unpriced ?? 0, kept.filter(({ isPriced }) => !isPriced).length);
    for (const group of usage.sums({ from, to }, ["agent", "cause"], { channel: "irc" })) {
      const own = kept.filter(({ agentId, cause, channel }) => agentId === group.agent && cause === group.cause && channel === "irc");
      assert.deepEqual([group.calls, group.durationMs], [own.length, own.reduce((sum, { durationMs }) => sum + durationMs, 0)]);
    }
    for (const group of usage.sums({ from, to }, ["provider", "model"], { agent: "agent-1" }, { offset: 2, lastDay: 1_000_000 })) {
      const own = kept.filter(
        (call) => call.agentId === "agent-1" && call.model === group.model && Math.floor((hourOf(call) + 2) / 24) === group.day,
      );
      assert.equal(group.output, own.length);
    }
    for (const offset of [0, 24, 2, -5])
      for (const group of usage.sums({ from, to }, [], {}, { offset, lastDay: 1_000_000 })) {
        const own = kept.filter((call) => Math.floor((hourOf(call) + offset) / 24) === group.day);
        assert.equal(group.calls, own.length, `day ${group.day} with ${offset}`);
      }
  }
  close();
});

test("after a removal of old rows the sums agree with what is left", async () => {
  const { store, usage, close } = await open();
  assert.equal(usage.difference(), null);
  while (await store.write(() => usage.prune((START + 100) * HOUR_MS, 100)));
  assert.equal(usage.difference(), null);
  assert.ok(usage.callsAfter(0, 1_000).length < CALLS.length);
  close();
});

test("sessions, their sums and their tools are those of the rows, for each range and agent", async () => {
  const { store, usage, close } = await open();
  const TOOLS = ["read", "exec"];
  for (let index = 0; index < 60; index++)
    await store.write(() =>
      usage.add([{ ...CALLS[index * 10]!, input: 0 }], { user: 1, assistant: 1, toolResults: 1, tools: [TOOLS[index % 2]!] }),
    );
  const all = usage.callsAfter(0, 10_000);
  const end = START + 12 * 24;
  for (const agent of [undefined, "agent-1", "another"])
    for (const [from, to] of [
      [START, end],
      [START + 7, START + 31],
      [START + 5, START + 200],
      [START - 100, end + 100],
    ] as const) {
      const kept = all.filter((call) => hourOf(call) >= from && hourOf(call) < to);
      const own = kept.filter(({ agentId }) => agent === undefined || agentId === agent);
      const keys = [...new Set(own.map(({ sessionKey }) => sessionKey))];
      assert.equal(usage.countSessions({ from, to }, agent), keys.length);
      const lastAt = (key: string): number => Math.max(...own.filter(({ sessionKey }) => sessionKey === key).map(({ at }) => at));
      const recent = usage.recentSessions({ from, to }, { ...(agent !== undefined && { agent }), byConversation: true, limit: 3 });
      assert.deepEqual(
        recent.map(({ sessionKey }) => sessionKey),
        keys.toSorted((a, b) => lastAt(b) - lastAt(a)).slice(0, 3),
      );
      const whole = keys.map((key) => kept.filter(({ sessionKey }) => sessionKey === key));
      const sums = usage.sessionSums({ from, to }, keys);
      for (const calls of whole) {
        const rows = sums.filter(({ sessionKey }) => sessionKey === calls[0]!.sessionKey);
        assert.deepEqual(
          [rows.reduce((sum, row) => sum + row.calls, 0), rows.reduce((sum, row) => sum + row.input, 0), rows.at(-1)!.lastAt],
          [
            calls.length,
            calls.reduce((sum, { input }) => sum + input, 0),
            calls
              .map(({ at }) => at)
              .toSorted((a, b) => a - b)
              .at(-1),
          ],
        );
      }
      const people = usage.people({ from, to }, agent);
      assert.deepEqual(
        [people.reduce((sum, row) => sum + row.calls, 0), people.reduce((sum, row) => sum + row.input, 0)],
        [own.length, own.reduce((sum, { input }) => sum + input, 0)],
      );
      const withTools = (calls: typeof all): number => calls.filter(({ input, seq }) => input === 0 && seq > CALLS.length).length;
      assert.equal(calledBy(usage.tools({ from, to }, agent)), withTools(own));
      assert.equal(calledBy(usage.sessionTools({ from, to }, keys)), withTools(whole.flat()));
    }
  assert.equal(usage.difference(), null);
  close();
});

test("questions about months read no table of single requests and no hours of all sessions", async () => {
  const { store, usage, close } = await open();
  const asked: string[] = [];
  const { all, get } = store;
  store.all = <R>(sql: string, ...params: Parameters<typeof all>[1][]): R[] => (asked.push(sql), all.call(store, sql, ...params) as R[]);
  store.get = <R>(sql: string, ...params: Parameters<typeof all>[1][]): R | undefined => (
    asked.push(sql),
    get.call(store, sql, ...params) as R | undefined
  );
  const range = { from: START + 5, to: START + 11 * 24 + 7 };
  // In the order of its key: sums over months of many people need no sorting.
  const IN_ORDER = "SCAN usage_people";
  usage.recentSessions(range, { byConversation: true, limit: 1_000 });
  usage.countSessions(range, undefined);
  usage.sessionSums(range, ["agent:main:1"]);
  usage.sessionTools(range, ["agent:main:1"]);
  usage.sessionHours(range, "agent:main:1");
  usage.tools(range);
  usage.people(range);
  usage.sums(range, ["provider", "model"], {}, { offset: 2, lastDay: 1_000_000 });
  Object.assign(store, { all, get });
  assert.ok(asked.length > 8);
  for (const sql of asked) {
    const plan = store
      .all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, ...Array.from({ length: sql.split("?").length - 1 }, () => 0))
      .map(({ detail }) => detail);
    for (const step of plan) if (step !== IN_ORDER) assert.doesNotMatch(step, /^SCAN usage_|usage_calls/, `${sql}\n${plan.join("\n")}`);
  }
  assert.equal(usage.difference(), null);
  close();
});
