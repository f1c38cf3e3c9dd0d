// What holds on every page: people with assistive technology, narrow and zoomed screens, the other direction of writing, much content.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { VIEW_TITLES } from "../src/views.ts";
import { assertAccessible } from "./axe.ts";
import { hasText, sendMessage, startPageTest, untilIdle } from "./page-session.ts";
import type { BrowserProfile, BrowserUser } from "./browser.ts";
import type { PageTest } from "./page-session.ts";
import type { Page } from "playwright-core";

const VIEWS = Object.keys(VIEW_TITLES) as (keyof typeof VIEW_TITLES)[];
const LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen".repeat(3);
const ARABIC = "مرحبا، كيف حالك اليوم؟";

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(() => stage.reset());
after(() => stage.close());

type Shift = PerformanceEntry & { value: number; hadRecentInput: boolean; sources: { node: unknown }[] };

/** Something on every page, some of it hard to draw. */
function fillAll(): void {
  const { gateway } = stage;
  const now = Date.now();
  gateway.channels.fill();
  gateway.approvals.ask({ command: `echo ${LONG_WORD}`, warnings: ["It runs outside of the sandbox, with the rights of the gateway."] });
  gateway.jobs.fill(now);
  gateway.nodes.fill(now);
  gateway.usage.fill(now);
  gateway.devices.fill(now);
  gateway.agentFiles.fill(now);
  gateway.browsers.fill();
  gateway.models.fill();
  gateway.config.fill();
  gateway.operations.breakStore();
  // More lines of the same kinds only take longer to check.
  gateway.operations.shortenLog(30);
  for (const [name, label] of [
    ["long", LONG_WORD],
    ["arabic", ARABIC],
    ["emoji", "👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301"],
  ] as const)
    gateway.conversations.ensure(`agent:main:web-${name}`, label).label = label;
}

/** In the page: nothing says any more that it loads. */
const isRead = (): boolean =>
  [...document.querySelectorAll("main :is(.panel-empty, .standing)")].every((one) => !/^(Loading|Reading)…/.test(one.textContent!));

async function open(page: Page, view: string): Promise<void> {
  await page.evaluate((hash) => void (location.hash = hash), `#${view}`);
  await page.locator(`main h1`, { hasText: VIEW_TITLES[view as keyof typeof VIEW_TITLES] }).waitFor();
  await page.waitForFunction(isRead).catch(async () => assert.fail(`${view} stays at: ${await page.locator("main").textContent()}`));
}

/** Elements of the page that are wider than the screen, but for what scrolls within a box of its own. */
const tooWide = (page: Page): Promise<readonly string[]> =>
  page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>("main *, .bottom-bar *")]
      .filter((one) => {
        const { left, right, width } = one.getBoundingClientRect();
        return (
          width > 0 && (right > innerWidth + 1 || left < -1) && one.closest(".table-scroll, pre, svg, .spoken, .skip, .bar-text") === null
        );
      })
      .map((one) => `${one.tagName}.${one.className}: ${one.textContent!.slice(0, 40)}`),
  );

for (const look of [
  { width: 1440, height: 900 },
  { width: 390, height: 844, touch: true },
] satisfies BrowserProfile[]) {
  test(`every page is accessible and fits at ${look.width} px, light and dark`, async () => {
    fillAll();
    const { page, errors, unexpectedRequests } = await stage.signedIn(look);
    for (const view of VIEWS) {
      await open(page, view);
      assert.deepEqual(await tooWide(page), [], view);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
        // Only the colors are others.
        await assertAccessible(page, colorScheme === "dark" ? ["color-contrast"] : null);
      }
    }
    assert.deepEqual([errors, unexpectedRequests], [[], []]);
  });
}

// A screen of 1,280 pixels, as it is at a zoom of 200 and 400 %.
for (const [zoom, width, height] of [
  [200, 640, 410],
  [400, 320, 256],
] as const)
  test(`every page can be read and used at a zoom of ${zoom} %`, async () => {
    fillAll();
    const { page } = await stage.signedIn({ width, height });
    for (const view of VIEWS) {
      await open(page, view);
      assert.deepEqual(await tooWide(page), [], view);
    }
    await page.evaluate(() => void (location.hash = "#s=agent%3Amain%3Aweb-zoom"));
    await page.locator("#composer").fill(LONG_WORD);
    await page.keyboard.press("Enter");
    await hasText(page, ".message.assistant", "You said");
    assert.deepEqual(await tooWide(page), []);
  });

test("every page is there in the other direction of writing, and nothing is cut off", async () => {
  fillAll();
  const { page } = await stage.signedIn({ width: 390, height: 844, touch: true });
  await page.evaluate(() => document.documentElement.setAttribute("dir", "rtl"));
  for (const view of VIEWS) {
    await open(page, view);
    assert.deepEqual(await tooWide(page), [], view);
  }
  await page.evaluate(() => void (location.hash = "#s=agent%3Amain%3Aweb-rtl"));
  await sendMessage(page, `${ARABIC} 👩‍👩‍👧‍👦 ${LONG_WORD}`);
  await hasText(page, ".message.assistant", ARABIC);
  assert.deepEqual(await tooWide(page), []);
  assert.equal(await page.locator(".message.user .plain").evaluate((text) => getComputedStyle(text).direction), "rtl");
});

