import assert from "node:assert/strict";
import { test } from "node:test";
import { isExpired, type SessionResetRule } from "./expiry.ts";

const at = (text: string): number => Date.parse(text);
const daily: SessionResetRule = { mode: "daily", atHour: 4, idleMinutes: null };
const idle: SessionResetRule = { mode: "idle", atHour: 4, idleMinutes: 60 };
const none: SessionResetRule = { mode: "none", atHour: 4, idleMinutes: null };

const cases: readonly [string, SessionResetRule, string, string, string, boolean][] = [
  ["the same morning goes on", daily, "2026-03-01T09:00:00Z", "2026-03-01T23:00:00Z", "UTC", false],
  ["before the hour it is still yesterday", daily, "2026-03-01T23:00:00Z", "2026-03-02T03:59:00Z", "UTC", false],
  ["after the hour it is a new day", daily, "2026-03-01T23:00:00Z", "2026-03-02T04:01:00Z", "UTC", true],
  ["the hour is that of the user's time zone", daily, "2026-03-01T23:00:00Z", "2026-03-02T04:01:00Z", "America/New_York", false],
  ["and there it comes later", daily, "2026-03-02T08:00:00Z", "2026-03-02T09:30:00Z", "America/New_York", true],
  ["a week later it is over in any case", daily, "2026-03-01T09:00:00Z", "2026-03-08T09:00:00Z", "UTC", true],
  ["idle within the limit", idle, "2026-03-01T09:00:00Z", "2026-03-01T09:59:00Z", "UTC", false],
  ["idle beyond the limit", idle, "2026-03-01T09:00:00Z", "2026-03-01T10:01:00Z", "UTC", true],
  ["never by itself, whatever the idle limit", { ...idle, mode: "none" }, "2026-03-01T09:00:00Z", "2026-03-02T09:00:00Z", "UTC", false],
  ["daily may have an idle limit as well", { ...daily, idleMinutes: 60 }, "2026-03-01T09:00:00Z", "2026-03-01T10:01:00Z", "UTC", true],
  ["never by itself", none, "2026-01-01T09:00:00Z", "2026-12-01T10:01:00Z", "UTC", false],
];
for (const [title, rule, last, now, zone, expected] of cases) {
  test(title, () =>
    assert.equal(
      isExpired(rule, at(last), at(now), () => zone),
      expected,
    ),
  );
}
test("a session that was never used is not over", () =>
  assert.equal(
    isExpired(daily, 0, at("2026-03-01T09:00:00Z"), () => "UTC"),
    false,
  ));
