import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { callerOf } from "../../test/fakes/method-bench.ts";
import { assertMatchesResultSchema } from "../../test/result-schema.ts";
import { loadConfig, type LoadedConfig } from "../config/load.ts";
import { GatewayError } from "../core/errors.ts";
import { silentLog } from "../core/log.ts";
import { silentMetrics } from "../core/metrics.ts";
import { AnswerCache } from "./answer-cache.ts";
import { modelKeyMethods } from "./model-keys.ts";

const GOOD = "good-key-1234567890";
const fails = (detail: string, message: RegExp) => (err: unknown) =>
  err instanceof GatewayError && err.details?.["code"] === detail && message.test(err.message);

/** A provider that knows one key. */
async function startProvider(t: TestContext) {
  const seen: { url: string; headers: IncomingHttpHeaders }[] = [];
  let answer: { status: number; body: string } | null = null;
  const server = createServer((request, response) => {
    seen.push({ url: request.url ?? "", headers: request.headers });
    const isKnown = request.headers.authorization === `Bearer ${GOOD}`;
    const own = answer ?? (isKnown ? { status: 200, body: '{"data":[]}' } : { status: 401, body: '{"error":{"message":"invalid key"}}' });
    response.writeHead(own.status, { "content-type": "application/json" }).end(own.body);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    seen,
    answerWith: (next: { status: number; body: string } | null) => void (answer = next),
  };
}

function rig(t: TestContext, providers: Record<string, unknown>, env: Record<string, string> = {}) {
  const dir = mkdtempSync(join(tmpdir(), "model-keys-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, "openclaw.json");
  writeFileSync(path, JSON.stringify({ models: { providers } }));
  const read = (): LoadedConfig => loadConfig({ path, env: {}, home: dir });
  let loaded = read();
  const methods = modelKeyMethods({
    read,
    loaded: () => loaded,
    configuration: () => loaded,
    answers: new AnswerCache(silentMetrics),
    reload: async () => void (loaded = read()),
    writeOptions: { env: {}, home: dir },
    now: () => 1,
    elapsed: () => 0,
    keysDir: join(dir, "keys"),
    env,
    log: silentLog,
    local: async () => [{ product: "ollama", label: "Ollama", provider: { baseUrl: "http://127.0.0.1:1/v1", models: [{ id: "small" }] } }],
  });
  return {
    dir,
    file: () => readFileSync(path, "utf8"),
    key: (name: string) => loaded.config.models.providers[name]?.apiKey?.reveal(),
    status: async () =>
      (await methods["models.authStatus"].run({})) as { providers: Record<string, unknown>[]; providerCapabilities: unknown[] },
    probe: (provider: string) => methods["models.probe"].run({ provider }),
    set: (provider: string, key: string) => methods["models.key.set"].run({ provider, key }, callerOf()),
    remove: (provider: string) => methods["models.key.remove"].run({ provider }, callerOf()),
  };
}

const MODELS = [{ id: "large" }];

test("a key that works is kept in a file that only its user reads, and no answer has it", async (t) => {
  const provider = await startProvider(t);
  const it = rig(t, { own: { baseUrl: provider.url, apiKey: "old-key-of-the-file", models: MODELS } });
  const answer = await it.set("own", `  ${GOOD}\n`);
  assert.deepEqual([answer["status"], answer["tested"]], ["ok", true]);
  assert.equal(it.key("own"), GOOD);
  assert.ok(!it.file().includes(GOOD) && !it.file().includes("old-key"));
  const kept = /"apiKeyFile":\s*"([^"]+)"/.exec(it.file())![1]!;
  assert.equal(statSync(kept).mode & 0o777, 0o600);
  assert.equal(provider.seen[0]!.url, "/v1/models");
  for (const each of [answer, await it.status(), await it.probe("own")]) assert.ok(!JSON.stringify(each).includes(GOOD));
  await it.remove("own");
  assert.equal(existsSync(kept), false);
  assert.equal(it.key("own"), undefined);
});

test("a key that the provider refuses is not kept, and the error says what the provider says", async (t) => {
  const provider = await startProvider(t);
  const it = rig(t, { own: { baseUrl: provider.url, models: MODELS } });
  const before = it.file();
  await assert.rejects(it.set("own", "wrong-key-1234"), fails("MODEL_KEY_REFUSED", /own answered 401: invalid key; the key was not kept/));
  await assert.rejects(it.set("own", "two words of text"), fails("MODEL_KEY_REFUSED", /this is not a key/));
  assert.equal(it.file(), before);
  assert.equal(existsSync(join(it.dir, "keys")), false);
});

test("a test of a provider says whether its key, its credit or its address is wrong", async (t) => {
  const provider = await startProvider(t);
  const it = rig(t, {
    own: { baseUrl: provider.url, apiKey: GOOD, models: MODELS },
    gone: { baseUrl: "http://127.0.0.1:1/v1", models: MODELS },
  });
  const statusOf = async (answer: { status: number; body: string } | null): Promise<unknown> => {
    provider.answerWith(answer);
    const result = await it.probe("own");
    const { fix: _, ...published } = result;
    assertMatchesResultSchema("ModelsProbeResult", published);
    return result["status"];
  };
  assert.equal(await statusOf(null), "ok");
  assert.equal(await statusOf({ status: 403, body: "{}" }), "auth");
  assert.equal(await statusOf({ status: 402, body: "{}" }), "billing");
  assert.equal(await statusOf({ status: 429, body: "{}" }), "rate_limit");
  assert.equal(await statusOf({ status: 200, body: "<html>" }), "format");
  assert.equal(await statusOf({ status: 500, body: "{}" }), "unknown");
  assert.equal((await it.probe("gone"))["status"], "timeout");
  await assert.rejects(it.probe("nothing"), fails("MODEL_PROVIDER_UNKNOWN", /no provider is called/));
  await assert.rejects(it.probe("openai"), fails("MODEL_KEY_MISSING", /openai has no key/));
});

test("the status of providers says where their keys are, and lists local servers", async (t) => {
  const it = rig(
    t,
    { own: { baseUrl: "http://user:word@127.0.0.1:9/v1", models: MODELS }, anthropic: { apiKey: "sk-ant-secret-secret" }, groq: {} },
    { OPENAI_API_KEY: "sk-env-secret-secret" },
  );
  const { providers, providerCapabilities } = await it.status();
  assert.deepEqual(
    providers.map(({ provider, status, apiKey, kind }) => [provider, status, apiKey, kind]),
    [
      ["own", "static", undefined, "custom"],
      ["anthropic", "static", { source: "config" }, "cloud"],
      ["groq", "missing", undefined, "cloud"],
      ["openai", "static", { source: "env" }, "cloud"],
      ["ollama", "static", undefined, "local"],
    ],
  );
  const text = JSON.stringify(providers);
  for (const secret of ["sk-ant-secret", "sk-env-secret", "word@"]) assert.ok(!text.includes(secret), secret);
  assert.ok(providerCapabilities.length > 10);
  await assert.rejects(it.remove("openai"), (err: unknown) => err instanceof GatewayError && /OPENAI_API_KEY/.test(err.message));
});
