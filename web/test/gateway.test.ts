/** The page against the real gateway, with a real Pi and a deterministic model behind it. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { startModelServer } from "../../test/model-server.ts";
import { dropHome, MAIN, modelConfig, newHome, startGateway } from "../../test/wire/gateway-process.ts";
import { openBrowserUser } from "./browser.ts";
import { encodePng } from "./png.ts";
import type { ModelServer } from "../../test/model-server.ts";
import type { GatewayUnderTest } from "../../test/wire/gateway-process.ts";
import type { BrowserUser } from "./browser.ts";
import type { Page } from "playwright-core";

const WAIT_MS = 30_000;

async function linkOf(gateway: GatewayUnderTest): Promise<string> {
  const env = { PATH: process.env["PATH"] ?? "", HOME: gateway.home };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [MAIN, "dashboard", "--no-open", "--url", gateway.url, "--token", gateway.token()],
    { env },
  );
  const link = /http\S+#k=\S+/.exec(stdout)?.[0];
  assert.ok(link, stdout);
  return link;
}

async function say(page: Page, text: string): Promise<void> {
  await page.locator("#composer").fill(text);
  await page.keyboard.press("Enter");
}

const answer = (page: Page, text: string): Promise<void> =>
  page.locator(".message.assistant", { hasText: text }).last().waitFor({ timeout: WAIT_MS });
const settled = (page: Page): Promise<void> =>
  page.locator('.message.assistant[data-running="true"]').waitFor({ state: "detached", timeout: WAIT_MS });

let models: ModelServer;
let gateway: GatewayUnderTest;
let person: BrowserUser;
const home = newHome();

before(async () => {
  models = await startModelServer();
  gateway = await startGateway({ home, config: modelConfig(models.url) });
  person = await openBrowserUser(gateway.http);
  await person.page.goto(await linkOf(gateway));
  await person.page.locator("#composer").waitFor();
});
after(async () => {
  await person?.close();
  await gateway?.kill();
  await models?.close();
  dropHome(home);
});

describe("answers of a real gateway on the page", () => {
  test("it says which model answers, and the answer comes from it", async () => {
    const { page } = person;
    assert.doesNotMatch(page.url(), /k=/);
    await page.locator(".head-model", { hasText: "Answered by Echo (test)" }).waitFor();
    await say(page, "hello there");
    await answer(page, "You said: hello there");
    await settled(page);
    assert.equal(await page.locator(".message").count(), 2);
  });

  test("a tool call shows its command, its result and its duration, live and after a reload", async () => {
    const { page } = person;
    await say(page, "tool:bash:echo from-the-tool");
    await answer(page, "Tool said:");
    await settled(page);
    const check = async (): Promise<void> => {
      const tool = page.locator("details.tool").last();
      assert.match(await tool.locator("summary").innerText(), /exec\s+echo from-the-tool\s+\d+\.\d s/);
      await tool.locator("summary").click();
      assert.match(await tool.locator(".tool-body").innerText(), /Result\s+from-the-tool/);
    };
    await check();
    await page.reload();
    await answer(page, "Tool said:");
    await check();
  });

  test("thinking is folded", async () => {
    const { page } = person;
    await say(page, "think: about gardens");
    await settled(page);
    await page.locator("details.thinking").last().waitFor({ timeout: WAIT_MS });
  });

  test("a slow answer streams, and Escape stops it", async () => {
    const { page } = person;
    await say(page, `slow:100 ${Array.from({ length: 60 }, (_, at) => `w${at}`).join(" ")}`);
    await page.locator('.message.assistant[data-running="true"]', { hasText: "w3" }).waitFor({ timeout: WAIT_MS });
    await page.locator("#composer").press("Escape");
    await page.locator(".note-line", { hasText: "Stopped." }).waitFor({ timeout: WAIT_MS });
    await settled(page);
    assert.equal(await page.getByRole("button", { name: "Stop" }).count(), 0);
  });

  test("a message into a running turn steers it, and nothing is shown twice", async () => {
    const { page } = person;
    await page.getByRole("button", { name: "New session" }).first().click();
    await say(page, `slow:60 ${Array.from({ length: 30 }, (_, at) => `s${at}`).join(" ")}`);
    await page.locator('.message.assistant[data-running="true"]', { hasText: "s3" }).waitFor({ timeout: WAIT_MS });
    await say(page, "and now this");
    await answer(page, "You said: and now this");
    await settled(page);
    const users = await page.locator(".message.user .plain").allInnerTexts();
    assert.equal(users.filter((text) => text === "and now this").length, 1);
    const texts = (await page.locator(".message.assistant").allInnerTexts()).join("\n");
    assert.equal(texts.split("s29").length - 1, 1);
    assert.equal(texts.split("You said: and now this").length - 1, 1);
    await page.reload();
    await answer(page, "You said: and now this");
    assert.deepEqual(await page.locator(".message.user .plain").allInnerTexts(), users);
  });

  test("a picture that was sent is still shown after a reload, when the history leaves it out", async () => {
    const { page } = person;
    await page.getByRole("button", { name: "New session" }).first().click();
    // Noise, so that the file is larger than what rows keep.
    const rgb = Uint8Array.from({ length: 120 * 120 * 3 }, (_, at) => ((at * 7_919) ^ (at >> 3)) & 255);
    const buffer = encodePng({ width: 120, height: 120, rgb });
    await page.locator('input[type="file"]').setInputFiles({ name: "noise.png", mimeType: "image/png", buffer });
    await page.locator(".pictures img").waitFor();
    await say(page, "look at this");
    await answer(page, "look at this");
    const picture = page.locator(".message.user img.picture");
    await picture.waitFor({ timeout: WAIT_MS });
    await settled(page);
    await page.reload();
    await picture.waitFor({ timeout: WAIT_MS });
    assert.equal(await picture.evaluate((image: HTMLImageElement) => image.naturalWidth), 120);
  });

  test("/reset leaves nothing of the conversation before", async () => {
    const { page } = person;
    await say(page, "/reset");
    await page.locator("dialog").getByRole("button", { name: "Reset" }).click();
    await answer(page, "This is a new conversation");
    await page.locator(".message", { hasText: "look at this" }).first().waitFor({ state: "detached", timeout: WAIT_MS });
    assert.equal(await page.locator(".message.assistant").count(), 1);
    await say(page, "after the reset");
    await answer(page, "You said: after the reset");
    await settled(page);
    assert.equal(await page.locator(".message.assistant").count(), 2);
  });
});

describe("approvals and tools on the page", () => {
  test("the views of approvals and tools show what the gateway says", async () => {
    const { page } = person;
    await page.getByRole("button", { name: "Inbox" }).click();
    await page.getByText("Nothing waits.").waitFor({ timeout: WAIT_MS });
    await page.getByText("No earlier questions.").waitFor({ timeout: WAIT_MS });
    await page.getByText("Nothing yet. The answer “Always” adds programs to this list.").waitFor({ timeout: WAIT_MS });
    await page.getByRole("button", { name: "Tools" }).click();
    const exec = page.locator(".entry", { has: page.getByText("exec", { exact: true }) });
    await exec.waitFor({ timeout: WAIT_MS });
    assert.match(await exec.innerText(), /^exec\s+Granted\s+\S[\s\S]+Decided by: operators have all tools that nothing denies$/);
    assert.equal(await page.locator(".warn").count(), 0);
    await page.goBack();
    await page.goBack();
    await page.locator("#composer").waitFor();
  });

  test("a command that a person is asked about runs when the page allows it", async () => {
    const { page } = person;
    const client = await gateway.connect({ scopes: ["operator.admin", "operator.approvals"] });
    const { hash } = await client.request<{ hash: string }>("exec.approvals.get", {});
    await client.request("exec.approvals.set", { file: { version: 1, defaults: { ask: "always" } }, baseHash: hash });
    await say(page, "tool:exec:" + JSON.stringify({ command: "echo asked | rev" }));
    const question = page.locator(".session-question");
    await question.getByText("echo asked | rev").waitFor({ timeout: WAIT_MS });
    // A click right after the question appears is taken for one that was meant for something else.
    await page.waitForFunction(() => new Promise((resolve) => setTimeout(() => resolve(true), 600)));
    await question.getByRole("button", { name: "Allow once" }).click();
    await answer(page, "Tool said: deksa");
    await settled(page);
    assert.deepEqual(await client.request("exec.approval.list", {}), []);
    const changed = await client.request<{ hash: string }>("exec.approvals.get", {});
    await client.request("exec.approvals.set", { file: { version: 1 }, baseHash: changed.hash });
    await client.close();
  });
});

describe("the page after a crash of its gateway", () => {
  test("kill -9 of the gateway: the written message goes out afterwards, once", async () => {
    const { page } = person;
    const { port } = gateway;
    await gateway.kill("SIGKILL");
    await page.locator(".status", { hasText: "Reconnecting" }).waitFor({ timeout: WAIT_MS });
    await say(page, "written while you were away");
    gateway = await startGateway({ home, port });
    await answer(page, "You said: written while you were away");
    await settled(page);
    assert.equal(await page.locator(".message.user .plain", { hasText: "written while you were away" }).count(), 1);
    assert.equal(
      models.requests().filter((request) => JSON.stringify(request.messages.at(-1)).includes("written while you were away")).length,
      1,
    );
  });

  test("kill -9 in the middle of an answer: it is answered after all, and appears once", async () => {
    const { page } = person;
    const { port } = gateway;
    await page.getByRole("button", { name: "New session" }).first().click();
    await say(page, `slow:80 ${Array.from({ length: 40 }, (_, at) => `k${at}`).join(" ")}`);
    await page.locator('.message.assistant[data-running="true"]', { hasText: "k5" }).waitFor({ timeout: WAIT_MS });
    await gateway.kill("SIGKILL");
    gateway = await startGateway({ home, port });
    await answer(page, "k39");
    await settled(page);
    const texts = (await page.locator(".message.assistant").allInnerTexts()).join("\n");
    assert.equal(texts.split("k39").length - 1, 1);
    assert.equal(await page.locator(".message.user").count(), 1);
  });

  test("a command is answered in its place", async () => {
    const { page } = person;
    await say(page, "/status");
    await answer(page, "Model: test/echo");
    await say(page, "after the command");
    await answer(page, "You said: after the command");
    await settled(page);
    const all = (await page.locator(".message").allInnerTexts()).join("\n");
    assert.ok(all.indexOf("Model: test/echo") < all.indexOf("You said: after the command"));
  });

  test("nothing on the page broke the content security policy or went elsewhere", () => {
    assert.deepEqual(person.errors, []);
    assert.deepEqual(person.unexpectedRequests, []);
  });
});
