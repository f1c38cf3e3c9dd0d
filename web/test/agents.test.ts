import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertAccessible } from "./axe.ts";
import { hasText, startPageTest } from "./page-session.ts";
import type { BrowserUser } from "./browser.ts";
import type { PageTest } from "./page-session.ts";

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(async () => {
  await stage.reset();
  stage.gateway.agentFiles.fill(Date.now());
});
after(() => stage.close());

async function openAgents(): Promise<BrowserUser> {
  const user = await stage.signedIn();
  await user.page.getByRole("button", { name: "Agents", exact: true }).click();
  await user.page.locator("#agent-files-title").waitFor();
  return user;
}

describe("agents and their files on the page", () => {
  test("a file is edited and saved, and the page says when it counts", async () => {
    const { page, errors, unexpectedRequests } = await openAgents();
    await hasText(page, ".entry", /🌹 Rosa\s*default/);
    await page.getByRole("button", { name: "Edit SOUL.md" }).click();
    const field = page.getByRole("textbox", { name: "SOUL.md" });
    await field.fill("Warm.\n");
    await page.getByText("Not saved").waitFor();
    await page.keyboard.press("Control+s");
    await hasText(page, ".toast", /SOUL\.md is saved/);
    assert.equal(stage.gateway.agentFiles.text("SOUL.md"), "Warm.\n");
    await assertAccessible(page);
    assert.deepEqual([errors, unexpectedRequests], [[], []]);
  });

  test("a file that the agent has written meanwhile is not overwritten without a question", async () => {
    const { page } = await openAgents();
    await page.getByRole("button", { name: "Write MEMORY.md" }).click();
    await page.getByRole("textbox", { name: "MEMORY.md" }).fill("Mine.\n");
    stage.gateway.agentFiles.write("MEMORY.md", "Of the agent.\n");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await hasText(page, ".warn", /The file was changed after you opened it/);
    assert.equal(stage.gateway.agentFiles.text("MEMORY.md"), "Of the agent.\n");
    await page.getByRole("button", { name: "Overwrite it with this text" }).click();
    await hasText(page, ".toast", /MEMORY\.md is saved/);
    assert.equal(stage.gateway.agentFiles.text("MEMORY.md"), "Mine.\n");
  });

  test("who may only read sees the files, and no field that saves", async () => {
    stage.gateway.limitScopes(["operator.read"]);
    const { page } = await openAgents();
    await page.getByRole("button", { name: "Read AGENTS.md" }).click();
    assert.equal(await page.getByRole("textbox", { name: "AGENTS.md" }).getAttribute("readonly"), "");
    assert.equal(await page.getByRole("button", { name: "Save", exact: true }).count(), 0);
  });
});
