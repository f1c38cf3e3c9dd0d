import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { hasText, startPageTest } from "./page-session.ts";
import type { BrowserProfile, BrowserUser } from "./browser.ts";
import type { PageTest } from "./page-session.ts";

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(() => stage.reset());
after(() => stage.close());

async function openAudit(look: BrowserProfile = {}): Promise<BrowserUser> {
  const user = await stage.signedIn(look);
  if (look.touch === true) await user.page.getByRole("button", { name: "Sessions" }).click();
  await user.page.getByRole("button", { name: "Audit" }).click();
  await hasText(user.page, ".entry", "exec");
  return user;
}
const lastAsked = (): unknown => stage.gateway.calls.findLast(({ method }) => method.startsWith("audit."))?.params;

describe("the audit on the page", () => {
  test("each event says what was done, with its arguments as text, for whom, and how it ended", async () => {
    const { page, errors, unexpectedRequests } = await openAudit();
    assert.deepEqual(lastAsked(), { limit: 50, kind: "tool_action" });
    await hasText(page, ".entry", /exec\s*Began[\s\S]+"command":"npm test -- --watch=false"[\s\S]+main, for control-ui, in /);
    await hasText(page, ".entry", /write\s*Refused/);
    await hasText(page, ".entry", /read\s*Began[\s\S]+notes\/مرحبا <b>\.md[\s\S]+for ada!~ada@example\.org on irc/);
    assert.deepEqual([errors, unexpectedRequests], [[], []]);
  });

  test("a filter reads again, and older events follow", async () => {
    const { page, errors } = await openAudit();
    await page.getByLabel("Show", { exact: true }).selectOption("what was refused");
    await page.getByText("exec", { exact: true }).first().waitFor({ state: "detached" });
    assert.deepEqual(lastAsked(), { limit: 50, status: "blocked" });
    assert.equal(await page.locator(".entry").count(), 10);
    await page.getByLabel("Show", { exact: true }).selectOption("everything");
    await hasText(page, ".entry", "Turn");
    assert.equal(await page.locator(".entry").count(), 50);
    await page.getByRole("button", { name: "Show older ones" }).click();
    await page.locator(".entry").nth(69).waitFor();
    assert.equal(await page.getByRole("button", { name: "Show older ones" }).count(), 0);
    assert.deepEqual(errors, []);
  });

  test("it fits a phone, and the address leads back to it", async () => {
    const { page } = await openAudit({ width: 360, height: 740, dark: true, touch: true });
    assert.equal(
      await page.evaluate(() => [...document.querySelectorAll(".view *")].every((one) => one.getBoundingClientRect().right <= innerWidth)),
      true,
    );
    assert.equal(new URL(page.url()).hash, "#audit");
    await page.reload();
    await hasText(page, ".entry", "exec");
  });
});
