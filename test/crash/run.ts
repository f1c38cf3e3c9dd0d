// Kills the gateway and its agent host as often as asked, and checks what it has promised.
//   npm run crash -- [--kills N] [--hosts SHARE] [--tools] [--seed N] [--minutes M] [--jobs N] [--main FILE] [--keep DIR]
// --hosts: the share of the random kills that hit the agent host; 0.3 by default.
// --tools: all kills are of the gateway, while a tool runs or a person is asked about one; nothing is killed at the marked points.
// With --jobs several homes are used at once, each with its own gateway and a seed of its own, counted up from the first.
import { loadavg } from "node:os";
import { parseScriptArgs } from "../../scripts/script-args.ts";
import { CrashCampaign, type Summary } from "./campaign.ts";
import { findCrashPoints } from "./crash-points.ts";

const { values } = parseScriptArgs(import.meta.filename, {
  options: {
    kills: { type: "string", default: "100" },
    hosts: { type: "string", default: "0.3" },
    tools: { type: "boolean", default: false },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    minutes: { type: "string" },
    jobs: { type: "string", default: "1" },
    main: { type: "string" },
    keep: { type: "string" },
  },
});
const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
const spread = (sorted: readonly number[]): string =>
  `median ${quantile(sorted, 0.5)}, 95 % ${quantile(sorted, 0.95)}, last ${sorted.at(-1) ?? 0}`;
/** What a turn may take after a kill of its host while the machine does nothing else. */
const SLOW_MS = 2_000;

const seed = Number(values.seed);
console.log(`seed ${seed}`);
const started = Date.now();
const jobs = Number(values.jobs);
// Previews are edits, and IRC has none: src/turns/preview-crash.test.ts dies at those points.
const points = findCrashPoints().filter((point) => !point.startsWith("preview-"));
const campaign = (job: number): CrashCampaign =>
  new CrashCampaign({
    seed: seed + job,
    kills: Math.ceil(Number(values.kills) / jobs),
    hosts: values.tools ? 0 : Number(values.hosts),
    duringTools: values.tools,
    points: job === 0 && !values.tools ? points : [],
    ...(values.minutes ? { limitMs: Number(values.minutes) * 60_000 } : {}),
    ...(values.main ? { main: values.main } : {}),
    ...(values.keep ? { keepDir: values.keep } : {}),
    say: (line) => console.log(jobs > 1 ? `[${seed + job}] ${line}` : line),
  });
const summary = sum(await Promise.all(Array.from({ length: jobs }, (_, job) => campaign(job).run())));
const { resumeMs, hostWaitMs, faults } = summary;
console.log(
  `\n${summary.kills} kills in ${Math.round((Date.now() - started) / 1_000)} s (seed ${seed}), at every marked point once: ${summary.points.join(", ")}`,
);
if (summary.missed.length > 0) console.log(`not reached: ${summary.missed.join(", ")}`);
console.log(`acknowledged ${summary.acked}, asked again ${summary.retried}, tools run ${summary.toolRuns}`);
console.log(`runs ${JSON.stringify(summary.runs)}`);
console.log(`parts ${JSON.stringify(summary.parts)}`);
console.log(`what was left open ended after (ms from the start): ${spread(resumeMs)}`);
console.log(
  `${summary.hostKills} kills of the agent host hit ${hostWaitMs.length} running turns, which ended after (ms from the kill): ${spread(hostWaitMs)}`,
);
const slow = hostWaitMs.filter((ms) => ms > SLOW_MS).length;
if (slow > 0) console.log(`${slow} of these turns took more than ${SLOW_MS} ms; load average ${loadavg()[0]!.toFixed(1)}`);
for (const fault of faults) console.log(`FAULT ${fault}`);
const failed = Math.min(summary.kills, faults.length) + summary.missed.length;
console.log(`${summary.kills - Math.min(summary.kills, faults.length)} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;

function sum(summaries: readonly Summary[]): Summary {
  const counts = (pick: (each: Summary) => Readonly<Record<string, number>>): Record<string, number> => {
    const total: Record<string, number> = {};
    for (const each of summaries) for (const [name, count] of Object.entries(pick(each))) total[name] = (total[name] ?? 0) + count;
    return total;
  };
  const count = (pick: (each: Summary) => number): number => summaries.reduce((total, each) => total + pick(each), 0);
  return {
    seed,
    kills: count((each) => each.kills),
    hostKills: count((each) => each.hostKills),
    points: summaries.flatMap((each) => each.points),
    missed: summaries.flatMap((each) => each.missed),
    acked: count((each) => each.acked),
    retried: count((each) => each.retried),
    runs: counts((each) => each.runs),
    parts: counts((each) => each.parts),
    toolRuns: count((each) => each.toolRuns),
    resumeMs: summaries.flatMap((each) => each.resumeMs).toSorted((a, b) => a - b),
    hostWaitMs: summaries.flatMap((each) => each.hostWaitMs).toSorted((a, b) => a - b),
    faults: summaries.flatMap((each) => each.faults),
  };
}
