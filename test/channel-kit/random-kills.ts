import assert from "node:assert/strict";
import { test } from "node:test";
import { killChannel } from "./kills.ts";
import { STAGES } from "./stage.ts";

const KILLS = 25;

/** Kills at random moments: nothing is lost, nothing is doubled, and what nobody can know is reported. */
export async function playKills(id: string): Promise<void> {
  const { skip } = await STAGES[id]!();
  test(`${id}: ${KILLS} random kills`, { skip, timeout: 240_000 }, async (context) => {
    const summary = await killChannel(id, KILLS, 3_011);
    context.diagnostic(JSON.stringify({ ...summary, faults: summary.faults.length }));
    assert.deepEqual(summary.faults, []);
    assert.ok(summary.heard > KILLS / 2, `only ${summary.heard} answers were heard: the traffic does not work`);
  });
}
