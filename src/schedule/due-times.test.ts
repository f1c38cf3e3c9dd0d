import assert from "node:assert/strict";
import { test } from "node:test";
import { dueTimes, expressionProblem, nextDue, staggerOf, upcoming } from "./due-times.ts";
import type { JobSchedule } from "./job.ts";

const cron = (expr: string, tz: string, staggerMs?: number): JobSchedule => ({ kind: "cron", expr, tz, ...(staggerMs && { staggerMs }) });
const ms = (iso: string): number => Date.parse(iso);
const iso = (times: readonly number[]): string[] => times.map((at) => new Date(at).toISOString().slice(0, 16));

type Row = readonly [what: string, schedule: JobSchedule, after: string, times: readonly string[]];

const TABLE: readonly Row[] = [
  [
    "Berlin, a time in the hour that is left out",
    cron("30 2 * * *", "Europe/Berlin"),
    "2026-03-28T12:00Z",
    ["2026-03-29T01:00", "2026-03-30T00:30"],
  ],
  ["Berlin, a time that comes twice", cron("30 2 * * *", "Europe/Berlin"), "2026-10-24T12:00Z", ["2026-10-25T00:30", "2026-10-26T01:30"]],
  [
    "Berlin, every hour while the clock goes forward",
    cron("0 * * * *", "Europe/Berlin"),
    "2026-03-28T23:30Z",
    ["2026-03-29T00:00", "2026-03-29T01:00", "2026-03-29T02:00"],
  ],
  [
    "Berlin, every hour while the clock goes back",
    cron("0 * * * *", "Europe/Berlin"),
    "2026-10-24T23:30Z",
    ["2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T02:00"],
  ],
  [
    "New York, a time in the hour that is left out",
    cron("30 2 * * *", "America/New_York"),
    "2026-03-07T12:00Z",
    ["2026-03-08T07:00", "2026-03-09T06:30"],
  ],
  [
    "New York, a time that comes twice",
    cron("30 1 * * *", "America/New_York"),
    "2026-10-31T12:00Z",
    ["2026-11-01T05:30", "2026-11-02T06:30"],
  ],
  [
    "Lord Howe, a time in the half hour that is left out",
    cron("15 2 * * *", "Australia/Lord_Howe"),
    "2026-10-03T00:00Z",
    ["2026-10-03T15:30", "2026-10-04T15:15"],
  ],
  [
    "Lord Howe, a time that comes twice",
    cron("45 1 * * *", "Australia/Lord_Howe"),
    "2026-04-04T00:00Z",
    ["2026-04-04T14:45", "2026-04-05T15:15"],
  ],
  ["the 31st", cron("0 0 31 * *", "UTC"), "2026-01-31T00:00Z", ["2026-03-31T00:00", "2026-05-31T00:00"]],
  ["the last day of the month", cron("0 0 L * *", "UTC"), "2027-01-31T00:00Z", ["2027-02-28T00:00", "2027-03-31T00:00"]],
  ["the leap day", cron("0 0 29 2 *", "UTC"), "2026-01-01T00:00Z", ["2028-02-29T00:00", "2032-02-29T00:00"]],
  ["day of the month or weekday", cron("0 0 13 * 5", "UTC"), "2026-10-12T00:00Z", ["2026-10-13T00:00", "2026-10-16T00:00"]],
  [
    "an interval with an anchor that has passed",
    { kind: "every", everyMs: 3_600_000, anchorMs: ms("2026-01-01T00:20Z") },
    "2026-06-01T12:00Z",
    ["2026-06-01T12:20", "2026-06-01T13:20"],
  ],
  [
    "an interval with an anchor to come",
    { kind: "every", everyMs: 3_600_000, anchorMs: ms("2026-07-01T00:20Z") },
    "2026-06-01T12:00Z",
    ["2026-07-01T00:20", "2026-07-01T01:20"],
  ],
  ["an interval at one of its times", { kind: "every", everyMs: 60_000, anchorMs: 0 }, "2026-06-01T12:00Z", ["2026-06-01T12:01"]],
  ["a moment", { kind: "at", at: "2026-06-01T12:00:00.000Z" }, "2026-06-01T11:59Z", ["2026-06-01T12:00"]],
  ["a moment that has passed", { kind: "at", at: "2026-06-01T12:00:00.000Z" }, "2026-06-01T12:00Z", []],
];

