import assert from "node:assert/strict";
import { test } from "node:test";
import { runText, stateText, timeText } from "./job-list.ts";

test("the state of a job is what matters most of it", () => {
  assert.equal(stateText({ enabled: true }), "On");
  assert.equal(stateText({ enabled: true, state: { lastStatus: "error" } }), "Last run failed");
  assert.equal(stateText({ enabled: true, state: { lastStatus: "error", runningAtMs: 1 } }), "Running");
  assert.equal(stateText({ enabled: false, state: { lastStatus: "error" } }), "Disabled");
  assert.equal(stateText({ enabled: false, state: { autoDisabled: { consecutiveErrors: 10 } } }), "Disabled after 10 failures in a row");
});

test("a run says why it is what it is, or what was answered", () => {
  const run = { ts: 0, jobId: "j" };
  assert.equal(runText({ ...run, status: "ok", summary: "done" }), "done");
  assert.equal(runText({ ...run, status: "error", error: "busy", summary: "half" }), "busy");
  assert.equal(
    runText({ ...run, summary: "done", deliveryStatus: "not-delivered", deliveryError: "no route" }),
    "Not delivered: no route. done",
  );
  assert.equal(runText({ ...run, error: "down", dueCount: 3 }), "3 due times: down");
});

test("a due time is shown in the zone of its job", () => {
  const at = Date.parse("2027-01-04T08:00:00Z");
  assert.match(timeText(at, "Europe/Berlin"), /09:00.*GMT\+1/);
  assert.match(timeText(at, "America/New_York"), /03:00.*GMT-5/);
});
