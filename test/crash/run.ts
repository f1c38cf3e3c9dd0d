// Kills the gateway as often as asked, and checks what it has promised.
//   npm run crash -- [--kills N] [--seed N] [--minutes M] [--main FILE] [--keep DIR]
import { parseArgs } from "node:util";
import { Campaign } from "./campaign.ts";
import { markedPoints } from "./points.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "100" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    minutes: { type: "string" },
    main: { type: "string" },
    keep: { type: "string" },
  },
});
const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

const seed = Number(values.seed);
console.log(`seed ${seed}`);
const started = Date.now();
const summary = await new Campaign({
  seed,
  kills: Number(values.kills),
  points: markedPoints(),
  ...(values.minutes ? { limitMs: Number(values.minutes) * 60_000 } : {}),
  ...(values.main ? { main: values.main } : {}),
  ...(values.keep ? { keepDir: values.keep } : {}),
  say: (line) => console.log(line),
}).run();
const { resumeMs, faults } = summary;
console.log(
  `\n${summary.kills} kills in ${Math.round((Date.now() - started) / 1_000)} s (seed ${seed}), at every marked point once: ${summary.points.join(", ")}`,
);
if (summary.missed.length > 0) console.log(`not reached: ${summary.missed.join(", ")}`);
console.log(`acknowledged ${summary.acked}, asked again ${summary.retried}, tools run ${summary.toolRuns}`);
console.log(`runs ${JSON.stringify(summary.runs)}`);
console.log(`parts ${JSON.stringify(summary.parts)}`);
console.log(
  `what was left open ended after (ms from the start): median ${quantile(resumeMs, 0.5)}, 95 % ${quantile(resumeMs, 0.95)}, last ${resumeMs.at(-1) ?? 0}`,
);
for (const fault of faults) console.log(`FAULT ${fault}`);
const failed = Math.min(summary.kills, faults.length) + summary.missed.length;
console.log(`${summary.kills - Math.min(summary.kills, faults.length)} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
