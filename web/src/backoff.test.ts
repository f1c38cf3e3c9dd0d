import assert from "node:assert/strict";
import { test } from "node:test";
import { backoffMs } from "./backoff.ts";

test("the wait doubles from half a second and stops at ten seconds", () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 6, 5_000].map((attempt) => backoffMs(attempt, 0)),
    [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000],
  );
});

test("up to a half of the wait is taken away at random", () => {
  assert.equal(backoffMs(0, 0.999), 250);
  assert.equal(backoffMs(9, 0.5), 7_500);
});
