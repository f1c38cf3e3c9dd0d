import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { assertAccessible } from "./axe.ts";
import { hasText, startPageTest } from "./page-session.ts";
import type { BrowserUser } from "./browser.ts";
import type { PageTest } from "./page-session.ts";

let stage: PageTest;
before(async () => {
  stage = await startPageTest();
});
beforeEach(() => stage.reset());
after(() => stage.close());

async function openDevices(): Promise<BrowserUser> {
  const user = await stage.signedIn();
  await user.page.getByRole("button", { name: "Devices", exact: true }).click();
  return user;
}

const calls = (method: string): Record<string, unknown>[] =>
  stage.gateway.calls.filter((call) => call.method === method).map((call) => call.params);
const PHONE = "b2".repeat(32);

describe("the devices on the page", () => {
  test("each device says what it may do and when it was seen, and a request is approved by one click", async () => {
    stage.gateway.devices.fill(Date.now());
    const { page, errors, unexpectedRequests } = await openDevices();
    await hasText(page, ".panel-head", /Paired devices\s*1 of 2 connected/);
    await hasText(page, ".entry", /Phone\s*Seen \w+\s*May read, send messages/);
    await hasText(page, ".entry", /Ann's tablet\s*Wants to read, send messages/);
    await page.getByRole("button", { name: "Approve Ann's tablet" }).click();
    await hasText(page, ".panel-head", /1 of 3 connected/);
    assert.deepEqual(calls("device.pair.approve"), [{ requestId: "9d1f0c1a-0000-4000-8000-000000000001" }]);
    await assertAccessible(page);
    assert.deepEqual([errors, unexpectedRequests], [[], []]);
  });

  test("tokens are rotated and revoked, and devices renamed and removed, after a question", async () => {
    stage.gateway.devices.fill(Date.now());
    const { page } = await openDevices();
    const phone = page.locator(".entry", { hasText: "Phone" }).last();
    await phone.getByText("Tokens and rights").click();
    await page.getByRole("button", { name: "Rotate the operator token of Phone" }).click();
    assert.deepEqual(calls("device.token.rotate"), []);
    await page.getByRole("dialog").getByRole("button", { name: "Rotate" }).click();
    await hasText(page, ".warn", /Phone gets its new token when it pairs again/);
    await page.getByRole("button", { name: "Revoke the operator token of Phone" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await hasText(page, ".entry", /Phone\s*Revoked\s*Cannot sign in/);
    await page.getByRole("button", { name: "Rename Phone" }).click();
    await page.getByLabel("New name").fill("Old phone");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("button", { name: "Remove Old phone" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await hasText(page, ".panel-head", /1 of 1 connected/);
    assert.deepEqual(calls("device.token.rotate"), [{ deviceId: PHONE, role: "operator" }]);
    assert.deepEqual(calls("device.pair.rename"), [{ deviceId: PHONE, label: "Old phone" }]);
    assert.deepEqual(calls("device.pair.remove"), [{ deviceId: PHONE }]);
  });

  test("a code for another device has a picture to scan, a text and a link, and its rights are chosen first", async () => {
    stage.gateway.devices.fill(Date.now());
    const { page } = await openDevices();
    await page.getByRole("button", { name: "Make a code" }).click();
    await page.getByRole("img", { name: "Code to scan with the app" }).waitFor();
    await hasText(page, ".command", /https:\/\/gateway\.example\.org\/#k=7Q4M-2XKD/);
    assert.deepEqual(calls("device.pair.setupCode"), [{ includeQr: true, bootstrapProfile: "limited" }]);
  });

  test("without devices it shows how to add one, and who may not pair reads why there is none", async () => {
    const { page } = await openDevices();
    await hasText(page, ".panel-empty", /No device is paired/);
    stage.gateway.limitScopes(["operator.read"]);
    const { page: other } = await openDevices();
    await hasText(other, ".panel-empty", /lacks the scope operator\.pairing/);
  });
});
