import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { EXAMPLE } from "../dev/config.ts";
import { assertAccessible } from "./axe.ts";
import { hasText, startPageTest } from "./page-session.ts";
import type { BrowserProfile, BrowserUser } from "./browser.ts";
import type { PageTest } from "./page-session.ts";

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(async () => {
  await stage.reset();
  stage.gateway.config.fill();
});
after(() => stage.close());

async function openConfig(look: BrowserProfile = {}): Promise<BrowserUser> {
  const user = await stage.signedIn(look);
  await user.page.keyboard.press("Escape");
  await user.page.locator("body").evaluate(() => (location.hash = "#config"));
  await user.page.locator(".cfg-form select").first().waitFor();
  return user;
}

const calls = (method: string): Record<string, unknown>[] =>
  stage.gateway.calls.filter((call) => call.method === method).map((call) => call.params);

describe("the configuration on the page", () => {
  test("a field changes the text, the plan says what restarts, and the file is written with its comments", async () => {
    const { page, errors, unexpectedRequests } = await openConfig();
    await page.getByLabel("Port", { exact: true }).fill("18790");
    await page.keyboard.press("Tab");
    await hasText(page, ".cfg-plan", /1 setting changes\. The gateway restarts/);
    await hasText(page, ".cfg-plan .facts", /gateway\.port\s+needs a restart/);
    await hasText(page, ".cfg-diff", /- {5}port: 18789,\s+\+ {5}port: 18790,/);
    assert.match(await page.getByLabel("Text (JSON5)").inputValue(), /port: 18790/);
    assert.deepEqual(calls("config.apply"), []);
    await page.getByRole("button", { name: "Apply and restart" }).click();
    await hasText(page, ".entry", /Version 2\s*In the file[\s\S]*By config\.apply, webchat-ui/);
    assert.match(stage.gateway.config.file(), /listens for this machine only[\s\S]*port: 18790[\s\S]*invented-token-of-the-example/);
    assert.deepEqual([errors, unexpectedRequests], [[], []]);
  });

  test("no secret reaches the page, and one that is written is not shown afterwards", async () => {
    const { page } = await openConfig();
    await page.locator(".cfg-part > summary", { hasText: /^Auth/ }).click();
    const field = page.getByLabel("Token", { exact: true }).first();
    await field.fill("another-invented-token");
    await page.keyboard.press("Tab");
    await page.getByRole("button", { name: /^Apply/ }).click();
    await hasText(page, ".entry", /Version 2/);
    assert.match(stage.gateway.config.file(), /another-invented-token/);
    const content = await page.content();
    const text = await page.getByLabel("Text (JSON5)").inputValue();
    for (const secret of ["another-invented-token", "invented-token-of-the-example"])
      assert.ok(!content.includes(secret) && !text.includes(secret), secret);
  });

  test("a finding is shown at its field and at its line, and nothing is saved with it", async () => {
    const { page } = await openConfig();
    await page
      .getByLabel("Text (JSON5)")
      .fill(EXAMPLE.replace("18789", '"many"').replace("invented-token-of-the-example", "__OPENCLAW_REDACTED__"));
    await hasText(page, ".cfg-field .field-problem", /port/i);
    await page.getByRole("button", { name: "Line 4" }).click();
    await hasText(page, ".cfg-plan", /Correct the findings first/);
    assert.equal(await page.getByRole("button", { name: /^Apply/ }).isDisabled(), true);
    await page.getByLabel("Text (JSON5)").fill("{ gateway: ");
    await hasText(page, ".cfg-issues", /not JSON5/);
    await page.getByRole("button", { name: "Discard" }).click();
    await page.locator(".cfg-plan").waitFor({ state: "detached" });
  });

  test("a file that someone else has changed is not overwritten, and the draft is kept and compared with it", async () => {
    const { page } = await openConfig();
    await page.getByLabel("Port", { exact: true }).fill("18790");
    await page.keyboard.press("Tab");
    await hasText(page, ".cfg-plan", /1 setting changes/);
    stage.gateway.config.edit(EXAMPLE.replace("helper", "someone"));
    await page.getByRole("button", { name: "Apply and restart" }).click();
    await hasText(page, ".cfg-plan .warn", /The file was changed after this draft was begun/);
    assert.match(stage.gateway.config.file(), /someone/);
    await page.getByRole("button", { name: "Compare with the file as it is now" }).click();
    await hasText(page, ".cfg-diff", /someone/);
    await hasText(page, ".cfg-diff", /helper/);
  });

  test("a file that is not JSON5 has no fields, and says what is in use", async () => {
    stage.gateway.config.fill("{ gateway: ");
    const { page } = await stage.signedIn();
    await page.getByRole("button", { name: "Config", exact: true }).click();
    await hasText(page, ".warn", /The file cannot be used, so the defaults are in use/);
    await hasText(page, ".panel-empty", /The file is not JSON5, so that it has no fields/);
    await hasText(page, ".cfg-issues", /Line 1 the file is not JSON5/);
  });

  test("an earlier version is looked at as a change before it is applied", async () => {
    const { page } = await openConfig();
    stage.gateway.config.edit(EXAMPLE.replace("18789", "18800"));
    await page.reload();
    await page.getByRole("button", { name: "Go back to version 1" }).click();
    await hasText(page, ".cfg-diff", /-\s+port: 18800,\s+\+\s+port: 18789,/);
    await page.getByRole("button", { name: "Apply and restart" }).click();
    await hasText(page, ".entry", /Version 3/);
    assert.match(stage.gateway.config.file(), /port: 18789/);
  });

  test("who may only read sees everything and changes nothing; on a phone form and text are tabs", async () => {
    stage.gateway.limitScopes(["operator.read"]);
    const { page, errors } = await openConfig({ width: 390, height: 844 });
    await page.getByText("You may read the configuration").waitFor();
    assert.equal(await page.getByLabel("Port", { exact: true }).isDisabled(), true);
    assert.equal(await page.getByLabel("Text (JSON5)").isVisible(), false);
    await page.getByRole("button", { name: "Text", exact: true }).click();
    assert.equal(await page.getByLabel("Text (JSON5)").getAttribute("readonly"), "");
    assert.equal(await page.getByRole("button", { name: /Go back|Apply|Add/ }).count(), 0);
    assert.deepEqual(calls("config.plan"), []);
    await assertAccessible(page);
    assert.deepEqual(errors, []);
  });

  test("it is accessible, and g and f lead to it", async () => {
    const { page } = await stage.signedIn();
    await page.locator("body").press("Escape");
    await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
    await page.keyboard.press("g");
    await page.keyboard.press("f");
    await page.locator(".cfg-form select").first().waitFor();
    await page.getByLabel("Port", { exact: true }).fill("18790");
    await page.keyboard.press("Tab");
    await hasText(page, ".cfg-plan", /1 setting changes/);
    await assertAccessible(page);
  });
});
