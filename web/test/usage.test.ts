import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { hasText, startPageTest } from "./page-session.ts";
import type { BrowserUser } from "./browser.ts";
import type { PageTest } from "./page-session.ts";

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(() => stage.reset());
after(() => stage.close());

async function openUsage(): Promise<BrowserUser> {
  const user = await stage.signedIn();
  await user.page.getByRole("button", { name: "Usage" }).click();
  return user;
}

const calls = (method: string): Record<string, unknown>[] =>
  stage.gateway.calls.filter((call) => call.method === method).map((call) => call.params);

describe("usage and budgets on the page", () => {
  test("sums, a bar for each day and a table; a cost that is not known is never 0", async () => {
    stage.gateway.usage.fill(Date.UTC(2026, 2, 14));
    const { page, errors, unexpectedRequests } = await openUsage();
    await hasText(page, ".figures", /Cost\s*\$0\.30 \+\s*Tokens\s*15,500\s*Requests\s*17/);
    assert.equal(await page.locator(".bars li").count(), 30);
    await hasText(page, ".panel-note", /The price of 2 requests is not known/);
    await hasText(page, ".figures-table tbody tr:nth-child(2)", /2\s*500\s*unknown/);
    await page.getByRole("button", { name: "7 days" }).click();
    await page.locator(".bars li:nth-child(7):last-child").waitFor();
    assert.equal(calls("usage.report").at(-1)!["days"], 7);
    await page.getByLabel("Group by").selectOption("sender");
    await page.locator(".figures-table thead", { hasText: "Sender" }).waitFor();
    assert.deepEqual(calls("usage.report").at(-1)!["by"], ["channel", "sender"]);
    assert.deepEqual([errors, unexpectedRequests], [[], []]);
  });

  test("the CSV file has a row for each day", async () => {
    stage.gateway.usage.fill(Date.UTC(2026, 2, 14));
    const { page } = await openUsage();
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download CSV" }).click()]);
    assert.equal(download.suggestedFilename(), "usage-by-model-2026-02-13-2026-03-14.csv");
  });

  test("a budget that is used up is lifted for an hour, and limits again", async () => {
    stage.gateway.usage.fill(Date.UTC(2026, 2, 14));
    const { page } = await openUsage();
    await hasText(page, ".entry", /each-person\s*telegram:4711\s*Used up[\s\S]*203,400 tokens of 200,000 tokens a day/);
    await page.getByRole("button", { name: "Lift for 1 hour" }).click();
    await page.getByRole("button", { name: "End" }).click();
    await page.getByRole("button", { name: "Lift for 1 hour" }).waitFor();
    assert.deepEqual(
      calls("budgets.lift").map(({ durationMs, for: pot }) => [durationMs, pot]),
      [
        [3_600_000, "telegram:4711"],
        [0, "telegram:4711"],
      ],
    );
  });

  test("without usage it says so, and shows how to set a budget; only administrators lift one", async () => {
    stage.gateway.limitScopes(["operator.read"]);
    const { page } = await openUsage();
    await hasText(page, ".panel-empty", /No model was asked/);
    await hasText(page, ".panel-empty", /To stop asking models after five dollars a day/);
    assert.equal(await page.getByRole("button", { name: /Lift/ }).count(), 0);
  });
});
