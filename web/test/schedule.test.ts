import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { hasText, startPageTest } from "./page-session.ts";
import type { BrowserUser } from "./browser.ts";
import type { PageTest } from "./page-session.ts";
import type { Page } from "playwright-core";

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(() => stage.reset());
after(() => stage.close());

async function openSchedule(): Promise<BrowserUser> {
  const user = await stage.signedIn();
  await user.page.getByRole("button", { name: "Schedule" }).click();
  return user;
}

const entryText = (page: Page, name: string): Promise<string> =>
  page
    .locator(".entry", { has: page.getByText(name, { exact: true }) })
    .first()
    .innerText();
const calls = (method: string): unknown[] => stage.gateway.calls.filter((call) => call.method === method).map((call) => call.params);

describe("the schedule on the page", () => {
  test("each job says when it is due and what is in its way, and the log says what became of its runs", async () => {
    stage.gateway.jobs.fill(Date.now());
    const { page, errors, unexpectedRequests } = await openSchedule();
    await hasText(page, ".panel-head", /Jobs\s*2 of 2 on/);
    assert.match(await entryText(page, "Morning report"), /Morning report\s+On\s+every weekday at 09:00 Europe\/Berlin\s+Next: .*09:00/);
    assert.match(
      await entryText(page, "Check the backup"),
      /made by the agent\s+Last run failed[\s\S]+the model local\/large is not known/,
    );
    await hasText(page, ".entry", /Skipped\s*2 due times: the gateway did not run at that time/);
    await hasText(page, ".entry", /Done\s*Three new messages/);
    assert.deepEqual([errors, unexpectedRequests], [[], []]);
  });

  test("heartbeats show what a day costs and have a switch, and hooks what was taken and refused", async () => {
    stage.gateway.jobs.fill(Date.now());
    const { page, errors } = await openSchedule();
    await hasText(page, ".entry", /main\s*On\s*Every 30m, next [\s\S]*\$0\.06 a day for 28 heartbeats; today \$0\.01 for 6 requests/);
    await hasText(page, ".entry", /Refused: bad-signature/);
    await hasText(page, ".entry", /Takes nothing[\s\S]*hooks\.token is not set/);
    await page.getByRole("button", { name: "Switch off" }).click();
    await page.getByRole("button", { name: "Switch on" }).waitFor();
    assert.deepEqual(calls("set-heartbeats"), [{ enabled: false }]);
    assert.deepEqual(errors, []);
  });

  test("a job is run, disabled and enabled", async () => {
    stage.gateway.jobs.fill(Date.now());
    const { page, errors } = await openSchedule();
    await page.getByRole("button", { name: "Disable Morning report" }).click();
    await page.getByRole("button", { name: "Enable Morning report" }).waitFor();
    await page.getByRole("button", { name: "Enable Morning report" }).click();
    await page.getByRole("button", { name: "Disable Morning report" }).waitFor();
    const id = "7f0c1a52-0000-4000-8000-000000000001";
    assert.deepEqual(
      calls("cron.update"),
      [false, true].map((enabled) => ({ id, patch: { enabled } })),
    );
    await page.getByRole("button", { name: "Run now: Morning report" }).click();
    await page.locator("button[aria-label='Run now: Morning report']:enabled").waitFor();
    assert.deepEqual(calls("cron.run"), [{ id, mode: "force" }]);
    assert.deepEqual(errors, []);
  });

  test("a job is added with its zone and its chat, and says when it runs, what it costs and how to stop it", async () => {
    const { page, errors } = await openSchedule();
    await page.getByRole("button", { name: "Add a job" }).click();
    const form = page.getByRole("form", { name: "New job" });
    assert.equal(await form.getByRole("button", { name: "Add" }).isDisabled(), true);
    await form.getByLabel("Name").fill("Calendar");
    await form.getByLabel("What the agent is asked").fill("Tell me what is in calendar.md");
    await form.getByLabel("Time zone").fill("Mars/Base");
    await form.getByRole("button", { name: "Add" }).click();
    await hasText(page, "[role=alert]", /is not a time zone/);
    await form.getByLabel("Time zone").fill("Europe/Berlin");
    await form.getByRole("button", { name: "Add" }).click();
    await page.getByRole("button", { name: "Disable Calendar" }).waitFor();
    const text = await entryText(page, "Calendar");
    assert.match(
      text,
      /Next: .* · .* · .*GMT\+1[\s\S]*Cost: unknown until the first run\s+Stop: the button Disable, or openclaw cron disable 7f0c1a52/,
    );
    const schedule = { kind: "cron", expr: "0 8 * * 1-5", tz: "Europe/Berlin" };
    assert.deepEqual((calls("cron.add").at(-1) as { schedule: unknown }).schedule, schedule);
    assert.deepEqual(errors, []);
  });

  test("without jobs and heartbeats it shows how to ask for them", async () => {
    const { page } = await openSchedule();
    await hasText(page, ".panel-empty", /No jobs yet/);
    await hasText(page, ".panel-empty", /No agent has heartbeats/);
    assert.equal(await page.getByRole("button", { name: "Copy the command" }).count(), 2);
  });

  test("only administrators run and switch jobs", async () => {
    stage.gateway.jobs.fill(Date.now());
    stage.gateway.limitScopes(["operator.read"]);
    const { page } = await openSchedule();
    await hasText(page, ".entry", "Morning report");
    assert.equal(await page.getByRole("button", { name: /^(?:Run|Disable|Enable) / }).count(), 0);
  });
});
