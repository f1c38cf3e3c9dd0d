import assert from "node:assert/strict";
import { test } from "node:test";
import { crashChannel } from "./crash.ts";
import { HARNESSES } from "./harness-registry.ts";

/** Some on every channel; `npm run channel-kit -- <channel> --kills N` does as many as time allows. */
const CRASHES = 10;

/** Kills at random moments: nothing is lost, nothing is doubled, and unknown outcomes are reported. */
export async function defineCrashTests(id: string): Promise<void> {
  const { skip } = await HARNESSES[id]!();
  test(`${id}: ${CRASHES} random kills`, { skip, timeout: 240_000 }, async (context) => {
    const summary = await crashChannel(id, CRASHES, 3_011);
    context.diagnostic(JSON.stringify({ ...summary, faults: summary.violations.length }));
    assert.deepEqual(summary.violations, []);
    assert.ok(summary.answered > CRASHES / 2, `only ${summary.answered} answers were heard: the traffic does not work`);
  });
}
