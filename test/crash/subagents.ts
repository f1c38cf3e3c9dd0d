// Kills the gateway and the processes of its agents while conversations give work away, and checks that each result comes back once.
//   npm run crash:subagents -- [--kills N] [--minutes M] [--seed N] [--main FILE]
// --kills: 200 by default, of the gateway or of the processes of its agents. Now and then a conversation is reset or a task is canceled. Ends with 1 after a fault.
import { parseArgs } from "node:util";
import { SubagentCampaign } from "./subagent-campaign.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "200" },
    minutes: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    main: { type: "string" },
  },
});
const started = Date.now();
console.log(`seed ${values.seed}`);
const { faults, ...summary } = await new SubagentCampaign({
  kills: Number(values.kills),
  seed: Number(values.seed),
  ...(values.minutes && { limitMs: Number(values.minutes) * 60_000 }),
  ...(values.main && { main: values.main }),
  say: (line) => console.log(line),
}).run();
console.log(`${JSON.stringify(summary)} in ${Math.round((Date.now() - started) / 1_000)} s`);
for (const fault of faults) console.log(`FAULT ${fault}`);
console.log(`${faults.length} faults`);
if (faults.length > 0) process.exitCode = 1;
