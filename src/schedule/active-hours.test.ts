import assert from "node:assert/strict";
import { test } from "node:test";
import { dueTimes, nextDue, upcoming } from "./due-times.ts";
import type { JobSchedule } from "./job.ts";

const MINUTE = 60_000;
const HOUR = 3_600_000;

const schedule = (everyMs: number, hours: [start: number, end: number, tz: string], anchor = "2026-06-01T00:10:00Z"): JobSchedule => ({
  kind: "every",
  everyMs,
  anchorMs: Date.parse(anchor),
  activeHours: { start: hours[0] * 60, end: hours[1] * 60, tz: hours[2] },
});

const iso = (times: readonly number[]): string[] => times.map((at) => new Date(at).toISOString().slice(0, 16));

test("what would be due at night is due once, when the active hours begin", () => {
  const office = schedule(HOUR, [8, 22, "UTC"]);
  const evening = Date.parse("2026-06-01T20:30:00Z");
  assert.deepEqual(iso(upcoming(office, evening, 4)), ["2026-06-01T21:10", "2026-06-02T08:00", "2026-06-02T08:10", "2026-06-02T09:10"]);
  const night = Date.parse("2026-06-02T03:00:00Z");
  assert.deepEqual(iso(upcoming(office, night, 2)), ["2026-06-02T08:00", "2026-06-02T08:10"]);
});

test("a heartbeat once a day whose time is at night comes with the beginning of each day", () => {
  const daily = schedule(24 * HOUR, [8, 22, "UTC"], "2026-06-01T03:00:00Z");
  assert.deepEqual(iso(upcoming(daily, Date.parse("2026-06-01T12:00:00Z"), 3)), [
    "2026-06-02T08:00",
    "2026-06-03T08:00",
    "2026-06-04T08:00",
  ]);
});

test("hours that end on the next day are one stretch", () => {
  const night = schedule(2 * HOUR, [22, 4, "UTC"]);
  assert.deepEqual(iso(upcoming(night, Date.parse("2026-06-01T21:00:00Z"), 4)), [
    "2026-06-01T22:00",
    "2026-06-01T22:10",
    "2026-06-02T00:10",
    "2026-06-02T02:10",
  ]);
});

test("both changes of the clocks keep to the local hours, in five zones", () => {
  const changes: readonly [zone: string, day: string][] = [
    ["Europe/Berlin", "2026-03-29"],
    ["Europe/Berlin", "2026-10-25"],
    ["America/New_York", "2026-03-08"],
    ["America/New_York", "2026-11-01"],
    ["Australia/Lord_Howe", "2026-04-05"],
    ["Australia/Lord_Howe", "2026-10-04"],
    ["America/Santiago", "2026-04-05"],
    ["America/Santiago", "2026-09-06"],
    ["Pacific/Auckland", "2026-04-05"],
    ["Pacific/Auckland", "2026-09-27"],
  ];
  for (const [zone, day] of changes) {
    const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone });
    const around = schedule(30 * MINUTE, [1, 5, zone], "2026-01-01T00:00:00Z");
    const from = Date.parse(`${day}T00:00:00Z`) - 36 * HOUR;
    const found = dueTimes(around, nextDue(around, from)!, { until: from + 72 * HOUR, limit: 1_000, jobId: "" }).times;
    assert.ok(found.length >= 20, `${zone} ${day}: ${found.length}`);
    assert.equal(new Set(found).size, found.length);
    for (const at of found) {
      const hour = Number(clock.format(at).slice(0, 2));
      assert.ok(hour >= 1 && hour < 5, `${zone} ${new Date(at).toISOString()} is ${clock.format(at)} there`);
    }
  }
});
