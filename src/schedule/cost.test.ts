import assert from "node:assert/strict";
import { test } from "node:test";
import { estimateCost, runsPerMonth } from "./cost.ts";
import type { Job, JobRun, JobSchedule, RunRecord } from "./job.ts";

const NOW = Date.parse("2026-11-30T12:00:00Z");
const job = (schedule: JobSchedule): Pick<Job, "definition" | "id"> => ({ id: "j", definition: { schedule } as Job["definition"] });
const run = (record: Partial<RunRecord>): JobRun => ({ record }) as JobRun;
const costing = (total: number): JobRun => run({ usage: { input: 5, cost: { total } } });
const WEEKDAYS = job({ kind: "cron", expr: "0 8 * * 1-5", tz: "Europe/Berlin" });

test("runs in 30 days follow from the next times", () => {
  assert.equal(runsPerMonth(job({ kind: "every", everyMs: 3_600_000, anchorMs: NOW }), NOW), 720);
  assert.ok(Math.abs(runsPerMonth(WEEKDAYS, NOW) - 22) <= 2);
  assert.equal(runsPerMonth(job({ kind: "cron", expr: "0 8 1 * *", tz: "UTC" }), NOW), 1);
  assert.equal(runsPerMonth(job({ kind: "at", at: "2026-12-24T18:00:00Z" }), NOW), 1);
  assert.equal(runsPerMonth(job({ kind: "at", at: "2026-01-01T00:00:00Z" }), NOW), 0);
});

test("the cost is that of the last runs; an unknown price is never 0", () => {
  const measured = estimateCost(WEEKDAYS, [costing(0.02), costing(0.04), run({ reason: "skipped" })], 9, NOW);
  assert.deepEqual([measured.basis, measured.perRunUsd], ["runs", 0.03]);
  assert.match(measured.text, /^about \$0\.03 a run, \$0\.\d\d in 30 days \(2\d runs in 30 days\), by its last runs$/);
  const unknown = estimateCost(WEEKDAYS, [run({ usage: { input: 5, cost: { total: 0 } }, isUnpriced: true })], null, NOW);
  assert.deepEqual([unknown.perRunUsd, unknown.perMonthUsd], [null, null]);
  assert.match(unknown.text, /cost unknown: the price of the model is not known/);
  assert.match(estimateCost(WEEKDAYS, [], null, NOW).text, /cost unknown: it is known after the first run/);
  assert.match(estimateCost(WEEKDAYS, [], 0.005, NOW).text, /^about \$0\.0050 a run, .* before the first run$/);
});
