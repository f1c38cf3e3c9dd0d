import assert from "node:assert/strict";
import { test } from "node:test";
import { CrashCampaign } from "./campaign.ts";
import { findCrashPoints } from "./crash-points.ts";
import { noNgircd } from "../channel-kit/ngircd.ts";

const SEED = 20_261;
/** `npm run crash` does thousands. */
const KILLS = 24;
const HOST_KILLS = 6;
/** Without an IRC server nothing comes in from a channel and nothing is delivered. */
const needsIrc = (point: string): boolean => point.startsWith("part-") || point === "committed";
/** No answer is shown while it is written on a channel that cannot edit. */
const needsEdits = (point: string): boolean => point.startsWith("preview-");

test("the points at which a crash matters are marked in the source", () => {
  const points = findCrashPoints();
  for (const point of [
    "before-commit",
    "after-commit",
    "admitted",
    "run-started",
    "tool-written",
    "answered",
    "stored",
    "part-attempting",
    "part-sent",
  ])
    assert.ok(points.includes(point), `${point} is not among ${points.join()}`);
});

test(`${KILLS} random kills, and one at every marked point, lose nothing and double nothing`, { timeout: 560_000 }, async (context) => {
  const points = findCrashPoints().filter((point) => !needsEdits(point) && (!noNgircd || !needsIrc(point)));
  if (noNgircd) context.diagnostic(`without IRC: ${noNgircd}`);
  const summary = await new CrashCampaign({ seed: SEED, kills: KILLS, points, say: (line) => context.diagnostic(line) }).run();
  assert.deepEqual(summary.faults, []);
  assert.deepEqual(summary.missed, []);
  assert.deepEqual(summary.points.toSorted(), points.toSorted());
  assert.equal(summary.kills, KILLS + points.length);
  assert.ok(summary.acked > KILLS, `only ${summary.acked} messages were acknowledged: the traffic does not work`);
  assert.ok((summary.runs["done"] ?? 0) > KILLS / 2, JSON.stringify(summary.runs));
  context.diagnostic(JSON.stringify({ ...summary, resumeMs: summary.resumeMs.slice(-3) }));
});

test(`${HOST_KILLS} kills of the agent host lose nothing, double nothing and leave no turn open`, { timeout: 280_000 }, async (context) => {
  const say = (line: string): void => context.diagnostic(line);
  const summary = await new CrashCampaign({ seed: SEED, kills: HOST_KILLS, hosts: 1, points: [], say }).run();
  assert.deepEqual(summary.faults, []);
  assert.ok(summary.hostKills >= HOST_KILLS, `only ${summary.hostKills} hosts were killed`);
  context.diagnostic(JSON.stringify({ ...summary, resumeMs: summary.resumeMs.slice(-3) }));
});
