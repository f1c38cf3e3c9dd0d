// Group: wire
import { testMarker } from "../../../test/fakes/test-marker.ts";
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { silentLog } from "../../core/log.ts";
import { Secret } from "../../core/secret.ts";
import { KEY_VARIABLES } from "../../core/provider-keys.ts";
import { DEFAULT_MODELS, type ProviderTable } from "../models.ts";
import {
  cleanTemp,
  configGeneration,
  hasPiFiles,
  piDirs,
  removeLocks,
  setAsideUnreadable,
  toPiArgs,
  toPiConfig,
  toPiEnv,
  writePiFiles,
} from "./files.ts";
import { PiProcess } from "./process.ts";

const root = mkdtempSync(join(tmpdir(), "pi-files-"));
after(() => rmSync(root, { recursive: true, force: true }));

const table: ProviderTable = {
  "my-gw": {
    baseUrl: "http://127.0.0.1:1/v1/",
    apiKey: new Secret("canary-a"),
    headers: { "x-key": new Secret("canary-b") },
    models: [{ id: "m", contextWindow: 16_000 }],
  },
  ollama: { baseUrl: "http://127.0.0.1:2", api: "ollama", models: [{ id: "q" }] },
  anthropic: { apiKey: new Secret("canary-c"), models: [] },
};

test("Keys and headers are referenced in the files and passed separately", () => {
  const { models, settings, keys } = toPiConfig(table, { OPENAI_API_KEY: "canary-d", FOO_SECRET: "canary-e" });
  assert.doesNotMatch(models + settings, /canary/);
  assert.deepEqual(keys, {
    OPENAI_API_KEY: "canary-d",
    OPENCLAW_KEY_MY_GW: "canary-a",
    OPENCLAW_HEADER_MY_GW_0: "canary-b",
    OPENCLAW_KEY_OLLAMA: "none",
    ANTHROPIC_API_KEY: "canary-c",
  });
  const { providers } = JSON.parse(models);
  assert.equal(providers["my-gw"].apiKey, "$OPENCLAW_KEY_MY_GW");
  assert.equal(providers["my-gw"].headers["x-key"], "$OPENCLAW_HEADER_MY_GW_0");
  assert.deepEqual([providers.ollama.api, providers.ollama.baseUrl], ["openai-completions", "http://127.0.0.1:2/v1"]);
  assert.equal(providers.anthropic, undefined);
});

test("A small context window gets small reserves", () => {
  const { settings } = toPiConfig(table, {});
  assert.deepEqual(JSON.parse(settings).compaction.modelOverrides, { "my-gw/m": { reserveTokens: 4_000, keepRecentTokens: 5_333 } });
});

test("Compaction follows the configuration, within the limits of a small window", () => {
  const compaction = JSON.parse(toPiConfig(table, {}, { enabled: false, keepRecentTokens: 900 }).settings).compaction;
  assert.deepEqual([compaction.enabled, compaction.keepRecentTokens], [false, 900]);
  assert.equal(compaction.modelOverrides["my-gw/m"].keepRecentTokens, 900);
  const large = JSON.parse(toPiConfig(table, {}, { enabled: true, keepRecentTokens: 30_000 }).settings).compaction;
  assert.deepEqual([large.enabled, large.modelOverrides["my-gw/m"].keepRecentTokens], [true, 5_333]);
});

test("A model can override all configurable settings of its provider", () => {
  const models: ProviderTable[string]["models"] = [
    { id: "plain", contextWindow: 100_000, contextTokens: 40_000, input: ["text", "image", "video"], cost: { input: 2 } },
    {
      id: "own",
      api: "ollama",
      baseUrl: "http://127.0.0.1:3/",
      headers: { "x-m": new Secret("canary-h") },
      compat: { supportsStore: true },
    },
  ];
  const config = toPiConfig({ gw: { baseUrl: "http://127.0.0.1:1/v1", api: "anthropic-messages", authHeader: true, models } }, {});
  const { gw } = JSON.parse(config.models).providers;
  assert.deepEqual([gw.authHeader, gw.api, gw.compat], [true, "anthropic-messages", undefined]);
  const [plain, own] = gw.models;
  assert.deepEqual([plain.contextWindow, plain.maxTokens, plain.input, plain.api], [40_000, 10_000, ["text", "image"], undefined]);
  assert.deepEqual(plain.cost, { input: 2, output: 0, cacheRead: 0, cacheWrite: 0 });
  assert.deepEqual([own.api, own.baseUrl, own.compat], ["openai-completions", "http://127.0.0.1:3/v1", { supportsStore: true }]);
  assert.doesNotMatch(config.models, /canary/);
  assert.equal(config.keys[own.headers["x-m"].slice(1)], "canary-h");
});

test("The environment of a child has only listed variables", () => {
  const env = { PATH: "/bin", LC_ALL: "C", https_proxy: "http://p", OPENAI_API_KEY: "canary", NODE_OPTIONS: "--x", LD_PRELOAD: "/x" };
  const names = Object.keys(toPiEnv(env, piDirs("/s"), "m"));
  assert.deepEqual(names.slice(0, 3), ["PATH", "LC_ALL", "https_proxy"]);
  for (const name of ["OPENAI_API_KEY", "NODE_OPTIONS", "LD_PRELOAD"]) assert.ok(!names.includes(name), name);
});

test("Files are written privately, and again only when they change", async () => {
  const dirs = piDirs(join(root, "a"));
  const path = join(dirs.config, "models.json");
  await writePiFiles(dirs, toPiConfig(table, {}));
  const first = statSync(path);
  assert.equal(first.mode & 0o777, 0o600);
  assert.equal(statSync(dirs.cache).mode & 0o777, 0o700);
  await writePiFiles(dirs, toPiConfig(table, {}));
  assert.equal(statSync(path).ino, first.ino);
  await writePiFiles(dirs, toPiConfig({}, {}));
  assert.notEqual(statSync(path).ino, first.ino);
  assert.deepEqual(JSON.parse(readFileSync(path, "utf8")), { providers: {} });
});

