/** Pages that change the gateway, against the real one: what they show comes from it, and what they change is in its files. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { startModelServer } from "../../test/model-server.ts";
import { dropHome, MAIN, modelConfig, newHome, startGateway, stateDir } from "../../test/wire/gateway-process.ts";
import { openBrowserUser } from "./browser.ts";
import { hasText, sendMessage, untilIdle } from "./page-session.ts";
import type { ModelServer } from "../../test/model-server.ts";
import type { GatewayUnderTest } from "../../test/wire/gateway-process.ts";
import type { BrowserUser } from "./browser.ts";

let models: ModelServer;
let gateway: GatewayUnderTest;
let person: BrowserUser;
const home = newHome();

before(async () => {
  models = await startModelServer();
  gateway = await startGateway({ home, config: modelConfig(models.url) });
  const env = { PATH: process.env["PATH"] ?? "", HOME: home };
  const words = [MAIN, "dashboard", "--no-open", "--url", gateway.url, "--token", gateway.token()];
  const { stdout } = await promisify(execFile)(process.execPath, words, { env });
  person = await openBrowserUser(gateway.http);
  await person.page.goto(/http\S+#k=\S+/.exec(stdout)![0]);
  await person.page.locator("#composer").waitFor();
});
after(async () => {
  await person?.close();
  await gateway?.kill();
  await models?.close();
  dropHome(home);
});

const configFile = (): string => readFileSync(join(stateDir(home), "openclaw.json"), "utf8");
const open = (name: string): Promise<void> => person.page.getByRole("button", { name, exact: true }).click();

test("a field of the real schema is changed, planned, applied, and taken back", async () => {
  const { page, errors } = person;
  await open("Config");
  await page.getByLabel("Section").selectOption("session");
  await page.getByLabel("Dm scope").selectOption("per-peer");
  await hasText(page, ".cfg-plan .facts", /session\.dmScope\s+at once/);
  await page.getByRole("button", { name: "Apply", exact: true }).click();
  await hasText(page, ".entry", /Version 2\s*In the file/);
  assert.match(configFile(), /"dmScope": "per-peer"/);
  assert.ok(!(await page.getByLabel("Text (JSON5)").inputValue()).includes("test-key"));
  await page.getByRole("button", { name: "Go back to version 1" }).click();
  await page.getByRole("button", { name: "Apply", exact: true }).click();
  await hasText(page, ".entry", /Version 3\s*In the file/);
  assert.ok(!configFile().includes("dmScope") && configFile().includes("test-key"));
  assert.deepEqual(errors, []);
});

test("the real provider is tested, and its model answers", async () => {
  const { page } = person;
  await open("Models");
  await hasText(page, ".entry", /test\s*Key is stored on the gateway/);
  await page.getByRole("button", { name: "Test test" }).click();
  await hasText(page, ".entry", /test\s*Works \(\d+ ms\)/);
  assert.equal(await page.getByLabel("Model", { exact: true }).inputValue(), "test/echo");
});

test("this browser is among the devices, and a code for another one says what it needs", async () => {
  const { page } = person;
  await open("Devices");
  await hasText(page, ".entry", /This browser\s*Connected\s*May change everything/);
  await page.getByRole("button", { name: "Make a code" }).click();
  await hasText(page, ".problem", /another device cannot reach[\s\S]*gateway\.bind/);
});

test("a file of the agent is written into its workspace", async () => {
  const { page } = person;
  await open("Agents");
  await page.getByRole("button", { name: "Edit SOUL.md" }).click();
  await page.getByRole("textbox", { name: "SOUL.md" }).fill("Speak slowly.\n");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await hasText(page, ".toast", /SOUL\.md is saved/);
  assert.equal(readFileSync(join(stateDir(home), "workspace", "SOUL.md"), "utf8"), "Speak slowly.\n");
});

test("a message is edited and sent again, and the model reads nothing of the first one in the new branch", async () => {
  const { page, errors } = person;
  await page.keyboard.press("Escape");
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await page.keyboard.press("g");
  await page.keyboard.press("c");
  await sendMessage(page, "the word is apple");
  await hasText(page, ".message.assistant", "You said: the word is apple");
  await untilIdle(page);
  await page.getByRole("article", { name: "You" }).last().hover();
  await page.getByRole("button", { name: "Edit and send again" }).last().click();
  await page.getByRole("textbox", { name: "Message", exact: true }).first().fill("the word is birch");
  await page.keyboard.press("Enter");
  await hasText(page, ".message.assistant", "You said: the word is birch");
  await untilIdle(page);
  assert.doesNotMatch(JSON.stringify(models.requests().at(-1)!.messages), /apple/);
  const choice = page.getByLabel(/^Branch, 2 in this conversation/);
  await choice.selectOption({ index: 0 });
  await hasText(page, ".message.assistant", "You said: the word is apple");
  assert.equal(await page.locator(".message", { hasText: "birch" }).count(), 0);
  await page.reload();
  await hasText(page, ".message.assistant", "You said: the word is apple");
  assert.deepEqual(errors, []);
});
