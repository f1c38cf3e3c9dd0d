import assert from "node:assert/strict";
import { test } from "node:test";
import { toRetryText, toTurnFailure } from "./turn-failure.ts";

test("raw errors become a sentence with one action, and stay readable below", () => {
  const cases: readonly [string, RegExp, string][] = [
    ["401: invalid x-api-key", /rejected the API key/, "key"],
    ["429: slow down", /busy/, "retry"],
    ["Provider finish_reason: content_filter", /blocked this reply/, "model"],
    ["terminated", /interrupted/, "retry"],
    ["500: scripted error 500", /can't be reached/, "retry"],
    ['{"error":"prompt is too long"}', /too long for the model/, "model"],
    ["connect ECONNREFUSED 127.0.0.1:1", /can't be reached/, "retry"],
  ];
  for (const [raw, sentence, action] of cases) {
    const failure = toTurnFailure(raw, null, null);
    assert.match(failure.sentence, sentence, raw);
    assert.deepEqual([failure.action, failure.details], [action, raw], raw);
  }
});

test("a sentence of the gateway is shown as it is, with its details folded", () => {
  const failure = toTurnFailure("The model provider refused the key.", "auth", "401: no");
  assert.deepEqual(failure, { sentence: "The model provider refused the key.", action: "key", details: "401: no" });
  assert.deepEqual(toTurnFailure(null, null, null), { sentence: "The agent couldn't reply.", action: "retry", details: null });
});

test("a retry says what happened and which attempt it is", () => {
  assert.equal(toRetryText("attempt 2 of 3: 429: too many"), "The model is busy. Retrying, attempt 2 of 3");
  assert.equal(toRetryText("Waiting for the provider"), "Waiting for the provider");
});