/** Sum of the layout shifts since the page was opened, but for those that a key or a click brought. */
async function watchShifts({ page }: BrowserUser): Promise<() => Promise<{ shifted: number; moved: string[] }>> {
  await page.evaluate(() => {
    const seen = window as unknown as { shifted: number; moved: string[] };
    seen.shifted = 0;
    seen.moved = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as Shift[]) {
        if (entry.hadRecentInput) continue;
        seen.shifted += entry.value;
        seen.moved.push(...entry.sources.map(({ node }) => (node as Element | null)?.className ?? ""));
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
  return () =>
    page.evaluate(() => {
      const { shifted, moved } = window as unknown as { shifted: number; moved: string[] };
      return { shifted, moved };
    });
}

describe("much content", () => {
  test("500 sessions are listed, found and chosen, and nothing moves by itself", async () => {
    const { conversations } = stage.gateway;
    for (let at = 0; at < 500; at += 1) conversations.ensure(`agent:main:web-${at}`, `Session ${at}`).label = `Session number ${at}`;
    const user = await stage.signedIn();
    const shifts = await watchShifts(user);
    const { page } = user;
    await page.evaluate(() => void (location.hash = "#sessions"));
    await hasText(page, "#sessions-title", /50\d sessions/);
    await page.getByRole("button", { name: "Show more" }).click();
    await page.locator(".session-row").nth(150).waitFor();
    await page.getByRole("button", { name: "Choose all" }).click();
    await hasText(page, ".panel-head", /\d{3} chosen/);
    const { shifted, moved } = await shifts();
    assert.ok(shifted < 0.02, `moved by ${shifted}: ${moved.join(", ")}`);
  });

  test("a conversation of 10,000 messages opens at its end, is searched, and scrolls without a stop", async () => {
    const session = stage.gateway.conversations.ensure("agent:main:main");
    for (let at = 1; at <= 10_000; at += 1)
      session.rows.push({
        role: at % 2 === 0 ? "assistant" : "user",
        content: at === 7_001 ? "the needle in the hay" : `Message ${at} with **some** words`,
        timestamp: Date.now() - (10_000 - at) * 60_000,
        __openclaw: { id: `row${at}`, seq: at },
      } as never);
    const user = await stage.signedIn();
    const { page } = user;
    await hasText(page, ".message", "Message 10000");
    await page.keyboard.press("Control+Shift+F");
    await page.getByLabel("Search in this conversation").fill("needle");
    await hasText(page, ".chat-hits button", "the needle in the hay");
    const readBefore = await page.locator(".message").count();
    await page.keyboard.press("Enter");
    await hasText(page, ".chat-excerpt [aria-current]", "the needle in the hay");
    await hasText(page, ".chat-excerpt li", "Message 6990");
    assert.equal(await page.locator(".message").count(), readBefore, "nothing in between was read");
    await assertAccessible(page);
    if (process.env["PAGE_PICTURES"] !== undefined) await page.screenshot({ path: `${process.env["PAGE_PICTURES"]}/excerpt.png` });
    await page.getByRole("button", { name: "Read the conversation from here" }).press("Enter");
    await page.locator(".message[data-found]", { hasText: "the needle in the hay" }).waitFor({ timeout: 60_000 });
    assert.ok((await page.locator(".message").count()) >= 2_900);
    // The longest frame while 3,000 of them are scrolled.
    const longest = page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          const box = document.querySelector(".messages")!;
          let last = performance.now();
          let worst = 0;
          let frames = 0;
          const step = (): void => {
            const now = performance.now();
            if (frames > 2) worst = Math.max(worst, now - last);
            last = now;
            box.scrollTop += 3_000;
            frames += 1;
            if (frames < 60) requestAnimationFrame(step);
            else resolve(worst);
          };
          requestAnimationFrame(step);
        }),
    );
    console.log(`# longest frame with 3,000 of 10,000 messages: ${Math.round(await longest)} ms`);
    await page.keyboard.press("Escape");
    await sendMessage(page, "one more");
    await hasText(page, ".message.assistant", "You said: one more");
    await untilIdle(page);
  });

  test("on a slow network the page says what it does, and what was written goes out", async () => {
    const { page, context } = await stage.signedIn();
    const cdp = await context.newCDPSession(page);
    await cdp.send("Network.enable");
    await cdp.send("Network.emulateNetworkConditions", {
      offline: false,
      latency: 400,
      downloadThroughput: 50_000,
      uploadThroughput: 20_000,
    });
    await page.evaluate(() => void (location.hash = "#usage"));
    await page.getByRole("heading", { name: "Usage", level: 1 }).waitFor();
    await page.evaluate(() => void (location.hash = "#s=agent%3Amain%3Amain"));
    await sendMessage(page, "over a thin line");
    await hasText(page, ".message.user", "over a thin line");
    await hasText(page, ".message.assistant", "You said: over a thin line");
    await cdp.send("Network.emulateNetworkConditions", { offline: true, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
    await cdp.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
    await hasText(page, ".status", "Connected");
  });
});
