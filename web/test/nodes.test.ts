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

async function openNodes(): Promise<BrowserUser> {
  const user = await stage.signedIn();
  await user.page.getByRole("button", { name: "Nodes" }).click();
  return user;
}

const calls = (method: string): unknown[] => stage.gateway.calls.filter((call) => call.method === method).map((call) => call.params);

describe("the nodes on the page", () => {
  test("each node says whether it is there, and each command why it runs or not", async () => {
    stage.gateway.nodes.fill(Date.now());
    const { page, errors, unexpectedRequests } = await openNodes();
    await hasText(page, ".panel-head", /Known nodes\s*2 of 2 connected/i);
    await page.getByText("3 commands may run").click();
    await hasText(page, ".facts", /camera\.snap\s+does not run: it acts on a person's device/);
    await hasText(page, ".facts", /location\.get\s+runs: allowed/);
    await hasText(page, ".facts", /location\.get\s+done, asked by agent main/);
    assert.deepEqual([errors, unexpectedRequests], [[], []]);
  });

  test("a request says in words what it would allow, and is approved by one click", async () => {
    stage.gateway.nodes.fill(Date.now());
    const { page, errors } = await openNodes();
    await hasText(page, ".entry", /attic\s*It could run programs, find programs, read and write files\./);
    await page.getByRole("button", { name: "Approve attic" }).click();
    await hasText(page, ".entry", /attic\s*Connected/);
    assert.equal(await page.getByRole("button", { name: "Approve attic" }).count(), 0);
    assert.deepEqual(calls("node.pair.approve"), [{ requestId: "6b1f0c1a-0000-4000-8000-000000000001" }]);
    assert.deepEqual(errors, []);
  });

  test("a node is removed after a question", async () => {
    stage.gateway.nodes.fill(Date.now());
    const { page } = await openNodes();
    await page.getByRole("button", { name: "Remove Ann's phone" }).click();
    assert.deepEqual(calls("node.pair.remove"), []);
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    assert.deepEqual(calls("node.pair.remove"), [{ nodeId: "a1".repeat(32) }]);
  });

  test("without nodes it shows how to add one, and who may not pair sees no requests", async () => {
    const { page } = await openNodes();
    await hasText(page, ".panel-empty", /No nodes yet/);
    stage.gateway.nodes.fill(Date.now());
    stage.gateway.limitScopes(["operator.read"]);
    const { page: other } = await openNodes();
    await hasText(other, ".entry", /Ann's phone/);
    assert.equal(await other.getByRole("button", { name: /^(?:Approve|Remove) / }).count(), 0);
  });
});
