import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertAccessible } from "./axe.ts";
import { hasText, sendMessage, startPageTest, untilIdle } from "./page-session.ts";
import type { PageTest } from "./page-session.ts";

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(async () => {
  await stage.reset();
  stage.gateway.conversations.hasBranches = true;
});
after(() => stage.close());

const calls = (method: string): Record<string, unknown>[] =>
  stage.gateway.calls.filter((call) => call.method === method).map((call) => call.params);

describe("branches of a conversation on the page", () => {
  test("a message is edited and sent again, and both branches can be switched to", async () => {
    const { page, errors, unexpectedRequests } = await stage.signedIn();
    await sendMessage(page, "first words");
    await hasText(page, ".message.assistant", "You said: first words");
    await untilIdle(page);
    await page.getByRole("article", { name: "You" }).hover();
    await page.getByRole("button", { name: "Edit and send again" }).click();
    await page.getByRole("textbox", { name: "Message", exact: true }).first().fill("better words");
    await page.keyboard.press("Enter");
    await hasText(page, ".message.assistant", "You said: better words");
    assert.equal(await page.locator(".message", { hasText: "You said: first words" }).count(), 0);
    await untilIdle(page);
    const choice = page.getByLabel(/^Branch, 2 in this conversation/);
    await choice.waitFor();
    await assertAccessible(page);
    const first = await choice.locator("option", { hasText: "first words" }).getAttribute("value");
    await choice.selectOption(first!);
    await hasText(page, ".message.assistant", "You said: first words");
    assert.equal(await page.locator(".message", { hasText: "You said: better words" }).count(), 0);
    assert.deepEqual(calls("sessions.branches.switch"), [{ sessionKey: "agent:main:main", leafEntryId: first }]);
    assert.deepEqual([errors, unexpectedRequests], [[], []]);
  });

  test("Escape leaves the message as it was", async () => {
    const { page } = await stage.signedIn();
    await sendMessage(page, "words");
    await hasText(page, ".message.assistant", "You said: words");
    await untilIdle(page);
    await page.getByRole("article", { name: "You" }).hover();
    await page.getByRole("button", { name: "Edit and send again" }).click();
    await page.keyboard.press("Escape");
    await hasText(page, ".message.user .bubble", "words");
    assert.deepEqual(calls("sessions.rewind"), []);
  });

  test("on a phone a tap on the message shows what can be done with it", async () => {
    const { page } = await stage.signedIn({ width: 390, height: 844, touch: true });
    await sendMessage(page, "words");
    await hasText(page, ".message.assistant", "You said: words");
    await untilIdle(page);
    assert.equal(await page.getByRole("button", { name: "Edit and send again" }).isVisible(), false);
    await page.locator(".message.user .bubble").tap();
    await page.getByRole("button", { name: "Edit and send again" }).tap();
    await page.getByRole("textbox", { name: "Message", exact: true }).first().fill("other words");
    await assertAccessible(page);
    await page.getByRole("button", { name: "Send", exact: true }).first().tap();
    await hasText(page, ".message.assistant", "You said: other words");
  });

  test("an answer is asked for again with the same message", async () => {
    const { page } = await stage.signedIn();
    await sendMessage(page, "once more");
    await hasText(page, ".message.assistant", "You said: once more");
    await untilIdle(page);
    await page.getByRole("button", { name: "Answer again" }).click();
    await page.getByLabel(/^Branch, 2 in this conversation/).waitFor();
    assert.deepEqual(
      calls("chat.send").map(({ message }) => message),
      ["once more", "once more"],
    );
    assert.equal(await page.locator(".message.user").count(), 1);
  });

  test("a fork is a new session with the conversation up to the answer", async () => {
    const { page } = await stage.signedIn();
    await sendMessage(page, "to here");
    await hasText(page, ".message.assistant", "You said: to here");
    await untilIdle(page);
    await page.getByRole("button", { name: "Fork into a new session" }).click();
    await hasText(page, ".toast", /This is a new session/);
    await hasText(page, ".message.assistant", "You said: to here");
    assert.match(page.url(), /dashboard/);
  });

  test("the conversation is exported as a file of Markdown", async () => {
    const { page } = await stage.signedIn();
    await sendMessage(page, "keep this");
    await hasText(page, ".message.assistant", "You said: keep this");
    await untilIdle(page);
    await page.getByRole("button", { name: "Export the conversation" }).click();
    await assertAccessible(page);
    const downloading = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download" }).click();
    const file = await downloading;
    assert.equal(file.suggestedFilename(), "main.md");
    assert.match(readFileSync((await file.path())!, "utf8"), /^# Main\n\n## You, [^\n]+\n\nkeep this\n\n## Answer/);
  });

  test("who may not rewind gets no button for it", async () => {
    stage.gateway.limitScopes(["operator.read", "operator.write"]);
    const { page } = await stage.signedIn();
    await sendMessage(page, "words");
    await hasText(page, ".message.assistant", "You said: words");
    await untilIdle(page);
    assert.equal(await page.getByRole("button", { name: /Edit and send again|Answer again/ }).count(), 0);
    await page.getByRole("button", { name: "Fork into a new session" }).waitFor();
  });
});
