import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, beforeEach, describe, test } from "node:test";
import { startDevGateway } from "../dev/server.ts";
import { openPerson } from "./browser.ts";
import type { DevGateway } from "../dev/server.ts";
import type { Look, Person } from "./browser.ts";
import type { Page } from "playwright-core";

/** `PAGE_PICTURES=<folder>` keeps a picture of every look. */
const pictures = process.env["PAGE_PICTURES"];
const picture = async (page: Page, name: string): Promise<void> => {
  if (pictures !== undefined) await page.screenshot({ path: `${pictures}/${name}.png` });
};

describe("channels on the page", () => {
  let gateway: DevGateway;
  const people: Person[] = [];
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

  async function open(look: Look = {}): Promise<Person> {
    const one = await openPerson(new URL(gateway.url).origin, look);
    people.push(one);
    await one.page.goto(gateway.newLink());
    await one.page.locator("#composer").waitFor();
    if (look.touch === true) await one.page.getByRole("button", { name: "Sessions" }).click();
    await one.page.getByRole("button", { name: "Channels" }).click();
    await one.page.getByRole("heading", { name: "Channels", exact: true }).waitFor();
    return one;
  }

  test("each account says how it is, why, and what mends it; people who wait are let in, letters are settled", async () => {
    gateway.channels.fill();
    const { page, faults, strays } = await open();
    const slack = page.locator(".account", { hasText: "Needs you" });
    await slack.waitFor();
    assert.match(
      await slack.innerText(),
      /Slack says that the token was revoked[\s\S]*To mend it: Install the app again[\s\S]*4 waiting\./,
    );
    assert.equal(await page.locator(".to-channels .count").innerText(), "1");
    await picture(page, "overview-light");
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByText("Waiting to be let in").waitFor({ state: "detached" });
    assert.deepEqual(gateway.calls.findLast((call) => call.method === "channels.pairing.approve")?.params, {
      channel: "irc",
      accountId: "default",
      requestId: "K7PMQ2XA",
      notify: true,
    });
    await page.getByRole("button", { name: "Drop" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Drop" }).click();
    await page.getByText("Perhaps sent").waitFor({ state: "detached" });
    assert.deepEqual([faults, strays], [[], []]);
  });

  test("a channel is connected step by step: a wrong token is told, a good one saved, the first message ticked, its sender let in", async () => {
    const { page, faults } = await open();
    await page.getByText("None yet.").waitFor();
    await page.getByRole("button", { name: "Connect a channel" }).click();
    await picture(page, "choose");
    await page.getByRole("button", { name: "Telegram" }).click();
    const token = page.getByLabel("Bot token");
    assert.equal(await token.getAttribute("type"), "password");
    await token.fill("bad-token");
    await page.getByRole("button", { name: "Check and connect" }).click();
    await page.getByRole("alert").getByText("Telegram refuses it: Unauthorized").waitFor();
    assert.match(await page.getByRole("alert").innerText(), /Ask @BotFather for a new token/);
    await picture(page, "refused");
    assert.deepEqual(gateway.channels.patches, []);
    await token.fill("good-token");
    await page.getByRole("button", { name: "Check and connect" }).click();
    await page.getByText("knows it as @my_bot").waitFor();
    assert.deepEqual(gateway.channels.patches, [{ channels: { telegram: { botToken: "good-token", enabled: true } } }]);
    assert.equal(await page.locator('.ticks li[data-done="true"]').count(), 2);
    gateway.channels.write();
    await page.getByText("Your message has arrived").waitFor();
    await picture(page, "arrived");
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByText("Grace").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Done" }).click();
    await page.locator(".account", { hasText: "Telegram" }).waitFor();
    assert.deepEqual(faults, []);
  });

  test("a phone is linked by a code, and keys within a key are saved there", async () => {
    const { page, faults } = await open();
    await page.getByRole("button", { name: "Connect a channel" }).click();
    await page.getByRole("button", { name: "Signal" }).click();
    await page.getByLabel("Account").first().fill("+15550000001");
    await page.getByText("More").click();
    await page.getByLabel("Transport url").fill("http://127.0.0.1:8080");
    await page.getByRole("button", { name: "Check and connect" }).click();
    await page.getByRole("alert").getByText("Signal refuses it: there is no such account").waitFor();
    assert.deepEqual(gateway.channels.patches, []);
    await page.getByRole("button", { name: "Save it, and link a phone" }).click();
    await page.getByAltText("A code for the Signal app").waitFor();
    await picture(page, "code");
    assert.deepEqual(gateway.channels.patches, [
      { channels: { signal: { account: "+15550000001", transport: { url: "http://127.0.0.1:8080" }, enabled: true } } },
    ]);
    gateway.channels.scan();
    await page.getByText("knows it as +15550000001").waitFor();
    assert.deepEqual(faults, []);
  });

  test("it fits a phone in the dark, and the address leads back to it", async () => {
    gateway.channels.fill();
    const { page } = await open({ width: 360, height: 740, dark: true, touch: true });
    await page.locator(".account", { hasText: "Needs you" }).waitFor();
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
