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
  agentId: `agent-${index % 3}`,
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
