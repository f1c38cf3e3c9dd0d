import assert from "node:assert/strict";
import { test } from "node:test";
import { SubagentCampaign } from "./subagent-campaign.ts";

/** `npm run crash:subagents` does as many as asked. */
const KILLS = 8;

test(`after ${KILLS} kills each result of a sub-agent came back once, and nothing is open`, { timeout: 280_000 }, async (context) => {
  const { faults, ...summary } = await new SubagentCampaign({ seed: 20_261, kills: KILLS, say: (line) => context.diagnostic(line) }).run();
  context.diagnostic(JSON.stringify(summary));
  assert.deepEqual(faults, []);
  assert.ok((summary.states["ok"] ?? 0) > 0, "tasks were given and done");
});
