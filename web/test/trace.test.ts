import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertAccessible } from "./axe.ts";
import { hasText, sendMessage, startPageTest, untilIdle } from "./page-session.ts";
import type { BrowserProfile, BrowserUser } from "./browser.ts";
import type { PageTest } from "./page-session.ts";

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(() => stage.reset());
after(() => stage.close());

async function openTrace(id: string, look: BrowserProfile = {}): Promise<BrowserUser> {
  const user = await stage.signedIn(look);
  await user.page.evaluate((hash) => void (location.hash = hash), `#trace=${id}`);
  return user;
}
const asked = (): number => stage.gateway.calls.filter(({ method }) => method === "sessions.timeline").length;
const lastAsked = (): unknown => stage.gateway.calls.findLast(({ method }) => method === "sessions.timeline")?.params;

describe("the timeline of a message", () => {
  test("a message in the conversation leads to its stages, and the address back to them", async () => {
    const { page, errors, unexpectedRequests } = await stage.signedIn();
    await sendMessage(page, "hello");
    await hasText(page, ".message.assistant", "hello");
    await untilIdle(page);
    await page.getByRole("article", { name: "You" }).last().getByRole("button", { name: "Timeline" }).click();
    await hasText(page, ".trace-result", "It was answered in 7.35 s and delivered in 7.61 s.");
    const asked = lastAsked() as { id: string };
    assert.equal(stage.gateway.calls.find(({ method }) => method === "chat.send")?.params["idempotencyKey"], asked.id);
    assert.equal(new URL(page.url()).hash, `#trace=${encodeURIComponent(asked.id)}`);
    await page.reload();
    await hasText(page, ".trace-stage", "Tool web_search");
    assert.deepEqual(lastAsked(), asked);
    await page.goBack();
    await page.locator("#composer").waitFor();
    assert.deepEqual([errors, unexpectedRequests], [[], []]);
  });

  test("each stage has its time and what is known of it, also without colors and bars", async () => {
    const { page } = await openTrace("r1");
    await hasText(page, ".trace-stage", /Routed\s*at \+420 ms\s*to agent main \(rule peer, binding 2\); answered because "4711" is paired/);
    await hasText(
      page,
      ".trace-stage",
      /Model\s*1\.80 s\s*first token after 600 ms · anthropic\/claude-sonnet-5 · 620 tokens in, 900 cached, 155 out · \$0\.0042/,
    );
    await hasText(page, ".trace-stage", /Repeated\s*at \+5\.72 s\s*attempt 1, after 0\.80 s: the provider is overloaded/);
    await hasText(page, ".trace-stage", /Delivery, part 2\s*260 ms\s*confirmed by the platform as 813/);
    const bars = await page
      .locator(".trace-bar")
      .evaluateAll((all) => all.map((bar) => bar.getBoundingClientRect()).map(({ left, right }) => [left, right]));
    const lane = (await page.locator(".trace-lane").first().boundingBox())!;
    assert.ok(
      bars.every(([left, right]) => left! >= lane.x - 2 && right! <= lane.x + lane.width + 4),
      JSON.stringify(bars),
    );
  });

  test("a dead letter is sent again from here, by an administrator", async () => {
    const { page, errors } = await openTrace("r2");
    await hasText(page, ".trace-result", "but the answer was not delivered");
    await page.getByRole("button", { name: "Send again" }).click();
    await hasText(page, ".trace-result", "delivered in 7.61 s");
    assert.deepEqual(stage.gateway.calls.find(({ method }) => method === "deadletters.retry")?.params, { id: "out:r2/0" });
    assert.deepEqual(errors, []);
  });

  test("with the right to read alone it shows the command instead of the buttons", async () => {
    stage.gateway.limitScopes(["operator.read"]);
    const { page } = await openTrace("r2");
    await hasText(page, ".command", "openclaw dead-letters retry out:r2/0");
    assert.equal(await page.getByRole("button", { name: "Send again" }).count(), 0);
  });

  test("a message that runs is followed, and one that is not known is an error with its cause", async () => {
    const { page } = await openTrace("r3");
    await hasText(page, ".trace-stage", /Tool exec\s*.* so far/);
    const before = asked();
    await page.waitForFunction(
      (old) => document.querySelector(".trace-stage:last-child .trace-time")?.textContent !== old,
      await page.locator(".trace-stage:last-child .trace-time").textContent(),
    );
    assert.ok(asked() > before);
    await page.evaluate(() => void (location.hash = "#trace=gone"));
    await hasText(page, ".warn", "no message or run has this id");
  });

  for (const dark of [false, true])
    for (const width of [390, 1440])
      test(`it is accessible and fits at ${width} px, ${dark ? "dark" : "light"}`, async () => {
        const { page } = await openTrace("r2", { width, height: 900, dark, touch: width < 800 });
        await hasText(page, ".trace-stage", "Dead letter");
        await assertAccessible(page);
        assert.equal(
          await page.evaluate(() =>
            [...document.querySelectorAll(".view *")].every((one) => one.getBoundingClientRect().right <= innerWidth),
          ),
          true,
        );
      });
});
