import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { startDevGateway } from "../dev/server.ts";
import { until } from "../../test/until.ts";
import { openBrowserUser } from "./browser.ts";
import type { DevGateway } from "../dev/server.ts";
import type { BrowserProfile, BrowserUser } from "./browser.ts";
import type { Page } from "playwright-core";

let gateway: DevGateway;
const people: BrowserUser[] = [];

async function person(look: BrowserProfile = {}): Promise<BrowserUser> {
  const one = await openBrowserUser(new URL(gateway.url).origin, look);
  people.push(one);
  return one;
}

async function signedIn(look: BrowserProfile = {}): Promise<BrowserUser> {
  const one = await person(look);
  await one.page.goto(gateway.newLink());
  await one.page.locator("#composer").waitFor();
  return one;
}

async function say(page: Page, text: string): Promise<void> {
  await page.locator("#composer").fill(text);
  await page.keyboard.press("Enter");
}

const answers = (page: Page): ReturnType<Page["locator"]> => page.locator(".message.assistant");
const settled = (page: Page): Promise<void> => page.locator('.message.assistant[data-running="true"]').waitFor({ state: "detached" });

async function hasText(page: Page, selector: string, text: string | RegExp): Promise<void> {
  await page.locator(selector).filter({ hasText: text }).last().waitFor({ timeout: 15_000 });
}

before(async () => {
  gateway = await startDevGateway();
});
beforeEach(async () => {
  gateway.refuse(null);
  for (const one of people.splice(0)) await one.close();
  await gateway.untilAlone();
  for (const key of gateway.conversations.sessions.keys()) gateway.conversations.sessions.delete(key);
  gateway.conversations.ensure("agent:main:main");
  gateway.conversations.wordMs = 12;
  gateway.calls.length = 0;
  gateway.connects.length = 0;
});
after(async () => {
  for (const one of people) await one.close();
  await gateway.close();
});

