import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertAccessible } from "./axe.ts";
import { hasText, startPageTest } from "./page-session.ts";
import type { PageTest } from "./page-session.ts";

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(() => stage.reset());
after(() => stage.close());

const pictures = process.env["PICTURES"];
const KEY = "sk-ant-invented-key-1";

describe("the first screen of a gateway on its first day", () => {
  for (const look of [{ touch: true, width: 390, height: 844 }, {}])
    test(`a key, a channel and done, ${"touch" in look ? "on a phone" : "on a desk"}`, async () => {
      stage.gateway.models.offer();
      const { page, errors, unexpectedRequests } = await stage.signedIn(look);
      await page.getByRole("heading", { name: "Your gateway is running" }).waitFor();
      await page.getByLabel("API key").waitFor();
      const picture = async (name: string): Promise<void> => {
        if (pictures !== undefined) await page.screenshot({ path: `${pictures}/${"touch" in look ? "phone" : "desk"}-${name}.png` });
      };
      // A finger lifts where it was put down, also when the bar of a phone comes back meanwhile.
      const press = (button: { name: string; exact?: boolean }): Promise<void> => {
        const found = page.getByRole("button", button);
        return "touch" in look ? found.tap() : found.click();
      };
      await assertAccessible(page);
      await picture("begin");
      await page.getByLabel("API key").fill("bad-key-12345");
      await page.getByLabel("Provider", { exact: true }).selectOption("openai");
      await press({ name: "Test and keep" });
      await hasText(page, ".problem", /openai answered 401/);
      await page.getByLabel("API key").fill(KEY);
      await page.getByLabel("Provider", { exact: true }).selectOption("anthropic");
      await press({ name: "Test and keep" });
      await hasText(page, ".first-run-done", /Claude Sonnet 5 answers/);
      await picture("model");
      assert.ok(!(await page.content()).includes(KEY), "the key has left the page");
      await press({ name: "Connect a channel" });
      await press({ name: "Telegram" });
      await page.getByLabel("Bot token").fill("good-token");
      await picture("channel");
      await press({ name: "Check and connect" });
      await page.getByText("Step 3 of 3").waitFor();
      await picture("test");
      await press({ name: "Done", exact: true });
      await hasText(page, ".first-run-done", /Telegram/);
      await picture("done");
      const width = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(width[0]! <= width[1]!, `the page is ${width[0]} wide`);
      await page.getByRole("button", { name: "Done: write to the agent" }).click();
      await page.locator(".first-run").waitFor({ state: "detached" });
      assert.deepEqual([errors, unexpectedRequests], [[], []]);
    });

  test("who cannot administer the gateway, or comes later, sees the conversation", async () => {
    stage.gateway.models.offer();
    stage.gateway.limitScopes(["operator.read", "operator.write"]);
    const { page } = await stage.signedIn();
    await hasText(page, ".empty", /Your gateway is running/);
    assert.equal(await page.locator(".first-run").count(), 0);
  });
});
