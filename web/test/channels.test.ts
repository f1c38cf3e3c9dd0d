import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, beforeEach, describe, test } from "node:test";
import { startDevGateway } from "../dev/server.ts";
import { openBrowserUser } from "./browser.ts";
import type { DevGateway } from "../dev/server.ts";
import type { BrowserProfile, BrowserUser } from "./browser.ts";
import type { Page } from "playwright-core";

/** `PAGE_PICTURES=<folder>` keeps a picture of every look. */
const pictures = process.env["PAGE_PICTURES"];
const picture = async (page: Page, name: string): Promise<void> => {
  if (pictures !== undefined) await page.screenshot({ path: `${pictures}/${name}.png` });
};

let gateway: DevGateway;
const people: BrowserUser[] = [];
before(async () => {
  if (pictures !== undefined) mkdirSync(pictures, { recursive: true });
  gateway = await startDevGateway();
});
beforeEach(async () => {
  for (const one of people.splice(0)) await one.close();
  gateway.channels.clear();
});
after(async () => {
  for (const one of people) await one.close();
  await gateway.close();
});

async function open(look: BrowserProfile = {}): Promise<BrowserUser> {
  const one = await openBrowserUser(new URL(gateway.url).origin, look);
  people.push(one);
  await one.page.goto(gateway.newLink());
  await one.page.locator("#composer").waitFor();
  if (look.touch === true) await one.page.getByRole("button", { name: "Sessions" }).click();
  await one.page.getByRole("button", { name: "Channels" }).click();
  await one.page.getByRole("heading", { name: "Channels", exact: true }).waitFor();
  return one;
}