for (const [what, schedule, after, times] of TABLE)
  test(`due times: ${what}`, () => assert.deepEqual(iso(upcoming(schedule, ms(after), Math.max(1, times.length))), times));

test("through both changes of the clock no hour of an hourly job is lost or doubled", () => {
  for (const tz of ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]) {
    for (const start of [ms("2026-03-05T00:30Z"), ms("2026-10-01T00:30Z")]) {
      const times = upcoming(cron("15 * * * *", tz), start, 24 * 35);
      // At Lord Howe the clock changes by half an hour.
      const gaps = new Set(times.slice(1).map((at, index) => (at - times[index]!) / 60_000));
      const expected = tz === "Australia/Lord_Howe" ? [30, 60, 90] : [60];
      assert.ok(
        [...gaps].every((gap) => expected.includes(gap)),
        `${tz}: ${[...gaps].join(", ")}`,
      );
      assert.equal(new Set(times).size, times.length);
    }
  }
});

test("what was due in a time is the same whether it is asked for at once or one by one", () => {
  const rows: readonly JobSchedule[] = [cron("*/7 * * * *", "Europe/Berlin"), { kind: "every", everyMs: 420_000, anchorMs: 17 }];
  for (const schedule of rows) {
    const first = nextDue(schedule, ms("2026-10-24T20:00Z"))!;
    const until = ms("2026-10-25T08:00Z");
    const { times, count, next, isCounted } = dueTimes(schedule, first, { until, limit: 1_000, jobId: "" });
    assert.deepEqual(times, upcoming(schedule, first - 1, count));
    assert.equal(times.at(-1)! <= until && next! > until, true);
    assert.equal(isCounted, true);
  }
});

test("of more due times than a limit the newest are listed", () => {
  const schedule: JobSchedule = { kind: "every", everyMs: 60_000, anchorMs: 0 };
  const every = dueTimes(schedule, 60_000, { until: 6_000_000, limit: 10, jobId: "" });
  assert.equal(every.count, 100);
  assert.equal(every.times.length, 10);
  assert.equal(every.times.at(-1), 6_000_000);
  assert.equal(every.next, 6_060_000);
  const expression = dueTimes(cron("* * * * *", "UTC"), 60_000, { until: 6_000_000, limit: 10, jobId: "" });
  assert.deepEqual(
    [expression.times.length, expression.times.at(-1), expression.isCounted, expression.next],
    [10, 6_000_000, false, 6_060_000],
  );
});

test("a stagger shifts all due times of a job by the same time within its window", () => {
  const schedule = cron("0 * * * *", "UTC", 300_000);
  const shift = staggerOf(schedule, "job-1");
  assert.ok(shift >= 0 && shift < 300_000);
  assert.notEqual(shift, staggerOf(schedule, "job-2"));
  const times = upcoming(schedule, ms("2026-06-01T00:10Z"), 3, "job-1");
  assert.deepEqual(
    times,
    [1, 2, 3].map((hour) => ms("2026-06-01T00:00Z") + hour * 3_600_000 + shift),
  );
});

test("an expression that cannot be used differs from one that can", () => {
  const now = ms("2026-06-01T00:00Z");
  assert.equal(expressionProblem("0 9 * * 1-5", "UTC", now), null);
  assert.match(expressionProblem("61 * * * *", "UTC", now)!, /minute/);
  assert.equal(expressionProblem("0 0 30 2 *", "UTC", now), "no such time ever comes");
});
