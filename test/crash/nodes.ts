// Kills the gateway and two of our node hosts while they run commands, and checks that each command ends once.
//   npm run crash:nodes -- [--kills N] [--minutes M] [--seed N] [--local] [--official | --before] [--main FILE]
// One node runs in a network namespace of its own, which needs root; --local: both run in this one. --official: OpenClaw's
// node host takes part instead, from .cache or npm, and its connection is cut as well; --before: one that speaks the protocol before.
// Ends with 1 after a fault.
import { parseArgs } from "node:util";
import { installOfficial, installOfficialBefore } from "../official/install.ts";
import { NodeCampaign } from "./node-campaign.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "100" },
    minutes: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    local: { type: "boolean", default: false },
    official: { type: "boolean", default: false },
    before: { type: "boolean", default: false },
    main: { type: "string" },
  },
});
const official = values.before ? await installOfficialBefore() : values.official ? await installOfficial() : null;
const started = Date.now();
console.log(`seed ${values.seed}`);
const { faults, ...summary } = await new NodeCampaign({
  kills: Number(values.kills),
  seed: Number(values.seed),
  isNetworked: !values.local && official === null,
  ...(official && { official: official.program }),
  ...(values.minutes && { limitMs: Number(values.minutes) * 60_000 }),
  ...(values.main && { main: values.main }),
  say: (line) => console.log(line),
}).run();
console.log(`${JSON.stringify(summary)} in ${Math.round((Date.now() - started) / 1_000)} s`);
for (const fault of faults) console.log(`FAULT ${fault}`);
console.log(`${faults.length} faults`);
if (faults.length > 0) process.exitCode = 1;