test("Old temporary files are removed, recent ones and directories stay", async () => {
  const dirs = piDirs(join(root, "c"));
  await cleanTemp(dirs, Date.now());
  mkdirSync(join(dirs.temp, "jiti"));
  writeFileSync(join(dirs.temp, "pi-bash-1.log"), "x");
  await cleanTemp(dirs, Date.now());
  assert.deepEqual(readdirSync(dirs.temp).toSorted(), ["jiti", "pi-bash-1.log"]);
  await cleanTemp(dirs, Date.now() + 8 * 86_400_000);
  assert.deepEqual(readdirSync(dirs.temp), ["jiti"]);
});

test("Locks of a killed Pi are removed, files stay", async () => {
  const dirs = piDirs(join(root, "d"));
  await writePiFiles(dirs, toPiConfig(table, {}));
  mkdirSync(join(dirs.config, "auth.json.lock"));
  await removeLocks(dirs);
  assert.deepEqual(readdirSync(dirs.config).toSorted(), ["models.json", "settings.json", "start", "tmp"]);
});

test("A lock is as old as its creation, whatever time of modification Pi has given it", async () => {
  const dirs = piDirs(join(root, "locks"));
  await writePiFiles(dirs, toPiConfig(table, {}));
  const lock = join(dirs.config, "settings.json.lock");
  mkdirSync(lock);
  const created = statSync(lock).ctimeMs;
  const ahead = new Date(created + 1_005);
  utimesSync(lock, ahead, ahead);
  await removeLocks(dirs, silentLog, statSync(lock).ctimeMs - 1);
  assert.ok(existsSync(lock), "it is of a process that was started later");
  await removeLocks(dirs, silentLog, statSync(lock).ctimeMs);
  assert.ok(!existsSync(lock));
});

test("A changed key starts a new generation", () => {
  assert.equal(configGeneration(toPiConfig({}, { XAI_API_KEY: "1" })), configGeneration(toPiConfig({}, { XAI_API_KEY: "1", OTHER: "2" })));
  assert.notEqual(configGeneration(toPiConfig({}, { XAI_API_KEY: "1" })), configGeneration(toPiConfig({}, { XAI_API_KEY: "2" })));
});

test("Pi knows every default model by its id and context window", async () => {
  const dirs = piDirs(join(root, "b"));
  const env = Object.fromEntries(Object.keys(DEFAULT_MODELS).map((provider) => [KEY_VARIABLES[provider]!, "x"]));
  const config = toPiConfig({}, env);
  await writePiFiles(dirs, config);
  const pi = new PiProcess({
    args: toPiArgs(
      fileURLToPath(import.meta.resolve("@earendil-works/pi-coding-agent/rpc-entry")),
      fileURLToPath(new URL("./child/rpc-extension.ts", import.meta.url)),
      [dirs.config, dirs.cache],
    ),
    env: toPiEnv(process.env, dirs, "files-test"),
    cwd: dirs.start,
    keys: config.keys,
    marker: testMarker(),
    log: silentLog,
    onRecord: () => undefined,
    onExit: () => undefined,
  });
  type Known = { provider: string; id: string; contextWindow: number; reasoning: boolean; input: string[] };
  const { models } = (await pi.request({ type: "get_available_models" }, 30_000)) as { models: Known[] };
  await pi.end(1_000);
  for (const [provider, wanted] of Object.entries(DEFAULT_MODELS)) {
    const known = models.find((model) => model.provider === provider && model.id === wanted.id);
    assert.ok(known, `${provider}/${wanted.id}`);
    const { contextWindow, reasoning, input } = known;
    const { name: _name, id: _id, ...claimed } = wanted;
    assert.deepEqual({ contextWindow, reasoning, input }, claimed, `${provider}/${wanted.id}`);
  }
});

test("a file at the path of a directory does not prevent writing Pi's files", async () => {
  for (const wrong of ["pi", "cache", "cache/pi", "pi/tmp", "pi/start"]) {
    const state = mkdtempSync(join(tmpdir(), "files-wrong-"));
    after(() => rmSync(state, { recursive: true, force: true }));
    const path = join(state, "gateway", wrong);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "{{{");
    await writePiFiles(piDirs(state), toPiConfig(table, {}));
    assert.ok(await hasPiFiles(piDirs(state)), wrong);
  }
});

test("Pi's files with invalid JSON are renamed and logged; others stay", async () => {
  const dirs = piDirs(mkdtempSync(join(tmpdir(), "files-unreadable-")));
  after(() => rmSync(dirname(dirname(dirs.config)), { recursive: true, force: true }));
  mkdirSync(dirs.config, { recursive: true });
  const auth = join(dirs.config, "auth.json");
  writeFileSync(join(dirs.config, "models-store.json"), "{}");
  for (const text of ["{{{", "", "[]", "null"]) {
    writeFileSync(auth, text);
    const said: unknown[] = [];
    await setAsideUnreadable(dirs, { warn: (_message, fields) => void said.push(fields) });
    const { path, keptAs } = said[0] as { path: string; keptAs: string };
    assert.equal(path, auth);
    assert.equal(readFileSync(keptAs, "utf8"), text);
    rmSync(keptAs);
    assert.deepEqual(readdirSync(dirs.config), ["models-store.json"]);
  }
  writeFileSync(auth, '{"a":1}');
  await setAsideUnreadable(dirs, { warn: () => assert.fail("both are readable") });
  assert.equal(readFileSync(auth, "utf8"), '{"a":1}');
});
