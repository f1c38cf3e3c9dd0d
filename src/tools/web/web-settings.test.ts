import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConfigText } from "../../config/load.ts";
import { WEB_FETCH_DEFAULTS, WEB_SEARCH_DEFAULTS } from "../../config/schema/web-tools.ts";
import type { Config } from "../../config/schema.ts";
import { Secret } from "../../core/secret.ts";
import { createWebFetchTool } from "./web-fetch/web-fetch.ts";
import { createWebSearchTool } from "./web-search/web-search.ts";
import { WEB_LIMITS } from "./web-limits.ts";
import { isWebToolEnabled, webFetchConfig, webSearchConfig } from "./web-settings.ts";
import { WebThreads } from "./web-threads.ts";

function load(tools: unknown): { config: Config; issues: string[] } {
  const { config, issues } = checkConfigText(JSON.stringify({ tools }), { path: "/nowhere/openclaw.json", env: {} });
  return { config, issues: issues.map(({ message }) => message) };
}

test("the settings are the same whether or not the configuration has the section", () => {
  for (const tools of [undefined, {}, { web: {} }, { web: { fetch: {}, search: {} } }]) {
    const { config, issues } = load(tools);
    assert.deepEqual(issues, []);
    assert.deepEqual({ ...webFetchConfig(config) }, WEB_FETCH_DEFAULTS);
    assert.deepEqual({ ...webSearchConfig(config) }, WEB_SEARCH_DEFAULTS);
  }
});

test("a tool is on unless its own key says otherwise", () => {
  const { config } = load({ web: { fetch: { enabled: false } } });
  assert.deepEqual(
    (["web_fetch", "web_search"] as const).map((tool) => isWebToolEnabled(config, tool)),
    [false, true],
  );
  assert.equal(isWebToolEnabled(load({ web: { search: { enabled: false } } }).config, "web_search"), false);
  assert.equal(isWebToolEnabled(load(undefined).config, "web_fetch"), true);
});

test("keys of providers are secrets, and wrong values cost only themselves", () => {
  const { config, issues } = load({
    web: {
      fetch: { maxChars: 5, userAgent: "a\r\nx: y", maxRedirects: 2 },
      search: { provider: "altavista", brave: { apiKey: "the-key" }, searxng: { baseUrl: "not an address" } },
    },
  });
  assert.ok(webSearchConfig(config).brave?.apiKey instanceof Secret);
  assert.ok(!JSON.stringify(config).includes("the-key"));
  const { maxChars, userAgent, maxRedirects } = webFetchConfig(config);
  assert.deepEqual([maxChars, userAgent, maxRedirects], [WEB_FETCH_DEFAULTS.maxChars, WEB_FETCH_DEFAULTS.userAgent, 2]);
  assert.equal(issues.length, 4, issues.join("\n"));
});

test("a page has at most what the configuration can ask for", () => {
  assert.equal(webFetchConfig(load({ web: { fetch: { maxChars: WEB_LIMITS.pageChars } } }).config).maxChars, WEB_LIMITS.pageChars);
  assert.equal(load({ web: { fetch: { maxChars: WEB_LIMITS.pageChars + 1 } } }).issues.length, 1);
});

test("what the model reads about both tools is at most 1.5 KB", () => {
  const threads = new WebThreads();
  const tools = [
    createWebFetchTool({ config: () => WEB_FETCH_DEFAULTS, threads }),
    createWebSearchTool({ config: () => WEB_SEARCH_DEFAULTS, variables: () => undefined, threads }),
  ].map(({ name, description, parameters }) => ({ name, description, parameters }));
  const bytes = Buffer.byteLength(JSON.stringify(tools));
  assert.ok(bytes <= 1_536, `${bytes} bytes`);
});
