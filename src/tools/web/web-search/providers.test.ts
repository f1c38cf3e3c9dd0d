import assert from "node:assert/strict";
import { test } from "node:test";
import { WEB_SEARCH_DEFAULTS } from "../../../config/schema/web-tools.ts";
import type { WebSearchConfig } from "../../../config/schema.ts";
import { Secret } from "../../../core/secret.ts";
import { WebThreads } from "../web-threads.ts";
import { chooseProvider, type ChosenProvider } from "./providers.ts";

function choose(settings: Partial<WebSearchConfig>, variables: Record<string, string> = {}): ChosenProvider | { problem: string } {
  const context = { variables: (name: string) => variables[name], threads: new WebThreads(), signal: new AbortController().signal };
  return chooseProvider({ ...WEB_SEARCH_DEFAULTS, ...settings }, context);
}
function summary(...args: Parameters<typeof choose>): string {
  const chosen = choose(...args);
  return "problem" in chosen
    ? chosen.problem
    : `${chosen.provider.id} ${chosen.access.apiKey.reveal()} ${chosen.access.baseUrl} ${chosen.keySource}`;
}

test("without a provider the first that has what it needs is asked, else DuckDuckGo", () => {
  assert.equal(summary({}), "duckduckgo  https://html.duckduckgo.com null");
  assert.equal(summary({}, { SEARXNG_BASE_URL: "http://10.0.0.7:8080/" }), "searxng  http://10.0.0.7:8080 null");
  assert.equal(summary({}, { PERPLEXITY_API_KEY: "p", TAVILY_API_KEY: "t" }), "tavily t https://api.tavily.com TAVILY_API_KEY");
  assert.equal(
    summary({ provider: "perplexity" }, { PERPLEXITY_API_KEY: "p", TAVILY_API_KEY: "t" }),
    "perplexity p https://api.perplexity.ai PERPLEXITY_API_KEY",
  );
});

test("a key of the configuration wins over the environment", () => {
  const brave = { apiKey: new Secret("own") };
  assert.equal(summary({ brave }, { BRAVE_API_KEY: "env" }), "brave own https://api.search.brave.com tools.web.search.brave.apiKey");
  assert.equal(
    summary({ apiKey: new Secret("old") }, { BRAVE_API_KEY: "env" }),
    "brave old https://api.search.brave.com tools.web.search.apiKey",
  );
  assert.equal(summary({ brave, apiKey: new Secret("old") }), "brave own https://api.search.brave.com tools.web.search.brave.apiKey");
});

test("a provider without its key or address is refused with what to set", () => {
  assert.equal(
    summary({ provider: "tavily" }),
    "Tavily has no key. Set tools.web.search.tavily.apiKey or the environment variable TAVILY_API_KEY.",
  );
  assert.equal(
    summary({ provider: "searxng" }),
    "SearXNG has no address. Set tools.web.search.searxng.baseUrl or the environment variable SEARXNG_BASE_URL.",
  );
});

function isOwn(settings: Partial<WebSearchConfig>): boolean {
  const chosen = choose(settings);
  assert.ok(!("problem" in chosen));
  return chosen.isOwnAddress;
}

test("only an address of the operator may be private", () => {
  const apiKey = new Secret("k");
  assert.equal(isOwn({}), false);
  assert.equal(isOwn({ brave: { apiKey } }), false);
  assert.equal(isOwn({ brave: { apiKey, baseUrl: "http://10.0.0.7" } }), true);
  assert.equal(isOwn({ searxng: { baseUrl: "http://10.0.0.7" } }), true);
});
