import assert from "node:assert/strict";
import { test } from "node:test";
import { costText, heartbeatState, type HeartbeatRow } from "./automation.ts";

const row: HeartbeatRow = {
  agentId: "main",
  every: "30m",
  activeHours: null,
  instructions: "present",
  enabled: true,
  nextRunAtMs: 1,
  emptyRuns: 0,
  pausedAtMs: null,
  lastStatus: "ok",
  lastError: null,
  runsPerDay: 48,
  spent: { today: { requests: 3, usd: 0.0012, requestsOfUnknownCost: 0 }, week: { requests: 3, usd: 0.0012, requestsOfUnknownCost: 0 } },
  estimate: { basis: "measured", perDayUsd: 0.5 },
};

test("the state of heartbeats says why nothing runs", () => {
  assert.equal(heartbeatState(row), "On");
  assert.equal(heartbeatState({ ...row, instructions: "empty" }), "On; HEARTBEAT.md is empty");
  assert.equal(heartbeatState({ ...row, pausedAtMs: 1, emptyRuns: 96 }), "Paused after 96 runs that did nothing");
  assert.equal(heartbeatState({ ...row, enabled: false }), "Disabled");
  assert.equal(heartbeatState({ ...row, lastStatus: "error" }), "Last one failed");
});

test("what heartbeats cost is shown, and an unknown price is not shown as zero", () => {
  assert.equal(costText(row), "$0.50 a day for 48 heartbeats; today $0.001200 for 3 requests");
  const unknown = { ...row, estimate: { basis: "price" as const, perDayUsd: null } };
  assert.match(costText(unknown), /^cost of a day unknown for 48 heartbeats/);
});
