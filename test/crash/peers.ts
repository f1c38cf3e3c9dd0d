// Links two gateways, lets each write to the other, and kills both as often as asked.
//   npm run crash:peers -- [--kills N] [--seed N] [--main FILE]
// --kills: kills of each side; 50 by default. Besides, a side dies at each marked point of the links. Ends with 1 when a letter was lost, came twice or was not answered.
import { parseScriptArgs } from "../../scripts/script-args.ts";
import { findPeerCrashPoints } from "./crash-points.ts";
import { PeerCampaign } from "./peer-campaign.ts";

const { values } = parseScriptArgs(import.meta.filename, {
  options: {
    kills: { type: "string", default: "50" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    main: { type: "string" },
  },
});
const started = Date.now();
console.log(`seed ${values.seed}`);
const { kills, missed, letters, lost, doubled, unanswered, failed } = await new PeerCampaign({
  kills: Number(values.kills),
  seed: Number(values.seed),
  points: findPeerCrashPoints(),
  ...(values.main && { main: values.main }),
  say: (line) => console.log(line),
}).run();
console.log(`kills: home ${kills.home}, office ${kills.office}, in ${Math.round((Date.now() - started) / 1_000)} s`);
if (missed.length > 0) console.log(`not reached: ${missed.join(", ")}`);
console.log(`letters: home ${letters.home}, office ${letters.office}`);
console.log(`lost ${lost.length}, doubled ${doubled.length}, unanswered ${unanswered.length}, ended with an error ${failed.length}`);
for (const line of [...lost, ...doubled, ...unanswered, ...failed]) console.log(`  ${line}`);
if (lost.length + doubled.length + unanswered.length + missed.length > 0) process.exitCode = 1;
