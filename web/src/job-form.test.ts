import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyFields, expressionOf, toJob, type JobFields } from "./job-form.ts";

const filled: JobFields = {
  ...emptyFields(),
  name: "Calendar",
  message: " Tell me what is in calendar.md ",
  timeZone: "Europe/Berlin",
  account: "telegram/default",
  to: "7",
};

test("every weekday morning at eight on Telegram is one job with the zone that it was made in", () => {
  assert.deepEqual(toJob(filled), {
    name: "Calendar",
    schedule: { kind: "cron", expr: "0 8 * * 1-5", tz: "Europe/Berlin" },
    sessionTarget: "isolated",
    wakeMode: "now",
    payload: { kind: "agentTurn", message: "Tell me what is in calendar.md" },
    delivery: { mode: "announce", channel: "telegram", accountId: "default", to: "7" },
  });
  assert.equal(toJob({ ...filled, account: "" })?.["delivery"], undefined);
});

test("a form in which something is missing is not a job yet", () => {
  for (const part of [{ name: " " }, { message: "" }, { time: "" }, { to: "" }, { repeat: "custom" }] as const)
    assert.equal(toJob({ ...filled, ...part }), null, JSON.stringify(part));
});

const of = (repeat: JobFields["repeat"]): string | null => expressionOf({ repeat, time: "07:30", expression: " 5 4 * * * " });

test("how often is a cron expression", () => {
  assert.deepEqual([of("weekdays"), of("days"), of("hours"), of("custom")], ["30 7 * * 1-5", "30 7 * * *", "0 * * * *", "5 4 * * *"]);
});
