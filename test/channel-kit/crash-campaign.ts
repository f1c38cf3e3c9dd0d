import { reasonOf } from "../../src/core/errors.ts";
import { crashChannel, type CrashSummary } from "./crash.ts";
import { HARNESSES } from "./harness-registry.ts";

/** Kills of one home. What a home has heard is looked through again and again, so a long campaign has many homes and not one long life. */
const KILLS_PER_HOME = 100;
const PROGRESS = 25;

type Options = {
  ids: readonly string[];
  /** Kills of each channel. */
  kills: number;
  seed: number;
  /** Homes at once. */
  jobs: number;
  main?: string;
  keep?: string;
  say: (line: string) => void;
  kill?: typeof crashChannel;
};
type Home = { id: string; seed: number; kills: number };

/** The homes of a campaign: no longer than the limit, with seeds counted up, so that each can be played alone. */
export function planHomes({ ids, kills, seed }: Pick<Options, "ids" | "kills" | "seed">): Home[] {
  const count = Math.ceil(kills / KILLS_PER_HOME);
  return ids.flatMap((id) =>
    Array.from({ length: count }, (_, at) => ({
      id,
      seed: seed + at,
      kills: Math.min(KILLS_PER_HOME, kills - at * KILLS_PER_HOME),
    })),
  );
}

const nothing = (): CrashSummary => ({ kills: 0, sent: 0, stored: 0, answered: 0, unknown: 0, deadLettered: 0, violations: [] });

/** Kills each channel as often as asked, in homes of their own, and says how it goes. A home that fails is a fault and ends nothing else. */
export async function runCrashCampaign(options: Options): Promise<{ passed: number; failed: number }> {
  const { ids, jobs, say, main, keep, kill = crashChannel } = options;
  const totals = new Map(ids.map((id) => [id, nothing()]));
  const waiting = planHomes(options);
  const playHome = async ({ id, seed, kills }: Home): Promise<void> => {
    const total = totals.get(id)!;
    const onKill = (): void => {
      if (++total.kills % PROGRESS === 0) say(`${id}: ${total.kills} kills, ${total.violations.length} faults`);
    };
    try {
      const home = await kill(id, kills, seed, { onKill, ...(main && { main }), ...(keep && { keep }) });
      for (const name of ["sent", "stored", "answered", "unknown", "deadLettered"] as const) total[name] += home[name];
      total.violations.push(...home.violations.map((fault) => `seed ${seed}: ${fault}`));
      if (home.answered === 0) total.violations.push(`seed ${seed}: nothing was heard: the traffic does not work`);
    } catch (err) {
      total.violations.push(`seed ${seed}: the home could not be played to its end: ${reasonOf(err)}`);
    }
  };
  await Promise.all(
    Array.from({ length: jobs }, async () => {
      for (let home = waiting.shift(); home; home = waiting.shift()) await playHome(home);
    }),
  );
  let passed = 0;
  let failed = 0;
  for (const [id, { violations: faults, kills, sent, stored, answered, unknown, deadLettered }] of totals) {
    for (const fault of faults) say(`  ✗ ${id}: ${fault}`);
    const rows = `sent ${sent}, stored ${stored}, answered ${answered}, unknown ${unknown}, dead letters ${deadLettered}`;
    const sums = `${rows}, faults ${faults.length}`;
    say(`${faults.length === 0 ? "✓" : "✗"} ${id}: ${kills} kills: ${sums}`);
    failed += faults.length;
    passed += Math.max(0, kills - faults.length);
  }
  return { passed, failed };
}

/** Why a channel cannot be killed here; empty when all can. */
export async function missingPrerequisites(ids: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    ids.map(async (id) => {
      const skip = Object.hasOwn(HARNESSES, id)
        ? (await HARNESSES[id]!()).skip
        : "it has no platform harness in test/channel-kit/harnesses/";
      return skip === false ? [] : [`${id}: ${skip}`];
    }),
  );
  return found.flat();
}
