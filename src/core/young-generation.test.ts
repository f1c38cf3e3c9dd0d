// Group: wire
import assert from "node:assert/strict";
import { getHeapSpaceStatistics } from "node:v8";
import { test } from "node:test";
import { keepYoungGenerationSmall } from "./young-generation.ts";

const MIB = 1_048_576;
const youngBytes = (): number => getHeapSpaceStatistics().find((space) => space.space_name === "new_space")!.space_size;

/** Allocates what soon is garbage, and some that stays for a while. */
function allocate(rounds: number): number {
  let kept: unknown[] = [];
  for (let round = 0; round < rounds; round++) {
    kept = [];
    for (let n = 0; n < 20_000; n++) kept.push({ n, text: `x${n}`, list: [n, n + 1] });
  }
  return kept.length;
}

test("after it is called the young generation does not grow, whatever is allocated", () => {
  keepYoungGenerationSmall();
  const before = youngBytes();
  allocate(60);
  assert.ok(youngBytes() <= Math.max(before, 4 * MIB), `${before} -> ${youngBytes()}`);
});
