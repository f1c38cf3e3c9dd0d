import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../../test/fakes/fake-clock.ts";
import { LIMITS } from "../../core/limits.ts";
import { CrashLog } from "./crash-log.ts";

const CASES: readonly [what: string, crashes: readonly (readonly string[])[], count: number][] = [
  ["no crash", [], 0],
  ["crashes with no session in use count each", [[], [], []], 3],
  ["a session alone counts once", [["a"], ["a"], ["a"]], 1],
  ["two sessions alone count twice", [["a"], ["b"], ["a"]], 2],
  [
    "one session that was in use at all of them explains them",
    [
      ["a", "b", "c"],
      ["a", "c", "d"],
      ["a", "e"],
    ],
    1,
  ],
  [
    "two bad sessions among many others count twice",
    [
      ["a", "x", "y"],
      ["a", "z"],
      ["b", "x"],
      ["b", "q"],
    ],
    2,
  ],
  ["crashes without a common session count each", [["a", "b"], ["c", "d"], ["e"]], 3],
];
for (const [what, crashes, count] of CASES) {
  test(`Causes of crashes: ${what}`, () => {
    const log = new CrashLog(new FakeClock());
    for (const files of crashes) log.record(files);
    assert.equal(log.count, count);
    assert.equal(log.isOpen, count >= LIMITS.piCrashes);
  });
}

test("Crashes are forgotten after the window", () => {
  const clock = new FakeClock();
  const log = new CrashLog(clock);
  log.record(["a", "b"]);
  assert.deepEqual([log.countOf("a"), log.countOf("b"), log.countOf("c")], [1, 1, 0]);
  clock.advance(LIMITS.piCrashWindowMs);
  assert.deepEqual([log.countOf("a"), log.count], [0, 0]);
});
