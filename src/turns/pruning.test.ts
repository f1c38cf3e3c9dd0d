import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { message, openTurnBench, until, type TurnBench } from "../../test/fakes/turn-bench.ts";
import { startPruning } from "./pruning.ts";

const count = (bench: TurnBench, table: string): number => bench.store.get<{ n: number }>(`SELECT count(*) AS n FROM ${table}`)!.n;

async function fill(bench: TurnBench, rows: number, at: number): Promise<void> {
  const { inbox, outbox } = bench;
  await bench.store.write(() => {
    for (let n = 0; n < rows; n++) {
      const runId = asId<never>(`old-${n}`);
      const identity = { runId, channel: "irc", account: "a", eventId: `e${n}`, sessionKey: asId<never>("s"), sessionId: "s" };
      inbox.add({ ...identity, agentId: asId<never>("main"), payload: {}, receivedAt: at, state: "done", startedAt: at, outcome: null });
      const part = { partKey: `p${n}`, intentId: `p${n}`, position: 0, runId, sessionKey: null, conversation: "c", target: {}, text: "t" };
      outbox.add({ ...part, at });
      outbox.settle(`p${n}`, "sent", at);
    }
  });
}

test("rows that nothing needs any more are removed while the gateway runs, a bounded number per step", async () => {
  const clock = new FakeClock(LIMITS.dedupeRetentionMs * 2);
  const bench = openTurnBench({ clock });
  const rows = LIMITS.pruneRows * 2 + 7;
  await fill(bench, rows, 1_000);
  await bench.turns.admission.submit(message("recent", "recent"));
  await bench.turns.runs.waitForOutcome(asId("recent"), 5_000);
  startPruning({ ...bench, tables: [bench.inbox, bench.outbox], isStopping: () => bench.turns.lanes.isStopping });
  for (const left of [rows - LIMITS.pruneRows, rows - 2 * LIMITS.pruneRows, 0]) {
    clock.advance(LIMITS.pruneStepMs);
    await until(() => count(bench, "inbox") === left + 1 && count(bench, "outbox") === left && clock.pending().length > 0);
  }
  assert.deepEqual(clock.pending(), [LIMITS.pruneEveryMs], "the next round is an hour away");
  assert.ok(bench.turns.runs.find("recent"));

  await fill(bench, 3, 1_000);
  clock.advance(LIMITS.pruneEveryMs);
  await until(() => count(bench, "inbox") === 1 && count(bench, "outbox") === 0);
  bench.turns.lanes.stop();
  bench.close();
});

test("what is open or waits for an operator is kept, however old it is", async () => {
  const clock = new FakeClock(LIMITS.dedupeRetentionMs * 2);
  const bench = openTurnBench({ clock });
  await fill(bench, 3, 1_000);
  await bench.store.write(() => {
    bench.store.run("UPDATE inbox SET state = 'parked' WHERE run_id = 'old-0'");
    bench.store.run("UPDATE outbox SET state = 'unknown' WHERE part_key = 'p0'");
    bench.store.run("UPDATE outbox SET state = 'queued' WHERE part_key = 'p1'");
  });
  startPruning({ ...bench, tables: [bench.inbox, bench.outbox], isStopping: () => bench.turns.lanes.isStopping });
  clock.advance(LIMITS.pruneStepMs);
  await until(() => count(bench, "inbox") === 1);
  assert.equal(count(bench, "outbox"), 2);
  bench.close();
});
