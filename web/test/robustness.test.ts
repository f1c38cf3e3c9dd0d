import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { hasText, sendMessage, untilIdle, startPageTest } from "./page-session.ts";
import type { PageTest } from "./page-session.ts";

describe("the page with odd input", () => {
  let stage: PageTest;
  before(async () => {
    stage = await startPageTest();
  });
  beforeEach(() => stage.reset());
  after(() => stage.close());

  test("keys of an input method neither send nor stop", async () => {
    stage.gateway.conversations.wordMs = 40;
    const { page } = await stage.signedIn();
    await page.locator("#composer").fill("half a text");
    const press = (key: string, how: { isComposing?: boolean; keyCode?: number }): Promise<boolean> =>
      page
        .locator("#composer")
        .evaluate((field, init) => field.dispatchEvent(new KeyboardEvent("keydown", init)), { key, bubbles: true, ...how });
    await press("Enter", { isComposing: true });
    await press("Enter", { keyCode: 229 });
    assert.equal(await page.locator("#composer").inputValue(), "half a text");
    assert.equal(await page.locator(".message.user").count(), 0);
    await sendMessage(page, "answer slowly please");
    await hasText(page, ".message.assistant", "word2");
    await press("Escape", { isComposing: true });
    await press("Escape", { keyCode: 229 });
    await hasText(page, ".message.assistant", "end-of-answer");
    await untilIdle(page);
    assert.equal(stage.gateway.calls.filter((call) => call.method === "chat.abort").length, 0);
  });

  test("an address that is not valid percent-encoding opens the main session", async () => {
    const { page, errors: faults } = await stage.signedIn();
    await page.goto("about:blank");
    await page.goto(`${stage.gateway.url}#s=%E0%A4%A`);
    await page.locator("#composer").waitFor();
    await hasText(page, ".head h1", "Main");
    assert.deepEqual(faults, []);
  });

  test("the policy of the page lets it reach its own gateway and no other host", async () => {
    const { page } = await stage.signedIn();
    const refused = await page.evaluate(
      () =>
        new Promise<string>((resolve) => {
          addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective));
          void new WebSocket("ws://elsewhere.example/").readyState;
        }),
    );
    assert.equal(refused, "connect-src");
    await hasText(page, ".status", "Connected");
  });

  test("a message that cannot be drawn shows its words and leaves the others alone", async () => {
    const session = stage.gateway.conversations.ensure("agent:main:main");
    const add = (seq: number, row: Record<string, unknown>): void =>
      void session.rows.push({ role: "assistant", timestamp: Date.now(), ...row, __openclaw: { id: `r${seq}`, seq } } as never);
    add(1, { content: "the first" });
    add(2, { role: "user", content: "impossible time", timestamp: 1e20 });
    add(3, { content: null });
    add(4, { role: "user", content: [null, 7, { type: "text", text: "odd parts" }] });
    session.rows.push({ content: "no role", __openclaw: { id: "r5", seq: 5 } } as never);
    add(6, { content: "the last" });
    const { page } = await stage.signedIn();
    await hasText(page, ".message", "the first");
    await hasText(page, ".message", "impossible time");
    await hasText(page, ".message", "odd parts");
    await hasText(page, ".message", "the last");
    await sendMessage(page, "and on it goes");
    await hasText(page, ".message.assistant", "You said: and on it goes");
  });
});
