import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { until } from "../../test/until.ts";
import { hasText, startPageTest } from "./page-session.ts";
import type { BrowserProfile, BrowserUser } from "./browser.ts";
import type { PageTest } from "./page-session.ts";

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(() => stage.reset());
after(() => stage.close());

async function openBrowsers(look: BrowserProfile = {}): Promise<BrowserUser> {
  const user = await stage.signedIn(look);
  await user.page.getByRole("button", { name: "Browser", exact: true }).click();
  await user.page.getByRole("heading", { name: "Browser", exact: true }).waitFor();
  return user;
}

const asked = (method: string): unknown[] => stage.gateway.calls.filter((call) => call.method === method).map((call) => call.params);

describe("browsers of agents on the page", () => {
  test("each tab has its page, its conversation and its errors, and the chosen one a picture", async () => {
    stage.gateway.browsers.fill();
    const { page, errors, unexpectedRequests } = await openBrowsers();
    await page.getByRole("img", { name: 'What the page "Your basket" shows now' }).waitFor();
    await hasText(page, ".entry", /Your basket\s*t1\s*shop\.example\/basket[\s\S]*in Main session|Your basket[\s\S]*in /);
    await page.getByText("2 errors of the page").click();
    await page.getByText("uncaught TypeError: total is undefined").waitFor();
    await hasText(page, ".panel", /Browser of ops[\s\S]*Profile desk[\s\S]*do not pass the gateway's proxy[\s\S]*No tab is open/);
    await page.getByRole("button", { name: "Timetable", exact: true }).click();
    await page.getByRole("img", { name: 'What the page "Timetable" shows now' }).waitFor();
    assert.equal(await page.locator(".tab-picture").count(), 1);
    assert.deepEqual([errors, unexpectedRequests], [[], []]);
  });

  test("a tab is closed, and a browser is stopped after a question", async () => {
    stage.gateway.browsers.fill();
    const { page } = await openBrowsers();
    await page.getByRole("button", { name: "Close Your basket" }).click();
    await page.getByText("Your basket").waitFor({ state: "detached" });
    const panel = page.locator(".panel", { hasText: "Browser of main" });
    await panel.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("dialog").getByText("Open now: 1 tab.").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Stop" }).click();
    await panel.waitFor({ state: "detached" });
    assert.deepEqual(asked("browser.request"), [
      { action: "close", args: { targetId: "t1", profile: "openclaw" }, sessionKey: "agent:main:main", agentId: "main" },
      { action: "stop", args: { profile: "openclaw" }, agentId: "main" },
    ]);
  });

  test("without a browser it says when one starts, and starts it", async () => {
    const { page } = await openBrowsers();
    await page.getByRole("heading", { name: "No browser runs" }).waitFor();
    await page.getByRole("button", { name: "Start the browser" }).click();
    await hasText(page, ".panel", /Browser of main[\s\S]*No tab is open/);
  });

  test("who may only read sees the pages and changes nothing", async () => {
    stage.gateway.browsers.fill();
    stage.gateway.limitScopes(["operator.read", "operator.write"]);
    const { page } = await openBrowsers();
    await page.getByRole("img", { name: /Your basket/ }).waitFor();
    assert.equal(await page.getByRole("button", { name: /^(?:Close|Stop|Release)/ }).count(), 0);
  });

  test("pages are read again while the view is shown, and not beside another one", async () => {
    stage.gateway.browsers.fill();
    const user = await stage.signedIn();
    const { page } = user;
    await page.clock.install();
    await page.getByRole("button", { name: "Browser", exact: true }).click();
    await page.getByRole("img", { name: /Your basket/ }).waitFor();
    const first = asked("browser.tabs").length;
    await until("the next reading", async () => {
      await page.clock.runFor(1_000);
      return asked("browser.tabs").length > first;
    });
    await page.getByRole("button", { name: "Skills" }).click();
    await hasText(page, ".entry", "weather");
    const before = asked("browser.tabs").length;
    await page.clock.runFor(60_000);
    await page.getByRole("button", { name: "Audit" }).click();
    await page.getByRole("button", { name: "Read again" }).click();
    assert.equal(asked("browser.tabs").length, before);
  });
});
