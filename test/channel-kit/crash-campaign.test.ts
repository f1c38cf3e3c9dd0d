import assert from "node:assert/strict";
import { test } from "node:test";
import { planHomes, runCrashCampaign, missingPrerequisites } from "./crash-campaign.ts";
import type { CrashSummary } from "./crash.ts";

const home: Omit<CrashSummary, "kills" | "violations"> = { sent: 10, stored: 10, answered: 8, unknown: 1, deadLettered: 1 };

test("a campaign is cut into homes of a hundred kills, with seeds counted up", () => {
  assert.deepEqual(planHomes({ ids: ["irc", "slack"], kills: 250, seed: 7 }), [
    { id: "irc", seed: 7, kills: 100 },
    { id: "irc", seed: 8, kills: 100 },
    { id: "irc", seed: 9, kills: 50 },
    { id: "slack", seed: 7, kills: 100 },
    { id: "slack", seed: 8, kills: 100 },
    { id: "slack", seed: 9, kills: 50 },
  ]);
});

test("the sums of all homes are printed, and a home that fails is a fault of its own", async () => {
  const lines: string[] = [];
  let open = 0;
  let most = 0;
  const result = await runCrashCampaign({
    ids: ["irc"],
    kills: 300,
    seed: 1,
    jobs: 2,
    say: (line) => void lines.push(line),
    async kill(_id, kills, seed, { onKill } = {}) {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setImmediate(resolve));
      open--;
      for (let kill = 0; kill < kills; kill++) onKill?.();
      if (seed === 2) throw new Error("no port");
      return { ...home, kills, violations: seed === 3 ? ["k4x: answered 2 times"] : [] };
    },
  });
  assert.equal(most, 2, "two homes at once");
  assert.deepEqual(result, { passed: 298, failed: 2 });
  assert.ok(lines.includes("irc: 100 kills, 0 faults"));
  assert.deepEqual(lines.slice(-3), [
    "  ✗ irc: seed 2: the home could not be played to its end: no port",
    "  ✗ irc: seed 3: k4x: answered 2 times",
    "✗ irc: 300 kills: sent 20, stored 20, answered 16, unknown 2, dead letters 2, faults 2",
  ]);
});

test("a channel without a platform harness cannot be killed, and the campaign reports it", async () => {
  assert.deepEqual(await missingPrerequisites(["telegram", "nope"]), ["nope: it has no platform harness in test/channel-kit/harnesses/"]);
});
