import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { WebCache } from "./web-cache.ts";

test("a value is found with its age until it is too old", () => {
  const clock = new FakeClock();
  const cache = new WebCache<string>(100, clock);
  cache.set("a", "one", 10);
  clock.advance(50);
  assert.deepEqual(cache.get("a", 60), { value: "one", ageMs: 50 });
  assert.equal(cache.get("b", 60), null);
  clock.advance(10);
  assert.equal(cache.get("a", 60), null);
  cache.set("c", "two", 10);
  assert.equal(cache.get("c", 0), null);
});

test("the oldest values go first when the bytes are used up", () => {
  const cache = new WebCache<number>(100, new FakeClock());
  for (let at = 0; at < 5; at++) cache.set(String(at), at, 30);
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((at) => cache.get(String(at), 1)?.value),
    [undefined, undefined, 2, 3, 4],
  );
  cache.set("2", 20, 30);
  cache.set("5", 5, 30);
  assert.deepEqual([cache.get("2", 1)?.value, cache.get("3", 1)], [20, null]);
  cache.set("large", 1, 101);
  assert.equal(cache.get("large", 1), null);
  assert.equal(cache.get("5", 1)?.value, 5);
});
