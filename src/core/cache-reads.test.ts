import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { LIMITS } from "./limits.ts";
import { cacheReads } from "./cache-reads.ts";

test("a value is read once a second, whatever happens to the wall clock", () => {
  const clock = new FakeClock(1_800_000_000_000);
  let reads = 0;
  const value = cacheReads(() => ++reads, clock);
  assert.deepEqual([value(), value(), value()], [1, 1, 1]);
  clock.jump(-3_600_000);
  clock.advance(LIMITS.metricsReadMs - 1);
  assert.equal(value(), 1);
  clock.jump(3_600_000);
  assert.equal(value(), 1);
  clock.advance(1);
  assert.equal(value(), 2);
});

test("a read that fails is tried again", () => {
  let reads = 0;
  const value = cacheReads(() => {
    if (++reads === 1) throw new Error("not now");
    return reads;
  }, new FakeClock());
  assert.throws(value, /not now/);
  assert.equal(value(), 2);
});
