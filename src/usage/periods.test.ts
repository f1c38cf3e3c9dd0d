import assert from "node:assert/strict";
import { test } from "node:test";
import { dayOf, parseOffset, periodOf, segmentsOf, startOfDay, timeInZone, toDate, toDay } from "./periods.ts";

const at = (text: string): number => Date.parse(text);

const STARTS: readonly [string, string, string][] = [
  ["2026-11-30", "UTC", "2026-11-30T00:00:00Z"],
  ["2026-11-30", "Europe/Berlin", "2026-11-29T23:00:00Z"],
  ["2026-03-29", "Europe/Berlin", "2026-03-28T23:00:00Z"],
  ["2026-03-30", "Europe/Berlin", "2026-03-29T22:00:00Z"],
  ["2026-10-25", "Europe/Berlin", "2026-10-24T22:00:00Z"],
  ["2026-10-26", "Europe/Berlin", "2026-10-25T23:00:00Z"],
  ["2026-11-01", "America/New_York", "2026-11-01T04:00:00Z"],
  ["2026-11-30", "Asia/Kolkata", "2026-11-29T18:30:00Z"],
  ["2026-11-30", "Pacific/Kiritimati", "2026-11-29T10:00:00Z"],
  // The clocks go forward at midnight: the day begins at 01:00.
  ["2026-04-24", "Africa/Cairo", "2026-04-23T22:00:00Z"],
];

for (const [date, zone, expected] of STARTS) {
  test(`${date} begins in ${zone} at ${expected}`, () => {
    const start = startOfDay(toDay(date)!, zone);
    assert.equal(new Date(start).toISOString(), expected.replace("Z", ".000Z"));
    assert.equal(dayOf(start, zone), date);
    assert.notEqual(dayOf(start - 1, zone), date);
  });
}

test("a month begins and ends with the days of its zone", () => {
  const { start, end } = periodOf(at("2026-10-31T23:30:00Z"), "month", "Europe/Berlin");
  assert.equal(new Date(start).toISOString(), "2026-10-31T23:00:00.000Z");
  assert.equal(new Date(end).toISOString(), "2026-11-30T23:00:00.000Z");
});

test("a range of days is one part for each offset, and no hour is in two", () => {
  const segments = segmentsOf(toDay("2026-10-20")!, toDay("2026-10-31")!, "Europe/Berlin");
  assert.ok(segments.length >= 2);
  for (const [index, part] of segments.entries()) if (index > 0) assert.equal(part.from, segments[index - 1]!.to);
  const days = segments.flatMap(({ from, to, offset, lastDay }) =>
    Array.from({ length: to - from }, (_, i) => Math.min(lastDay, Math.floor((from + i + offset) / 24))),
  );
  const counts = Map.groupBy(days, (day) => toDate(day));
  assert.equal(counts.get("2026-10-24")!.length, 24);
  assert.equal(counts.get("2026-10-25")!.length, 25);
  assert.equal(counts.get("2026-10-31")!.length, 24);
  assert.equal(days.length, 12 * 24 + 1);
});

test("dates and offsets that are none are recognized", () => {
  for (const text of ["2026-02-30", "2026-1-1", "today", ""]) assert.equal(toDay(text), null, text);
  assert.equal(parseOffset("UTC-4"), -4 * 3_600_000);
  assert.equal(parseOffset("UTC+5:30"), 5.5 * 3_600_000);
  assert.equal(parseOffset("UTC+0"), 0);
  assert.equal(parseOffset("GMT"), null);
});

const show = (iso: string, zone: string): string => timeInZone(Date.parse(iso), zone);

test("a time in a zone is that of its clocks, with the offset on both sides of a change", () => {
  assert.equal(show("2026-10-24T06:00:00Z", "Europe/Berlin"), "2026-10-24T08:00+02:00");
  assert.equal(show("2026-10-26T07:00:00Z", "Europe/Berlin"), "2026-10-26T08:00+01:00");
  assert.equal(show("2026-12-01T12:00:00Z", "America/St_Johns"), "2026-12-01T08:30-03:30");
  assert.equal(show("2026-12-01T12:00:00Z", "UTC"), "2026-12-01T12:00+00:00");
});
