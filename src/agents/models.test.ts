import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startModelServer, type ModelServer } from "../../test/model-server.ts";
import { silentLog } from "../core/log.ts";
import { Secret } from "../core/secret.ts";
import {
  buildModelCatalog,
  selectModels,
  discoverLocalServers,
  GUIDE,
  needsLocalServer,
  parseModelName,
  PROBES,
  type ModelInputs,
} from "./models.ts";

const none: ModelInputs = { configured: [], providers: {}, env: {}, local: [] };
const ollama = { product: "ollama", label: "Ollama", provider: { baseUrl: "http://127.0.0.1:1/v1", models: [{ id: "qwen3:8b" }] } };

const servers: ModelServer[] = [];
after(() => Promise.all(servers.map((server) => server.close())));
async function start(...args: Parameters<typeof startModelServer>): Promise<ModelServer> {
  const server = await startModelServer(...args);
  servers.push(server);
  return server;
}

test("a listed model is selectable if its provider has a key", () => {
  const list = buildModelCatalog({ ...none, listed: ["anthropic/claude-opus-5", "noKey/x"], env: { ANTHROPIC_API_KEY: "x" } });
  const found = list.find((entry) => entry.id === "claude-opus-5");
  assert.deepEqual([found?.provider, found?.available], ["anthropic", true]);
  assert.ok(!list.some((entry) => entry.provider === "noKey"));
});

test("The order is configuration, environment, local server, guide", () => {
  const all: ModelInputs = { ...none, configured: ["openai/gpt-5.5"], env: { ANTHROPIC_API_KEY: "x" }, local: [ollama] };
  assert.equal(selectModels(all).source, "config");
  assert.equal(selectModels({ ...all, configured: [] }).source, "environment");
  assert.equal(selectModels({ ...all, configured: [], env: {} }).source, "local");
  const guide = selectModels(none);
  assert.deepEqual([guide.source, guide.primary], ["guide", GUIDE]);
  assert.match(guide.note, /scripted/);
});

test("Configured fallbacks keep their order, and a bare id finds its provider", () => {
  const providers = { gw: { baseUrl: "http://127.0.0.1:1/v1", models: [{ id: "big" }] } };
  const choice = selectModels({ ...none, providers, configured: ["big", "openrouter/anthropic/claude-sonnet-5"] });
  assert.deepEqual(choice.primary, { provider: "gw", id: "big" });
  assert.deepEqual(choice.fallbacks, [{ provider: "openrouter", id: "anthropic/claude-sonnet-5" }]);
});

test("A key in the environment is reported by its variable and never by its value", () => {
  const choice = selectModels({ ...none, env: { GEMINI_API_KEY: "canary-1", OPENAI_API_KEY: "canary-2" } });
  assert.equal(choice.primary.provider, "openai");
  assert.match(choice.note, /OPENAI_API_KEY/);
  assert.deepEqual(choice.fallbacks, [], "no second provider is spent on without being asked");
  assert.ok(!JSON.stringify(choice).includes("canary"));
});

test("A configured key without a model counts as configuration", () => {
  const choice = selectModels({ ...none, providers: { mistral: { apiKey: new Secret("k"), models: [] } } });
  assert.deepEqual([choice.source, choice.primary.provider], ["config", "mistral"]);
});

test("The catalog lists each model once, marks usable ones, and ends with the guide", () => {
  const providers = { gw: { baseUrl: "http://127.0.0.1:1/v1", models: [{ id: "big", input: ["text", "image"] as const }] } };
  const list = buildModelCatalog({
    configured: ["gw/big", "anthropic/claude-opus-5"],
    providers,
    env: { OPENAI_API_KEY: "x" },
    local: [ollama],
  });
  assert.deepEqual(
    list.map((entry) => [`${entry.provider}/${entry.id}`, entry.available]),
    [
      ["ollama/qwen3:8b", true],
      ["gw/big", true],
      ["anthropic/claude-opus-5", false],
      ["openai/gpt-5.4-mini", true],
      ["guide/setup-guide", true],
    ],
  );
});

test("A model name splits at the first slash", () => {
  assert.deepEqual(parseModelName("a/b/c"), { provider: "a", id: "b/c" });
  for (const name of ["", "a", "/a", "a/"]) assert.equal(parseModelName(name), undefined);
});

for (const product of ["ollama", "lmstudio", "llamacpp", "vllm"] as const) {
  test(`${product} is identified only by its own response`, async () => {
    const server = await start({ product, models: ["qwen3:8b", "nomic-embed-text"] });
    const probes = PROBES.map((probe) => ({ ...probe, port: server.port }));
    const found = await discoverLocalServers({}, silentLog, probes);
    assert.deepEqual(
      found.map((each) => each.product),
      [product],
    );
    assert.deepEqual(
      found[0]!.provider.models.map((model) => model.id),
      ["qwen3:8b"],
    );
    assert.equal(found[0]!.provider.baseUrl, `${server.url}/v1`);
    assert.ok(
      server.paths().every((path) => path.startsWith("GET ")),
      "nothing but GET",
    );
    assert.deepEqual(server.requests(), []);
  });
}

test("A server that only speaks OpenAI's protocol is not identified", async () => {
  const server = await start();
  assert.deepEqual(
    await discoverLocalServers(
      {},
      silentLog,
      PROBES.map((probe) => ({ ...probe, port: server.port })),
    ),
    [],
  );
});

test("A port where nothing listens is not logged", async () => {
  const lines: string[] = [];
  const log = { ...silentLog, debug: (message: string) => void lines.push(message) };
  const server = await start();
  await server.close();
  const probes = PROBES.map((probe) => ({ ...probe, port: server.port }));
  assert.deepEqual(await discoverLocalServers({}, log, probes), []);
  assert.deepEqual(lines, []);
});

test("Detection can be disabled", async () => {
  const server = await start({ product: "ollama" });
  const probes = PROBES.map((probe) => ({ ...probe, port: server.port }));
  assert.deepEqual(await discoverLocalServers({ OPENCLAW_DISCOVER_LOCAL_MODELS: "0" }, silentLog, probes), []);
  assert.deepEqual(server.paths(), []);
});

test("Local servers are detected while a configured model is missing", () => {
  assert.equal(needsLocalServer(none), true);
  assert.equal(needsLocalServer({ ...none, local: [ollama] }), false);
  const named: ModelInputs = { ...none, configured: ["ollama/qwen3:8b"] };
  assert.equal(needsLocalServer(named), true);
  assert.equal(needsLocalServer({ ...named, local: [ollama] }), false);
  assert.equal(needsLocalServer({ ...named, providers: { ollama: ollama.provider } }), false);
  assert.equal(needsLocalServer({ ...none, configured: ["openai/gpt-5.5", "vllm/a"], env: { OPENAI_API_KEY: "x" } }), true);
  assert.equal(needsLocalServer({ ...none, configured: ["openai/gpt-5.5"] }), false);
});
