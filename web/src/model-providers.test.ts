import assert from "node:assert/strict";
import { test } from "node:test";
import { accessText, changeFallbacks, modelText, probeText, providerOfKey } from "./model-providers.ts";

test("the beginning of a key names its provider, where it can", () => {
  assert.equal(providerOfKey("  sk-ant-abc"), "anthropic");
  assert.equal(providerOfKey("sk-or-v1-abc"), "openrouter");
  assert.equal(providerOfKey("sk-abc"), null);
});

test("the access to a provider says where its key is, and never the key", () => {
  assert.equal(accessText({ kind: "local", status: "static" }), "Found on this machine; needs no key");
  assert.equal(
    accessText({ kind: "cloud", status: "static", apiKey: { source: "env" }, keyFrom: "OPENAI_API_KEY" }),
    "Key from the variable OPENAI_API_KEY",
  );
  assert.equal(accessText({ kind: "cloud", status: "static", apiKey: { source: "config" } }), "Key is stored on the gateway");
  assert.equal(accessText({ kind: "cloud", status: "missing" }), "No key");
});

test("a test says how it ended", () => {
  assert.equal(probeText({ status: "ok", latencyMs: 120 }), "Works (120 ms)");
  assert.equal(probeText({ status: "auth", latencyMs: 120 }), "The key is refused");
  assert.equal(probeText({ status: "other" }), "other");
});

test("fallbacks are added once, removed, and moved up", () => {
  assert.deepEqual(changeFallbacks(["a"], "b", "add"), ["a", "b"]);
  assert.deepEqual(changeFallbacks(["a"], "a", "add"), ["a"]);
  assert.deepEqual(changeFallbacks(["a", "b"], "a", "remove"), ["b"]);
  assert.deepEqual(changeFallbacks(["a", "b", "c"], "c", "up"), ["a", "c", "b"]);
  assert.deepEqual(changeFallbacks(["a", "b"], "a", "up"), ["a", "b"]);
});

test("a model says what it can", () => {
  assert.equal(
    modelText({ id: "x", provider: "p", tags: [], contextWindow: 128_000, reasoning: true, input: ["text", "image"] }),
    "128k tokens, reasoning, images",
  );
});
