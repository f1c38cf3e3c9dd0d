import assert from "node:assert/strict";
import { test } from "node:test";
import { FUZZED_CHANNELS, fuzzChannel } from "./channels.ts";

const EVENTS = 2_000;
const SEED = 41;

for (const channel of FUZZED_CHANNELS) {
  test(`${channel}: odd events crash nothing, and ordinary messages go on to arrive`, { timeout: 120_000 }, async (context) => {
    const summary = await fuzzChannel(channel, Math.ceil(EVENTS / FUZZED_CHANNELS.length), SEED);
    context.diagnostic(JSON.stringify(summary.stored));
    assert.deepEqual(summary.faults, []);
    assert.ok((summary.stored["message"] ?? 0) > 5);
  });
}
