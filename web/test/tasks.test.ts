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

async function openSessions(): Promise<BrowserUser> {
  const user = await stage.signedIn();
  await user.page.getByRole("button", { name: "Sessions" }).click();
  return user;
}

const calls = (method: string): unknown[] => stage.gateway.calls.filter((call) => call.method === method).map((call) => call.params);

describe("the work of sub-agents on the page", () => {
  test("a task is shown below the one that gave it, and its result is handed back by one click", async () => {
    stage.gateway.tasks.fill(Date.now());
    const { page, errors, unexpectedRequests } = await openSessions();
    await hasText(page, ".task-tree .task-tree", /read the first\s*Done; its result was not handed back/);
    await page.getByRole("button", { name: "Hand back read the first" }).click();
    await page.getByRole("button", { name: "Hand back read the first" }).waitFor({ state: "hidden" });
    assert.deepEqual(calls("tasks.retry"), [{ taskIds: ["t2"] }]);
    await page.getByRole("button", { name: "Stop compare libraries" }).click();
    await hasText(page, ".task-tree", /compare libraries\s*Works/);
    assert.deepEqual(calls("tasks.cancel"), [{ taskId: "t1" }]);
    assert.deepEqual([errors, unexpectedRequests], [[], []]);
  });

  test("without tasks, and for who only reads, there is nothing to press", async () => {
    const { page } = await openSessions();
    assert.equal(await page.getByText("Work of sub-agents").count(), 0);
    stage.gateway.tasks.fill(Date.now());
    stage.gateway.limitScopes(["operator.read"]);
    const { page: other } = await openSessions();
    await hasText(other, ".task-tree", /compare libraries/);
    assert.equal(await other.getByRole("button", { name: /^(?:Stop|Hand back|Dismiss) / }).count(), 0);
  });
});
