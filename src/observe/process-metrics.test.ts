import assert from "node:assert/strict";
import { test } from "node:test";
import { readSeldom } from "./process-metrics.ts";

test("what is dear to read is read once in five seconds, however often it is asked for", () => {
  let now = 1_000;
  let reads = 0;
  const read = readSeldom(
    () => ++reads,
    () => now,
  );
  assert.deepEqual([read(), read()], [1, 1]);
  now += 4_999;
  assert.equal(read(), 1);
  now += 1;
  assert.deepEqual([read(), read()], [2, 2]);
});
