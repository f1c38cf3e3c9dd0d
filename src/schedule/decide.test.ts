import assert from "node:assert/strict";
import { test } from "node:test";
import { afterRun, decideDue, type RunEnd } from "./decide.ts";
import type { Job, JobDefinition, JobState } from "./job.ts";

const MINUTE = 60_000;
const HOUR = 3_600_000;

const jobOf = (more: Partial<JobDefinition> = {}, state: Partial<JobState> = {}): Job => {
  const whole = { nextDueMs: HOUR, scheduleActivatedAtMs: 0, consecutiveErrors: 0, consecutiveSkipped: 0, ...state };
  const definition: JobDefinition = {
    name: "job",
    createdAtMs: 0,
    schedule: { kind: "every", everyMs: HOUR, anchorMs: 0 },
    sessionTarget: "isolated",
    wakeMode: "now",
    payload: { kind: "agentTurn", message: "go" },
    grant: { by: "operator" },
    ...more,
  };
  return { id: "j", enabled: true, definition, state: whole, nextAt: whole.nextDueMs, updatedAt: 0 };
};

const brief = (job: Job, now: number, policy: "skip" | "once" | "all" = "once") => {
  const { claims, skips, state } = decideDue(job, now, policy);
  return {
    claims: claims.map(({ dueMs, cause }) => `${cause} ${dueMs / HOUR}`),
    skips: skips.map(({ firstMs, lastMs, count }) => `${firstMs / HOUR}..${lastMs / HOUR} x${count}`),
    next: state.nextDueMs === null ? null : state.nextDueMs / HOUR,
  };
};

test("a due time that is noticed in time is claimed, and the job moves on", () => {
  assert.deepEqual(brief(jobOf(), HOUR + 5_000), { claims: ["schedule 1"], skips: [], next: 2 });
  assert.deepEqual(brief(jobOf(), HOUR - 1), { claims: [], skips: [], next: 1 });
});

test("of what was missed one run stands for all, all run, or none, as the policy says", () => {
  const now = 4 * HOUR + 30 * MINUTE;
  assert.deepEqual(brief(jobOf(), now), { claims: ["missed 4"], skips: ["1..3 x3"], next: 5 });
  assert.deepEqual(brief(jobOf(), now, "skip"), { claims: [], skips: ["1..4 x4"], next: 5 });
  assert.deepEqual(brief(jobOf(), now, "all"), { claims: ["missed 1", "missed 2", "missed 3", "missed 4"], skips: [], next: 5 });
  const own = jobOf({ missed: { policy: "all", windowMs: 2 * HOUR } });
  assert.deepEqual(brief(own, now, "skip"), { claims: ["missed 3", "missed 4"], skips: ["1..2 x2"], next: 5 });
  assert.deepEqual(brief(jobOf(), 4 * HOUR), { claims: ["schedule 4"], skips: ["1..3 x3"], next: 5 });
});

test("what is longer ago than the window is skipped, and the row has the reason", () => {
  const { skips } = decideDue(
    jobOf({ missed: { policy: "once", windowMs: HOUR }, schedule: { kind: "at", at: "1970-01-01T01:00:00.000Z" } }),
    9 * HOUR,
    "once",
  );
  assert.match(skips[0]!.reason, /longer ago than the 1 h/);
});

test("every due time of a long absence is counted once, in one row", () => {
  const job = jobOf({ schedule: { kind: "every", everyMs: MINUTE, anchorMs: 0 } }, { nextDueMs: MINUTE });
  const now = 40 * 24 * HOUR + 1;
  const { claims, skips } = decideDue(job, now, "skip");
  assert.equal(claims.length, 2, "those within the grace are on time");
  assert.equal(skips.length, 1);
  assert.equal(skips[0]!.count + claims.length, (40 * 24 * HOUR) / MINUTE);
});

test("a retry is claimed when it is due, and a due time takes its place", () => {
  const retry = { dueMs: HOUR, attempt: 1, atMs: HOUR + 30_000 };
  assert.deepEqual(brief(jobOf({}, { nextDueMs: 2 * HOUR, retry }), HOUR + 30_000), { claims: ["retry 1"], skips: [], next: 2 });
  const { claims, state } = decideDue(jobOf({}, { nextDueMs: 2 * HOUR, retry: { ...retry, atMs: 2 * HOUR } }), 2 * HOUR, "once");
  assert.deepEqual([claims.map(({ cause }) => cause), state.retry], [["schedule"], undefined]);
});

const END: RunEnd = {
  status: "error",
  error: "busy",
  errorKind: "overloaded",
  toolsStarted: false,
  dueMs: HOUR,
  attempt: 0,
  isManual: false,
  startedAt: HOUR,
  endedAt: HOUR + 1_000,
};

test("a failed run is repeated after a wait that grows, unless a tool had begun or another attempt cannot help", () => {
  const job = jobOf({}, { nextDueMs: 100 * HOUR });
  const retryOf = (more: Partial<RunEnd>, retries = 3) => afterRun(job, { ...END, ...more }, retries).state.retry;
  assert.deepEqual(retryOf({}), { dueMs: HOUR, attempt: 1, atMs: END.endedAt + 30_000 });
  assert.equal(retryOf({ attempt: 2 })?.atMs, END.endedAt + 300_000);
  assert.equal(retryOf({ attempt: 3 }), undefined);
  assert.equal(retryOf({ toolsStarted: true }), undefined);
  assert.equal(retryOf({ errorKind: "auth" }), undefined);
  assert.equal(retryOf({ errorKind: "aborted" }), undefined);
  assert.equal(retryOf({ isManual: true }), undefined);
  assert.equal(retryOf({}, 0), undefined);
  assert.equal(afterRun(jobOf({}, { nextDueMs: HOUR + 20_000 }), END, 3).state.retry, undefined);
});

test("a repeating job is disabled after ten failures in a row, and a success starts the count again", () => {
  const failing = jobOf({}, { consecutiveErrors: 9 });
  const ended = afterRun(failing, { ...END, errorKind: "auth" }, 3);
  assert.equal(ended.enabled, false);
  assert.equal(ended.state.autoDisabled?.consecutiveErrors, 10);
  const { error: _error, ...ok } = END;
  assert.equal(afterRun(failing, { ...ok, status: "ok" }, 3).state.consecutiveErrors, 0);
});

const once = (more: Partial<JobDefinition>, status: "ok" | "error") =>
  afterRun(
    jobOf({ schedule: { kind: "at", at: "1970-01-01T01:00:00.000Z" }, ...more }, { nextDueMs: null }),
    { ...END, status, errorKind: "auth" },
    3,
  );

test("a job that is due once ends with its run, and is removed only where that was asked for and it succeeded", () => {
  assert.deepEqual([once({}, "ok").enabled, once({}, "ok").isRemoved], [false, false]);
  assert.equal(once({ deleteAfterRun: true }, "ok").isRemoved, true);
  assert.deepEqual([once({ deleteAfterRun: true }, "error").isRemoved, once({ deleteAfterRun: true }, "error").enabled], [false, false]);
});
