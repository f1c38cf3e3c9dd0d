import assert from "node:assert/strict";
import { test } from "node:test";
import { dayText, forecastOf } from "./usage-report.ts";
import type { ReportRow } from "./usage-report.ts";

const row = (date: string, totalCost: number): ReportRow => ({
  date,
  input: 1,
  output: 1,
  cacheRead: 0,
  cacheWrite: 0,
  totalTokens: 2,
  totalCost,
  missingCostEntries: 0,
  calls: 1,
  errors: 0,
});

test("a month comes to what its days so far cost on average", () => {
  const rows = [row("2026-02-27", 100), row("2026-03-01", 1), row("2026-03-05", 4)];
  const forecast = forecastOf({ startDate: "2026-02-04", endDate: "2026-03-05", rows });
  assert.deepEqual([forecast?.spent, forecast?.perDay, forecast?.total], [5, 1, 31]);
  assert.match(forecast!.month, /Mar/);
});

test("there is no forecast without the beginning of the month, on its first day, or without a price", () => {
  const rows = [row("2026-03-05", 4)];
  assert.equal(forecastOf({ startDate: "2026-03-02", endDate: "2026-03-08", rows }), null);
  assert.equal(forecastOf({ startDate: "2026-02-01", endDate: "2026-03-01", rows: [row("2026-03-01", 4)] }), null);
  assert.equal(forecastOf({ startDate: "2026-02-01", endDate: "2026-03-05", rows: [row("2026-03-05", 0)] }), null);
});

test("a day of a report is the same day everywhere", () => {
  assert.match(dayText("2026-03-14"), /14/);
});