describe("signing in on the page", () => {
  test("a one-time link signs in once, leaves the address bar and is not needed again", async () => {
    const { page, errors: faults, unexpectedRequests: strays } = await signedIn();
    assert.doesNotMatch(page.url(), /k=/);
    const first = gateway.connects.at(-1) as { auth: Record<string, string>; client: { id: string; mode: string }; caps: string[] };
    assert.deepEqual(Object.keys(first.auth), ["bootstrapToken"]);
    assert.deepEqual([first.client.id, first.client.mode], ["webchat-ui", "webchat"]);
    await page.reload();
    await page.locator("#composer").waitFor();
    const second = gateway.connects.at(-1) as { auth: Record<string, string>; device: { id: string } };
    assert.match(second.auth["deviceToken"] ?? "", /^device-/);
    assert.equal(second.device.id, (first as unknown as { device: { id: string } }).device.id);
    const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage]));
    assert.doesNotMatch(kept, /device-|dev-token/);
    assert.deepEqual(faults, []);
    assert.deepEqual(strays, []);
  });

  test("a used link says so and offers the way to a fresh one", async () => {
    const link = gateway.newLink();
    const one = await person();
    await one.page.goto(link);
    await one.page.locator("#composer").waitFor();
    const other = await person();
    await other.page.goto(link);
    await hasText(other.page, "h1", "This link has been used or has expired");
    await hasText(other.page, ".command", "openclaw dashboard");
  });

  test("a fresh link on an open sign-in screen signs in without a reload", async () => {
    const { page } = await person();
    await page.goto(gateway.url);
    await page.locator("#token").waitFor();
    const link = gateway.newLink();
    await page.evaluate((hash) => (location.hash = hash), new URL(link).hash);
    await page.locator("#composer").waitFor();
    assert.doesNotMatch(page.url(), /k=/);
  });

  test("a token signs in; a wrong one is refused in words, and none of it is stored", async () => {
    const { page, errors: faults } = await person();
    await page.goto(gateway.url);
    await hasText(page, "h1", "Sign in to your gateway");
    await page.locator("#token").fill("wrong-token-000");
    await page.keyboard.press("Enter");
    await hasText(page, "h1", "That token is not correct");
    await page.locator("#token").fill(gateway.token);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.locator("#composer").waitFor();
    assert.doesNotMatch(await page.evaluate(() => JSON.stringify([localStorage, sessionStorage])), /token-/);
    await page.reload();
    await page.locator("#composer").waitFor();
    assert.deepEqual(faults, []);
  });

  test("each refusal has its own sentence and next step", async () => {
    const { page } = await person();
    const refused = async (code: string, details: Record<string, unknown>, title: string, command: string): Promise<void> => {
      gateway.refuse({ code: "INVALID_REQUEST", message: "no", details: { code, ...details } });
      await page.goto("about:blank");
      await page.goto(gateway.url);
      await hasText(page, "h1", title);
      if (command !== "") await hasText(page, ".command", command);
    };
    await refused("PAIRING_REQUIRED", { requestId: "req-17" }, "This browser is waiting for approval", "openclaw devices approve req-17");
    await refused("CONTROL_UI_ORIGIN_NOT_ALLOWED", {}, "not on the gateway's list", new URL(gateway.url).origin);
    await refused("PROTOCOL_MISMATCH", { expectedProtocol: 5 }, "different versions", "");
    await refused("DEVICE_IDENTITY_REQUIRED", {}, "not secure enough", "ssh -N -L");
    await refused("AUTH_RATE_LIMITED", {}, "Too many attempts", "");
    gateway.refuse({
      code: "UNAVAILABLE",
      message: "starting",
      details: { reason: "startup-sidecars" },
      retryable: true,
      retryAfterMs: 200,
    });
    await page.goto("about:blank");
    await page.goto(gateway.newLink());
    await hasText(page, "h1", "The gateway is starting");
    gateway.refuse(null);
    await page.locator("#composer").waitFor();
  });

  test("an approval on the gateway lets the waiting page in by itself", async () => {
    const { page } = await person();
    gateway.refuse({
      code: "NOT_PAIRED",
      message: "pairing",
      details: { code: "PAIRING_REQUIRED", requestId: "req-9" },
      retryAfterMs: 200,
    });
    await page.goto(gateway.newLink());
    await hasText(page, "h1", "waiting for approval");
    gateway.refuse(null);
    await page.locator("#composer").waitFor();
  });
});

