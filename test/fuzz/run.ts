// Sends odd frames and requests to a gateway for as long as asked.
//   npm run fuzz -- [--minutes M] [--seed N] [--main FILE]
import { parseArgs } from "node:util";
import { FuzzCampaign } from "./campaign.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    main: { type: "string" },
  },
});
const seed = Number(values.seed);
console.log(`seed ${seed}`);
const summary = await new FuzzCampaign({
  seed,
  limitMs: Number(values.minutes) * 60_000,
  ...(values.main ? { main: values.main } : {}),
  say: (line) => console.log(line),
}).run();
const { faults, messages, handshakes, violations, requests, residentMib } = summary;
console.log(
  `\n${messages} messages, ${handshakes} handshakes, ${violations} violations of the framing, ${requests} HTTP requests (seed ${seed})`,
);
console.log(
  `longest turn of the loop: ${summary.longestMs} ms of CPU; of those that come again with the same frame: ${Math.max(0, ...summary.stalls.map((stall) => stall.ms))} ms`,
);
console.log(`resident memory: ${Math.round(residentMib.before)} MiB before, ${Math.round(residentMib.most)} MiB at most`);
const total = messages + handshakes + violations + requests;
console.log(`${total - faults.length} passed, ${faults.length} failed`);
process.exitCode = faults.length > 0 ? 1 : 0;
