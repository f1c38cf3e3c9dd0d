import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { until } from "../../test/until.ts";
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

async function openModels(): Promise<BrowserUser> {
  const user = await stage.signedIn();
  await user.page.getByRole("button", { name: "Models", exact: true }).click();
  await user.page.locator("#models-providers-title").waitFor();
  return user;
}

const calls = (method: string): Record<string, unknown>[] =>
  stage.gateway.calls.filter((call) => call.method === method).map((call) => call.params);

describe("models and their providers on the page", () => {
  test("the beginning of a key names its provider; it is tested, kept by the gateway, and leaves the page", async () => {
    stage.gateway.models.empty();
    const { page, errors, unexpectedRequests } = await openModels();
    await hasText(page, ".panel-empty", /No AI model is connected/);
    await page.getByLabel("API key").fill("sk-ant-invented-key-1");
    assert.equal(await page.getByLabel("Provider", { exact: true }).inputValue(), "anthropic");
    await page.getByRole("button", { name: "Test and keep" }).click();
    await hasText(page, ".warn", /The key of anthropic works and is stored/);
    await hasText(page, ".entry", /anthropic\s*Works \(180 ms\)\s*Key is stored on the gateway/);
    assert.deepEqual(calls("models.key.set"), [{ provider: "anthropic", key: "sk-ant-invented-key-1" }]);
    assert.equal(await page.getByLabel("API key").inputValue(), "");
    assert.ok(!(await page.content()).includes("sk-ant-invented"));
    assert.deepEqual([errors, unexpectedRequests], [[], []]);
  });

  test("a key that is refused says why and what to do, and stays in the field", async () => {
    stage.gateway.models.empty();
    const { page } = await openModels();
    await page.getByLabel("API key").fill("bad-key-12345");
    await page.getByLabel("Provider", { exact: true }).selectOption("openai");
    await page.getByRole("button", { name: "Test and keep" }).click();
    await hasText(page, ".problem", /openai answered 401[\s\S]*Copy the key again/);
    assert.equal(await page.getByLabel("API key").inputValue(), "bad-key-12345");
  });

  test("providers are tested, and a local server needs no key", async () => {
    stage.gateway.models.fill();
    const { page } = await openModels();
    await hasText(page, ".entry", /Ollama\s*local\s*Found on this machine; needs no key/);
    await page.getByRole("button", { name: "Test anthropic" }).click();
    await hasText(page, ".problem", /anthropic answered 401: invalid x-api-key\. Copy the key again/);
    await page.getByRole("button", { name: "Test ollama" }).click();
    await hasText(page, ".entry", /Ollama\s*local\s*Works \(4 ms\)/);
    await page.getByRole("button", { name: "Remove key of anthropic" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await page.getByRole("button", { name: "Test anthropic" }).waitFor({ state: "detached" });
  });

  test("the model and the fallbacks of an agent are chosen in their order", async () => {
    stage.gateway.models.fill();
    const { page } = await openModels();
    await page.getByRole("button", { name: "Remove ollama/qwen3:8b" }).click();
    await hasText(page, ".entry", /No model answers when this one fails/);
    await page.getByLabel("Add a fallback").selectOption("ollama/qwen3:8b");
    await hasText(page, ".model-fallbacks", /ollama\/qwen3:8b/);
    assert.deepEqual(
      calls("config.patch").map(({ raw }) => JSON.parse(String(raw)) as unknown),
      [
        { agents: { defaults: { model: { primary: "anthropic/claude-sonnet-5", fallbacks: [] } } } },
        { agents: { defaults: { model: { primary: "anthropic/claude-sonnet-5", fallbacks: ["ollama/qwen3:8b"] } } } },
      ],
    );
    await page.getByLabel("Model", { exact: true }).selectOption("ollama/qwen3:8b");
    await until("the choice", () => calls("models.set").length === 1);
    assert.deepEqual(calls("models.set"), [{ model: "ollama/qwen3:8b" }]);
  });

  test("who may only read sees no field for a key, and the page is accessible", async () => {
    stage.gateway.models.fill();
    stage.gateway.limitScopes(["operator.read"]);
    const { page } = await openModels();
    await hasText(page, ".entry", /anthropic/);
    assert.equal(await page.getByLabel("API key").count(), 0);
    assert.equal(await page.getByRole("button", { name: /^(?:Test|Remove)/ }).count(), 0);
    await assertAccessible(page);
  });
});
