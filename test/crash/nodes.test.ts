import assert from "node:assert/strict";
import { test } from "node:test";
import { NodeCampaign } from "./node-campaign.ts";

/** `npm run crash:nodes` does as many as asked, with one node in another network. */
const KILLS = 6;

test(`after ${KILLS} kills of either side each command on a node has ended once`, { timeout: 280_000 }, async (context) => {
  const { faults, ...summary } = await new NodeCampaign({ seed: 20_261, kills: KILLS, say: (line) => context.diagnostic(line) }).run();
  context.diagnostic(JSON.stringify(summary));
  assert.deepEqual(faults, []);
  assert.ok((summary.ends["ok"] ?? 0) > 0, "commands ran");
});
