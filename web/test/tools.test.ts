import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { hasText, startPageTest } from "./page-session.ts";
import type { BrowserProfile, BrowserUser } from "./browser.ts";
import type { PageTest } from "./page-session.ts";
import type { Page } from "playwright-core";

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(() => stage.reset());
after(() => stage.close());

async function openTools(look: BrowserProfile = {}): Promise<BrowserUser> {
  stage.gateway.channels.fill();
  const user = await stage.signedIn(look);
  if (look.touch === true) await user.page.getByRole("button", { name: "Sessions" }).click();
  await user.page.getByRole("button", { name: "Tools" }).click();
  await hasText(user.page, ".entry", "exec");
  return user;
}

const toolText = (page: Page, tool: string): Promise<string> =>
  page.locator(".entry", { has: page.getByText(tool, { exact: true }) }).innerText();
const lastExplained = (): unknown => stage.gateway.calls.findLast((call) => call.method === "tools.explain")?.params;

describe("tools on the page", () => {
  test("each tool says whether it is granted and which setting decides, and commands when and where they run", async () => {
    const { page, errors, unexpectedRequests } = await openTools();
    assert.deepEqual(lastExplained(), { agentId: "main" });
    assert.match(
      await toolText(page, "exec"),
      /^exec\s+Granted\s+Runs a shell command in the workspace\.\s+Decided by: operators have all tools/,
    );
    assert.match(await toolText(page, "write"), /Not granted[\s\S]+Decided by: tools\.deny/);
    await hasText(page, ".panel-head", /Files\s*2 of 3 granted/);
    assert.match(await toolText(page, "When they run"), /ask\s+A command runs if it only reads.+Decided by: tools\.exec\.mode "ask"/s);
    assert.match(await toolText(page, "Where they run"), /auto\s+The agent chooses.+Decided by: the default host/s);
    assert.deepEqual([errors, unexpectedRequests], [[], []]);
  });

  test("a message of a channel is described by its account and its sender or room", async () => {
    const { page, errors } = await openTools();
    const whose = page.getByLabel("For messages of");
    assert.deepEqual(await whose.locator("option").allInnerTexts(), [
      "operators, as on this page",
      "people on IRC",
      "people on Slack · work",
      "people on Slack · home",
    ]);
    await whose.selectOption("people on Slack · work");
    await hasText(page, ".entry", "In the sandbox. Nothing in the workspace can be changed.");
    assert.deepEqual(lastExplained(), { agentId: "main", channel: "slack", account: "work" });
    await page.getByLabel("Message", { exact: true }).selectOption("direct message of one person");
    await page.getByLabel("Id of the sender").fill("4711");
    await page.keyboard.press("Enter");
    await hasText(page, ".warn", "Such a message is not answered (drop): the sender is not paired");
    assert.deepEqual(lastExplained(), { agentId: "main", channel: "slack", account: "work", peer: "4711" });
    await page.getByLabel("Message", { exact: true }).selectOption("in one room");
    await page.getByLabel("Id of the room").fill("#ops");
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await hasText(page, ".warn", "Such a message goes to another agent: ops");
    await page.getByRole("button", { name: "Show that agent" }).click();
    await page.locator(".warn").waitFor({ state: "detached" });
    assert.deepEqual(lastExplained(), { agentId: "ops", channel: "slack", account: "work", peer: "#ops", group: true });
    assert.equal(await page.getByLabel("Agent", { exact: true }).inputValue(), "ops");
    assert.match(await toolText(page, "exec"), /Not granted[\s\S]+channels\.slack\.groups\.#ops\.tools\.deny/);
    assert.deepEqual(errors, []);
  });

  test("it fits a phone, and the address leads back to it", async () => {
    const { page } = await openTools({ width: 360, height: 740, dark: true, touch: true });
    await page.getByLabel("For messages of").selectOption("people on Slack · work");
    await page.getByLabel("Message", { exact: true }).selectOption("in one room");
    await page.getByLabel("Id of the room").waitFor();
    assert.equal(
      await page.evaluate(() => [...document.querySelectorAll(".view *")].every((one) => one.getBoundingClientRect().right <= innerWidth)),
      true,
    );
    await page.reload();
    await hasText(page, ".entry", "exec");
    assert.match(page.url(), /#tools$/);
    await page.goBack();
    await page.locator("#composer").waitFor();
  });
});