describe("answers and sessions on the page", () => {
  test("an answer streams in, is complete, and appears exactly once", async () => {
    gateway.conversations.wordMs = 30;
    const { page, errors: faults } = await signedIn();
    await say(page, "answer slowly please");
    await hasText(page, '.message.assistant[data-running="true"]', "word3");
    assert.equal(await page.locator(".message.assistant", { hasText: "end-of-answer" }).count(), 0);
    await hasText(page, ".message.assistant", "end-of-answer");
    await settled(page);
    assert.equal(await answers(page).count(), 1);
    assert.equal(await page.locator(".message.user").count(), 1);
    assert.match(await page.locator(".spoken").innerText(), /^Slowly: word0/);
    assert.deepEqual(faults, []);
  });

  test("tool calls and thoughts are folded, with arguments, result and duration inside", async () => {
    const { page } = await signedIn();
    await say(page, "please use a tool");
    await hasText(page, ".message.assistant", "the manual");
    await settled(page);
    const tools = page.locator("details.tool:not(.thinking)");
    assert.equal(await tools.count(), 2);
    assert.equal(await tools.first().evaluate((one: HTMLDetailsElement) => one.open), false);
    assert.match(await tools.first().locator("summary").innerText(), /exec[\s\S]*du -sh[\s\S]*0\.4 s/);
    await tools.first().locator("summary").click();
    assert.match(await tools.first().innerText(), /214M\s+sessions/);
    assert.match(await tools.nth(1).locator("summary").innerText(), /failed/);
    assert.equal(await page.locator("details.thinking").count(), 1);
    assert.equal(await page.locator(".prose", { hasText: "Let me look at the disk first." }).count(), 1);
    assert.equal(await page.locator(".prose table").count(), 1);
    await page.reload();
    await hasText(page, ".message.assistant", "the manual");
    assert.equal(await page.locator("details.tool:not(.thinking)").count(), 2);
    await page.locator("button[data-copy]").click();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^# shows what would go/);
  });

  test("Escape and the stop button end a turn and keep the partial answer", async () => {
    gateway.conversations.wordMs = 40;
    const { page } = await signedIn();
    await say(page, "answer slowly please");
    await hasText(page, ".message.assistant", "word4");
    await page.locator("#composer").press("Escape");
    await hasText(page, ".note-line", "Stopped.");
    assert.match(await answers(page).first().innerText(), /word4/);
    await say(page, "run the long tool");
    await hasText(page, "details.tool", "running");
    await page.getByRole("button", { name: "Stop" }).click();
    await page.locator(".note-line").nth(1).waitFor();
    assert.equal(await page.getByRole("button", { name: "Stop" }).count(), 0);
  });

  test("a failed turn says why", async () => {
    const { page } = await signedIn();
    await say(page, "fail please");
    await hasText(page, ".fault", "The provider answered 529: overloaded.");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.locator(".message.user").nth(1).waitFor();
  });

  test("sessions are made, named, found, and deleted only after a question", async () => {
    const { page } = await signedIn();
    await page.getByRole("button", { name: "New session" }).first().click();
    assert.equal(gateway.conversations.sessions.size, 1);
    await say(page, "plan the garden");
    await hasText(page, ".message.assistant", "You said: plan the garden");
    await hasText(page, ".row-name", "plan the garden");
    assert.equal(gateway.conversations.sessions.size, 2);
    const row = page.locator(".row", { hasText: "plan the garden" });
    await row.hover();
    await row.getByRole("button", { name: /Rename/ }).click();
    await page.locator(".rename").fill("Garden");
    await page.keyboard.press("Enter");
    await hasText(page, ".head h1", "Garden");
    await until("the name is stored", () => [...gateway.conversations.sessions.values()].some((one) => one.label === "Garden"));
    const second = page.locator(".row").nth(1);
    await page.keyboard.press("Control+k");
    await page.keyboard.type("garden");
    await second.waitFor({ state: "detached" });
    await page.keyboard.press("Escape");
    await second.waitFor();
    assert.equal(await page.locator(".row").count(), 2);
    const named = page.locator(".row", { hasText: "Garden" });
    await named.hover();
    await named.getByRole("button", { name: /Delete/ }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    assert.equal(gateway.conversations.sessions.size, 2);
    await named.hover();
    await named.getByRole("button", { name: /Delete/ }).click();
    await page.locator("dialog").getByRole("button", { name: "Delete" }).click();
    await named.waitFor({ state: "detached" });
    assert.equal(gateway.conversations.sessions.size, 1);
    await hasText(page, ".head h1", "Main");
  });

  test("drafts stay with their session", async () => {
    const { page } = await signedIn();
    await page.locator("#composer").fill("half a thought");
    await page.getByRole("button", { name: "New session" }).first().click();
    assert.equal(await page.locator("#composer").inputValue(), "");
    await page.locator(".row", { hasText: "Main" }).locator(".row-open").click();
    assert.equal(await page.locator("#composer").inputValue(), "half a thought");
    await page.reload();
    await page.locator("#composer").waitFor();
    assert.equal(await page.locator("#composer").inputValue(), "half a thought");
  });

  test("the page says what answers, and the model can be changed", async () => {
    const { page } = await signedIn();
    await hasText(page, ".head-model", "scripted answers, not an AI model");
    await page.locator(".model-button").click();
    await page.getByRole("option", { name: /Large One/ }).click();
    await hasText(page, ".head-model", "Answered by Large One (example)");
    assert.equal(gateway.conversations.sessions.get("agent:main:main")?.model, "example/large-1");
  });
});

describe("lost connections of the page", () => {
  test("a connection that breaks in mid-answer loses nothing and doubles nothing", async () => {
    gateway.conversations.wordMs = 30;
    const { page } = await signedIn();
    await say(page, "please use a tool");
    await hasText(page, ".message.assistant", "Here is what");
    gateway.cut();
    await hasText(page, ".message.assistant", "the manual");
    await settled(page);
    await hasText(page, ".status", "Connected");
    assert.equal(await answers(page).count(), 1);
    assert.equal(await page.locator("details.tool:not(.thinking)").count(), 2);
    assert.equal(await page.locator(".prose", { hasText: "Let me look at the disk first." }).count(), 1);
    assert.equal(await page.locator(".prose h2", { hasText: "Largest folders" }).count(), 1);
    assert.equal(await page.locator(".message.user").count(), 1);
  });

  test("an answer that ended while the connection was away is there afterwards", async () => {
    gateway.conversations.wordMs = 15;
    const { page } = await signedIn();
    await say(page, "answer slowly please");
    await hasText(page, ".message.assistant", "word2");
    await gateway.down();
    const session = gateway.conversations.sessions.get("agent:main:main");
    assert.ok(session?.run);
    await session.run.ended;
    await gateway.up();
    await hasText(page, ".message.assistant", "end-of-answer");
    await settled(page);
    assert.equal(await answers(page).count(), 1);
  });

  test("what is written offline is kept, sent once, in order, under its first key", async () => {
    const { page } = await signedIn();
    await say(page, "before");
    await hasText(page, ".message.assistant", "You said: before");
    await gateway.down();
    await hasText(page, ".status", /Reconnecting/);
    await say(page, "first");
    await say(page, "second");
    assert.equal(await page.locator('.message.user[data-state="queued"]').count(), 2);
    await page.waitForTimeout(900);
    await hasText(page, ".banner", "will send automatically");
    await gateway.up();
    await hasText(page, ".message.assistant", "You said: second");
    await settled(page);
    const sent = gateway.calls.filter((call) => call.method === "chat.send").map((call) => call.params["message"]);
    assert.deepEqual(sent, ["before", "first", "second"]);
    const shown = await page.locator(".message.user .plain").allInnerTexts();
    assert.deepEqual(shown, ["before", "first", "second"]);
    assert.equal(await answers(page).count(), 3);
  });

  test("a queued message survives a reload of the tab", async () => {
    const { page } = await signedIn();
    await page.route("**/*", (route) => route.continue());
    await gateway.down();
    await hasText(page, ".status", /Reconnecting/);
    await say(page, "remember me");
    await gateway.up();
    await page.reload();
    await hasText(page, ".message.assistant", "You said: remember me");
    await settled(page);
    assert.equal(await page.locator(".message.user").count(), 1);
  });

  test("a hole in the event sequence is healed by reading again", async () => {
    const { page } = await signedIn();
    const session = gateway.conversations.sessions.get("agent:main:main");
    assert.ok(session);
    session.rows.push({ role: "assistant", content: "missed by the events", timestamp: Date.now(), __openclaw: { id: "missed", seq: 1 } });
    gateway.skipSeq();
    gateway.announce("tick", { ts: Date.now() });
    await hasText(page, ".message.assistant", "missed by the events");
  });

  test("a shutdown of the gateway is announced and survived", async () => {
    const { page } = await signedIn();
    gateway.announce("shutdown", { reason: "restart", restartExpectedMs: 1_000 });
    await gateway.down();
    await hasText(page, ".status", "Gateway is restarting");
    await gateway.up();
    await hasText(page, ".status", "Connected");
  });
});

describe("what the page shows and where", () => {
  test("hostile text does nothing: no script runs, nothing is fetched, no link leads anywhere but out", async () => {
    const { page, errors: faults, unexpectedRequests: strays } = await signedIn();
    await say(page, "<img src=x onerror=\"window.__hacked='me'\"> attack me");
    await hasText(page, ".message.assistant", "over");
    await settled(page);
    await page.reload();
    await hasText(page, ".message.assistant", "over");
    assert.equal(await page.evaluate(() => (window as unknown as { __hacked?: string }).__hacked), undefined);
    assert.equal(await page.locator(".message :is(script, svg:not(.icon), iframe, form, style, math, input)").count(), 0);
    assert.equal(await page.locator(".message [onclick], .message [onerror], .message [onload], .message [style]").count(), 0);
    const hrefs = await page
      .locator(".message a")
      .evaluateAll((links) => links.map((one) => [one.getAttribute("href"), one.getAttribute("rel"), one.getAttribute("target")]));
    assert.deepEqual(hrefs, [["https://attacker.example/pixel.png", "noopener noreferrer", "_blank"]]);
    assert.equal(await page.locator(".message img").count(), 0);
    assert.deepEqual(strays, []);
    assert.deepEqual(faults, []);
  });

  test("older messages come when one scrolls up, and the place stays", async () => {
    const session = gateway.conversations.ensure("agent:main:main");
    for (let at = 1; at <= 200; at += 1) {
      session.rows.push({
        role: at % 2 ? "user" : "assistant",
        content: `line ${at}`,
        timestamp: Date.now(),
        __openclaw: { id: `r${at}`, seq: at },
      });
    }
    const { page } = await signedIn();
    await hasText(page, ".message", "line 200");
    assert.equal(await page.locator(".message").count(), 80);
    const first = page.locator(".message", { hasText: "line 121" });
    await page.locator(".messages").evaluate((box) => (box.scrollTop = 250));
    const before = (await first.boundingBox())?.y ?? 0;
    await page.locator(".message", { hasText: "line 41" }).first().waitFor({ state: "attached" });
    const after = (await first.boundingBox())?.y ?? 0;
    assert.ok(Math.abs(before - after) < 30, `moved from ${before} to ${after}`);
  });

  test("a picture goes with a message and is shown from the history", async () => {
    const { page } = await signedIn();
    const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
    await page.locator('input[type="file"]').setInputFiles({ name: "dot.png", mimeType: "image/png", buffer: png });
    await page.locator(".pictures img").waitFor();
    await say(page, "look at this");
    const shown = page.locator(".message.user img.picture");
    await shown.waitFor();
    assert.equal(await page.locator(".pictures img").count(), 0);
    await settled(page);
    assert.equal(gateway.calls.filter((call) => call.method === "chat.media").length, 0, "what was sent is still in memory");
    await page.getByRole("button", { name: "Open the image" }).click();
    await page.locator(".picture-viewer").waitFor();
    await page.keyboard.press("Escape");
    await page.locator(".picture-viewer").waitFor({ state: "detached" });
    await page.reload();
    await shown.waitFor();
    assert.equal(gateway.calls.filter((call) => call.method === "chat.media").length, 1);
    assert.equal(await shown.evaluate((image: HTMLImageElement) => image.naturalWidth), 1);
  });

  test("on a phone the list is a drawer and nothing is wider than the screen", async () => {
    const { page } = await signedIn({ width: 390, height: 844, touch: true });
    await say(page, "please use a tool");
    await hasText(page, ".message.assistant", "the manual");
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390, `${width} px wide`);
    assert.equal(await page.locator(".sidebar").isVisible(), false);
    await page.getByRole("button", { name: "Sessions" }).click();
    await page.locator(".sidebar").waitFor({ state: "visible" });
    await page.locator(".row", { hasText: "Main" }).locator(".row-open").click();
    await page.locator(".sidebar").waitFor({ state: "hidden" });
  });

  test("it works under a base path", async () => {
    const under = await startDevGateway(0, "/gw/");
    try {
      const one = await openBrowserUser(new URL(under.url).origin);
      people.push(one);
      await one.page.goto(under.newLink());
      await one.page.locator("#composer").waitFor();
      await say(one.page, "hello there");
      await hasText(one.page, ".message.assistant", "You said: hello there");
      assert.deepEqual(one.errors, []);
    } finally {
      await under.close();
    }
  });
});
