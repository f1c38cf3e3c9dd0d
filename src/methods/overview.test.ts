import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import type { Overview } from "../core/overview.ts";
import type { EndedRun } from "../store/inbox.ts";
import { overviewMethods, type OverviewDeps } from "./overview.ts";
import { quantile, ToolWindow, TrafficWindow } from "./traffic.ts";

const HOUR = 3_600_000;
const NOW = 500 * HOUR + 20 * 60_000;

const run = (endedAt: number, tookMs: number, more: Partial<EndedRun> = {}): EndedRun => ({
  channel: "telegram",
  account: "default",
  agentId: "main" as EndedRun["agentId"],
  state: "done",
  receivedAt: endedAt - tookMs,
  endedAt,
  rule: null,
  binding: null,
  ...more,
});

/** An inbox with these rows that counts which of them are read. */
function inboxOf(rows: EndedRun[]) {
  let read = 0;
  const listEnded = (from: number, before: number, limit: number): EndedRun[] => {
    const found = rows.filter(({ endedAt }) => endedAt >= from && endedAt < before).slice(0, limit);
    read += found.length;
    return found;
  };
  return { listEnded, reads: () => read, rows };
}

test("the figures of a day are counted by hour and by edge, and a slot that is over is read once", async () => {
  const inbox = inboxOf([
    ...Array.from({ length: 98 }, (_, index) => run(NOW - HOUR - index, 1_000)),
    run(NOW - HOUR, 30_000),
    run(NOW - HOUR, 30_000, { state: "failed" }),
    run(NOW - 5 * HOUR, 100, { channel: "irc", agentId: "ops" as EndedRun["agentId"] }),
    run(NOW - 30 * HOUR, 100),
  ]);
  const window = new TrafficWindow(inbox);
  const traffic = await window.read(NOW);
  assert.deepEqual([traffic.messages, traffic.failed, traffic.hours.length, traffic.truncated], [101, 1, 24, false]);
  assert.deepEqual(
    traffic.hours.map((hour) => hour.messages).filter((count) => count > 0),
    [1, 100],
  );
  assert.deepEqual(
    traffic.edges.map(({ channel, agentId, messages, failed }) => [channel, agentId, messages, failed]),
    [
      ["telegram", "main", 100, 1],
      ["irc", "ops", 1, 0],
    ],
  );
  assert.ok(Math.abs(traffic.p50Ms! - 1_000) < 150, `${traffic.p50Ms}`);
  const before = inbox.reads();
  inbox.rows.push(run(NOW + 1_000, 2_000));
  assert.equal((await window.read(NOW + 2_000)).messages, 102);
  assert.equal(inbox.reads() - before, 1);
});

test("messages of one channel are counted by the route that they took", async () => {
  const window = new TrafficWindow(
    inboxOf([
      run(NOW - 1_000, 100, { rule: "peer", binding: 1 }),
      run(NOW - 2_000, 100, { rule: "peer", binding: 1, state: "failed" }),
      run(NOW - 3_000, 100, { rule: "default" }),
      run(NOW - 4_000, 100, { channel: "rpc", account: "" }),
    ]),
  );
  assert.deepEqual(
    (await window.read(NOW)).edges.map(({ channel, rule, binding, messages, failed }) => [channel, rule, binding, messages, failed]),
    [
      ["telegram", "peer", 1, 2, 1],
      ["telegram", "default", undefined, 1, 0],
      ["rpc", undefined, undefined, 1, 0],
    ],
  );
});

test("calls of tools are those of the last day, and an hour that is over is read once", () => {
  const hours = new Map([
    [500, [{ agentId: "main", tool: "exec", calls: 2 }]],
    [
      490,
      [
        { agentId: "main", tool: "exec", calls: 3 },
        { agentId: "ops", tool: "read", calls: 9 },
      ],
    ],
    [476, [{ agentId: "ops", tool: "read", calls: 100 }]],
  ]);
  const asked: number[] = [];
  const window = new ToolWindow({
    toolsOfHour: (hour) => {
      asked.push(hour);
      return hours.get(hour) ?? [];
    },
  });
  const expected = [
    { agentId: "ops", tool: "read", calls: 9 },
    { agentId: "main", tool: "exec", calls: 5 },
  ];
  assert.deepEqual(window.read(NOW), expected);
  assert.equal(asked.length, 24);
  assert.deepEqual(window.read(NOW), expected);
  assert.deepEqual(asked.slice(24), [499, 500]);
});

test("a day that moves on forgets its first hour", async () => {
  const window = new TrafficWindow(inboxOf([run(NOW - 23 * HOUR, 100)]));
  assert.equal((await window.read(NOW)).messages, 1);
  assert.equal((await window.read(NOW + 2 * HOUR)).messages, 0);
});

test("the quantile is within a seventh of the real one, and null without answers", () => {
  assert.equal(quantile(new Map(), 0.95), null);
  for (const ms of [1, 7, 120, 4_321, 600_000]) {
    const step = Math.round(Math.log2(ms) * 5);
    const found = quantile(new Map([[step, 3]]), 0.95)!;
    assert.ok(found / ms < 1.15 && ms / found < 1.15, `${ms} became ${found}`);
  }
});

function openOverview(inbox: ReturnType<typeof inboxOf>) {
  const clock = new FakeClock(NOW);
  let asked = 0;
  const deps: OverviewDeps = {
    clock,
    inbox: {
      ...inbox,
      listNewest: () => [],
      counts: () => [
        { state: "queued", n: 2 },
        { state: "parked", n: 1 },
      ],
      oldestOpenAt: () => NOW - 5_000,
    },
    outbox: {
      counts: () => [
        { state: "unknown", n: 3 },
        { state: "attempting", n: 1 },
      ],
    },
    usage: { toolsOfHour: () => [] },
    isShadow: () => false,
    lanes: {
      load: () => {
        asked += 1;
        return { lanes: 1, running: 1, waiting: 2, slotWaits: { sessions: 0, longestMs: 0 } };
      },
    },
    readiness: () => ({
      ready: true,
      failing: [],
      degraded: ["agents"],
      parts: [
        { name: "agents", state: "degraded", cause: "no model answers", since: 1, vital: true },
        { name: "channel:irc/default", state: "degraded", cause: "refused", since: 1, vital: false },
        { name: "store", state: "ready", cause: null, since: 1, vital: true },
      ],
    }),
    configErrors: () => ["openclaw.json:3 unknown key"],
    agents: () => [{ id: "main", name: "Main" }],
    links: () => Promise.resolve([]),
  };
  const method = overviewMethods(deps)["gateway.overview"];
  const answer = async (): Promise<Overview> => JSON.parse(String(await method.run())) as Overview;
  return { answer, clock, asked: () => asked };
}

test("one answer serves all who ask within its time", async () => {
  const { answer, clock, asked } = openOverview(inboxOf([run(NOW - 1_000, 100)]));
  const first = await answer();
  await Promise.all(Array.from({ length: 20 }, answer));
  assert.equal(asked(), 1);
  clock.advance(4_000);
  await answer();
  assert.equal(asked(), 2);
  assert.deepEqual(first.queue, { running: 1, waiting: 2, outgoing: 1, oldestAt: NOW - 5_000 });
  assert.equal(first.deadLetters, 4);
  assert.deepEqual(
    first.problems.map(({ part, cause }) => [part, cause]),
    [["agents", "no model answers"]],
  );
});