describe("channels on the page", () => {
  test("each account shows its state, cause and fix; access requests are approved, dead letters are settled", async () => {
    gateway.channels.fill();
    const { page, errors: faults, unexpectedRequests: strays } = await open();
    const slack = page.locator(".entry", { hasText: "Action needed" });
    await slack.waitFor();
    assert.match(await slack.innerText(), /Slack says that the token was revoked[\s\S]*How to fix: Install the app again[\s\S]*4 waiting/);
    assert.deepEqual(await page.locator(".to-view .count").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label"))), [
      "1 waiting for an answer",
      "1 with problems",
    ]);
    assert.match(await page.title(), /^\(1\) Channels/);
    assert.match(await page.locator(".entry", { hasText: "IRC" }).last().innerText(), /Last message in: 3 min ago · out: 2 min ago/);
    await picture(page, "overview-light");
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByText("Access requests").waitFor({ state: "detached" });
    assert.deepEqual(gateway.calls.findLast((call) => call.method === "channels.pairing.approve")?.params, {
      channel: "irc",
      accountId: "default",
      requestId: "K7PMQ2XA",
      notify: true,
    });
    await page.getByRole("button", { name: "Discard" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Discard" }).click();
    await page.getByText("May have been sent").waitFor({ state: "detached" });
    assert.deepEqual([faults, strays], [[], []]);
  });

  test("a channel is connected step by step: a wrong token is reported, a valid one saved, the first message confirmed, its sender approved", async () => {
    const { page, errors: faults } = await open();
    await page.getByText("No channels yet.").waitFor();
    await page.getByRole("button", { name: "Connect a channel" }).click();
    await picture(page, "choose");
    await page.getByRole("button", { name: "Telegram" }).click();
    const token = page.getByLabel("Bot token");
    assert.equal(await token.getAttribute("type"), "password");
    await token.fill("bad-token");
    await page.getByRole("button", { name: "Check and connect" }).click();
    await page.locator(".field-problem", { hasText: "Telegram rejected this token." }).waitFor();
    assert.equal(await token.getAttribute("aria-invalid"), "true");
    assert.match(await page.locator(".problem").innerText(), /Ask @BotFather for a new token/);
    assert.equal(await page.getByRole("link", { name: "Open @BotFather" }).getAttribute("href"), "https://t.me/BotFather");
    await token.fill("nonsense");
    await page.getByRole("button", { name: "Check and connect" }).click();
    await page.locator(".field-problem", { hasText: "That isn't a bot token. Bot tokens look like" }).waitFor();
    await picture(page, "refused");
    assert.deepEqual(gateway.channels.patches, []);
    await token.fill("good-token");
    await page.getByRole("button", { name: "Check and connect" }).click();
    await page.getByText("Connected as @my_bot").waitFor();
    assert.deepEqual(gateway.channels.patches, [{ channels: { telegram: { botToken: "good-token", enabled: true } } }]);
    assert.equal(await page.locator('.ticks li[data-done="true"]').count(), 2);
    gateway.channels.write();
    await page.getByText("Your message has arrived").waitFor();
    await picture(page, "arrived");
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByText("Grace").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Done" }).click();
    await page.locator(".entry", { hasText: "Telegram" }).waitFor();
    assert.deepEqual(faults, []);
  });

  test("an access request is visible on the whole page, and approved in one click", async () => {
    const { page } = await open();
    await page.locator(".row", { hasText: "Main" }).locator(".row-open").click();
    await page.locator("#composer").waitFor();
    gateway.channels.ask();
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await page.locator(".toast", { hasText: "Grace (Telegram) asks to talk to the agent" }).waitFor();
    assert.equal(await page.locator('.count[data-kind="people"]').innerText(), "1");
    assert.match(await page.title(), /^\(1\) Main/);
    await page.getByRole("button", { name: "Approve" }).click();
    await page.locator(".count").waitFor({ state: "detached" });
    assert.equal(gateway.calls.findLast((call) => call.method === "channels.pairing.approve")?.params["channel"], "telegram");
  });

  test("it fits a phone in the dark, and the address leads back to it", async () => {
    gateway.channels.fill();
    const { page } = await open({ width: 360, height: 740, dark: true, touch: true });
    await page.locator(".entry", { hasText: "Action needed" }).waitFor();
    await page.waitForFunction(() => document.querySelector(".sidebar")!.getBoundingClientRect().right <= 0);
    await picture(page, "phone-dark");
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
    assert.match(page.url(), /#channels$/);
    await page.reload();
    await page.getByRole("heading", { name: "Channels", exact: true }).waitFor();
    await page.goBack();
    await page.locator("#composer").waitFor();
  });
});

describe("forms of channels on the page", () => {
  test("a phone is linked by a code, and keys within a key are saved there", async () => {
    const { page, errors: faults } = await open();
    await page.getByRole("button", { name: "Connect a channel" }).click();
    await page.getByRole("button", { name: "Signal" }).click();
    await page.getByLabel("Account").first().fill("+15550000001");
    await page.getByText("More options").click();
    await page.getByLabel("Transport URL").fill("http://127.0.0.1:8080");
    await page.getByRole("button", { name: "Check and connect" }).click();
    await page.getByRole("alert").getByText("Signal refused the connection: the number is not registered.").waitFor();
    assert.deepEqual(gateway.channels.patches, []);
    await page.getByRole("button", { name: "Save it, and link a phone" }).click();
    await page.getByAltText("A code for the Signal app").waitFor();
    await picture(page, "code");
    assert.deepEqual(gateway.channels.patches, [
      { channels: { signal: { account: "+15550000001", transport: { url: "http://127.0.0.1:8080" }, enabled: true } } },
    ]);
    gateway.channels.scan();
    await page.getByText("Connected as +15550000001").waitFor();
    assert.deepEqual(faults, []);
  });

  test("a wrong app token is reported under its field; an account that fails later has a way back", async () => {
    const { page, errors: faults } = await open();
    await page.getByRole("button", { name: "Connect a channel" }).click();
    await page.getByRole("button", { name: "Slack" }).click();
    await page.getByLabel("Bot token").fill("xoxb-good");
    await page.getByLabel("App token").fill("xapp-wrong");
    await page.getByRole("button", { name: "Check and connect" }).click();
    const problem = page.locator(".field", { has: page.getByLabel("App token") }).locator(".field-problem");
    await problem.getByText("Slack rejected this app token (invalid_auth).").waitFor();
    assert.deepEqual(gateway.channels.patches, []);
    gateway.channels.becomes({
      state: "terminal",
      lastError: "the app was removed",
      fix: "Install it again, then: openclaw channels start slack",
    });
    await page.getByLabel("App token").fill("xapp-good");
    await page.getByRole("button", { name: "Check and connect" }).click();
    await page
      .locator(".ticks li[data-failed]", { hasText: "Not connected: the app was removed" })
      .getByText("Install it again.")
      .waitFor();
    await page.getByRole("button", { name: "Back to the form" }).click();
    assert.equal(await page.getByLabel("App token").inputValue(), "xapp-good");
    assert.deepEqual(faults, []);
  });

  test("numbers, switches, lists and choices have their own controls, and are saved as what they are", async () => {
    const { page, errors: faults } = await open();
    await page.getByRole("button", { name: "Connect a channel" }).click();
    await page.getByRole("button", { name: "IRC" }).click();
    await page.getByLabel("Host").fill("irc.example.org");
    await page.getByLabel("Nick").fill("claw");
    await page.getByText("More options").click();
    await page.getByLabel("Port").fill("6667");
    await page.getByLabel("TLS", { exact: false }).last().selectOption("Off");
    await page.getByLabel("Channels").last().fill("#one, #two");
    await page.getByRole("button", { name: "Check and connect" }).click();
    await page.getByText("Connected as").waitFor();
    const irc = { host: "irc.example.org", nick: "claw", port: 6667, tls: false, channels: ["#one", "#two"], enabled: true };
    assert.deepEqual(gateway.channels.patches, [{ channels: { irc } }]);
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByRole("button", { name: "Connect a channel" }).click();
    await page.getByRole("button", { name: "Signal" }).click();
    await page.getByText("More options").click();
    const kinds = await page.getByLabel("Transport kind").locator("option").allInnerTexts();
    assert.deepEqual(kinds, ["Default", "managed-native", "external-native", "container"]);
    assert.deepEqual(faults, []);
  });
});
