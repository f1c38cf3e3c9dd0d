import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { until } from "../../test/until.ts";
import { assertAccessible } from "./axe.ts";
import { hasText, startPageTest } from "./page-session.ts";
import type { BrowserProfile, BrowserUser } from "./browser.ts";
import type { PageTest } from "./page-session.ts";

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(() => stage.reset());
after(() => stage.close());

async function openOverview(look: BrowserProfile = {}): Promise<BrowserUser> {
  const user = await stage.signedIn(look);
  await user.page.evaluate(() => void (location.hash = "#overview"));
  await user.page.locator(".tiles").waitFor();
  return user;
}
const asked = (method: string): number => stage.gateway.calls.filter((call) => call.method === method).length;

describe("the overview", () => {
  test("it says how things are, in figures of a day, and leads to the messages", async () => {
    const { page, errors, unexpectedRequests } = await stage.signedIn();
    await page.getByRole("button", { name: "Overview" }).click();
    await hasText(page, ".standing", "Everything works; 1 turn is running, 2 messages are waiting.");
    await hasText(page, ".tile", /Messages, 24 h\s*269\s*2 failed/);
    await hasText(page, ".tile", /Time to answer, p95\s*6\.30 s\s*half within 1\.85 s/);
    await hasText(page, ".tile", /Queue\s*2\s*1 running, 1 to be sent, the oldest for 4\.20 s/);
    assert.equal(await page.getByText("Cost today").count(), 0, "no tile for what the gateway does not count");
    assert.equal(new URL(page.url()).hash, "#overview");
    await page.getByRole("button", { name: /Which of the three trains/ }).click();
    await hasText(page, ".trace-stage", "Delivery");
    assert.deepEqual([errors, unexpectedRequests], [[], []]);
  });

  test("a path of the map shows its messages, figures and tools alone", async () => {
    const { page } = await openOverview();
    await hasText(page, ".flow-row", /Page and clients → Main\s*Agent of the conversation\s*37 messages, 0\.026 per min/);
    await page.getByRole("button", { name: /Telegram → Operations/ }).click();
    await page.getByRole("button", { name: /Which of the three trains/ }).waitFor({ state: "detached" });
    assert.equal(await page.locator(".recent-row").count(), 1);
    assert.equal(await page.locator(".flow-lines path[data-failed]").count(), 2, "channel to route, and route to agent");
    await hasText(page, ".tile", /Messages, 24 h\s*9\s*2 failed/);
    await hasText(page, ".flow-tools", "Operations called exec 12× in 24 hours.");
    await page.getByRole("button", { name: "Show all" }).click();
    await page.getByRole("button", { name: /Which of the three trains/ }).waitFor();
  });

  test("links to other gateways are there with their state and what waits for them", async () => {
    const { overview } = stage.gateway;
    overview.link({ name: "office", state: "up", cause: null, queued: 0, unanswered: 0, oldestAt: null });
    const oldestAt = overview.now - 90_000;
    overview.link({ name: "home", state: "down", cause: "nothing listens there", queued: 3, unanswered: 1, oldestAt });
    overview.link({ name: "hermes", transport: "a2a", state: "up", cause: null, queued: 0, unanswered: 0, oldestAt: null });
    const { page, errors } = await openOverview();
    await hasText(page, ".entry", /hermes\s*A2A, connected/);
    await hasText(page, ".entry", /office\s*connected\s*Nothing waits\./);
    await hasText(page, ".entry", /home\s*down\s*nothing listens there\. 3 to be sent, 1 without a reply, the oldest for/);
    await assertAccessible(page);
    assert.deepEqual(errors, []);
  });

  test("what needs a person is there with what to do about it", async () => {
    stage.gateway.channels.fill();
    stage.gateway.overview.breakPart("store", "the disk is full");
    const { page, errors } = await openOverview();
    await hasText(page, ".standing", "Storage: the disk is full.");
    await hasText(page, ".entry", /Storage\s*.*the disk is full/);
    const approve = page.getByRole("button", { name: "Approve" }).first();
    await approve.click();
    await until("the approval", () => asked("channels.pairing.approve") === 1);
    await hasText(page, ".entry", "How to fix:");
    await page.getByRole("button", { name: "Send again" }).first().click();
    await until("the attempt", () => asked("deadletters.retry") === 1);
    assert.deepEqual(errors, []);
  });

  test("events are what it reads again for, not more often than its pace, and not while nothing happens", async () => {
    const { page } = await openOverview();
    await hasText(page, ".tile", "269");
    const before = asked("gateway.overview");
    for (let count = 0; count < 50; count++) stage.gateway.announce("health", { ok: true });
    await until("another reading", () => asked("gateway.overview") > before);
    assert.equal(asked("gateway.overview"), before + 1);
  });

  test("before the first message it says so, with one thing to do", async () => {
    stage.gateway.overview.empty();
    const { page } = await openOverview();
    await hasText(page, ".panel-empty", "No messages in the last 24 hours. Write one in the chat, or connect a channel.");
    await hasText(page, ".standing", "Everything works; nothing is running.");
  });

  test("with the right to read alone it shows everything and changes nothing", async () => {
    stage.gateway.limitScopes(["operator.read"]);
    stage.gateway.channels.fill();
    const { page, errors } = await openOverview();
    await hasText(page, ".entry", "How to fix:");
    for (const name of ["Approve", "Send again", "Try again"]) assert.equal(await page.getByRole("button", { name }).count(), 0, name);
    assert.equal(asked("channels.pairing.list"), 0, "what may not be read is not asked for");
    assert.deepEqual(errors, []);
  });

  for (const dark of [false, true])
    for (const width of [390, 1440])
      test(`it is accessible and fits at ${width} px, ${dark ? "dark" : "light"}`, async () => {
        stage.gateway.channels.fill();
        const { page } = await openOverview({ width, height: 900, dark, touch: width < 800 });
        await hasText(page, ".flow-row", "Telegram");
        await hasText(page, ".entry", "How to fix:");
        await assertAccessible(page);
        assert.equal(
          await page.evaluate(() =>
            [...document.querySelectorAll(".view *")].every((one) => one.getBoundingClientRect().right <= innerWidth),
          ),
          true,
        );
      });
});
