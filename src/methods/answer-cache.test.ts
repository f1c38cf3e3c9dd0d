import assert from "node:assert/strict";
import { test } from "node:test";
import { MetricsProbe } from "../../test/metrics-probe.ts";
import { EncodedJson } from "../protocol/frames.ts";
import { AnswerCache, type AnswerRequest } from "./answer-cache.ts";

const request = (more: Partial<AnswerRequest> = {}): AnswerRequest => ({ method: "agents.list", name: "", basis: [1], now: 100, ...more });

const textOf = (tail: Buffer): string => new EncodedJson("", tail).toString();

test("an answer is made once, and again for another basis, another name and another method", () => {
  const metrics = new MetricsProbe();
  const cache = new AnswerCache(metrics);
  let made = 0;
  const get = (more: Partial<AnswerRequest> = {}): string => textOf(cache.get(request(more), () => ({ json: String(++made) })));
  assert.deepEqual([get(), get()], ["1", "1"]);
  assert.equal(get({ basis: [2] }), "2");
  assert.equal(get({ basis: [2, "busy"] }), "3");
  assert.equal(get({ basis: [2], name: "x" }), "4");
  assert.equal(get({ basis: [2], method: "models.list" }), "5");
  cache.clear();
  assert.equal(cache.bytes, 0);
  assert.equal(get({ basis: [2], name: "x" }), "6");
  const name = "gateway_methods_cache_lookups_total";
  assert.equal(metrics.counted(name, { method: "agents.list", result: "hit" }), 1);
  assert.equal(metrics.counted(name, { method: "agents.list", result: "miss" }), 5);
});

test("an answer that depends on the time ends with it, also when the clock is set back", () => {
  const cache = new AnswerCache(new MetricsProbe());
  let made = 0;
  const get = (now: number): string => textOf(cache.get(request({ now }), () => ({ json: String(++made), untilMs: now + 10 })));
  assert.deepEqual([get(100), get(109), get(110), get(119), get(105), get(114)], ["1", "1", "2", "2", "3", "3"]);
});

test("the answers that were not asked for the longest go first, and one that takes more than half of the room is not kept", () => {
  const cache = new AnswerCache(new MetricsProbe(), 1_000);
  let made = 0;
  const get = (name: string, bytes = 250): void => void cache.get(request({ name }), () => (made++, { json: "x".repeat(bytes) }));
  for (const name of ["a", "b", "c", "a", "d"]) get(name);
  assert.equal(made, 4);
  get("a");
  assert.equal(made, 4, "a was used after b");
  get("b");
  assert.equal(made, 5);
  assert.ok(cache.bytes <= 1_000, `${cache.bytes} bytes`);
  get("giant", 600);
  get("giant", 600);
  assert.equal(made, 7);
  get("a", 300);
  assert.ok(cache.bytes > 0 && cache.bytes <= 1_000);
});
