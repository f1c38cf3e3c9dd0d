import assert from "node:assert/strict";
import { test } from "node:test";
import { FuzzCampaign } from "./campaign.ts";

const SEED = 41;
const LIMIT_MS = 25_000;
/** Growth while large frames are on their way; what is kept afterwards is a matter of long runs. */
const GROWTH_MIB = 250;

test(
  "malformed frames and requests are answered or end their connection, and affect no other client",
  { timeout: 120_000 },
  async (context) => {
    const summary = await new FuzzCampaign({ seed: SEED, limitMs: LIMIT_MS, say: (line) => context.diagnostic(line) }).run();
    assert.deepEqual(summary.faults, []);
    assert.deepEqual(summary.stalls, []);
    const { before, most } = summary.residentMib;
    assert.ok(most - before < GROWTH_MIB, `memory grew from ${Math.round(before)} to ${Math.round(most)} MiB`);
    for (const kind of ["messages", "handshakes", "violations", "requests"] as const) assert.ok(summary[kind] > 0, `no ${kind} were sent`);
    context.diagnostic(JSON.stringify(summary));
  },
);
