// Sends odd frames and requests to a gateway for as long as asked.
//   npm run fuzz -- [--minutes M] [--seed N] [--main FILE]
// Or odd events to every channel, over its real connection to a scripted platform:
//   npm run fuzz -- --channels [--events N] [--seed N]
// Or random commands to the gate that asks people about them:
//   npm run fuzz -- --commands N [--seed N]
import { parseArgs } from "node:util";
import { CommandFuzz } from "./commands.ts";
import { FuzzCampaign } from "./campaign.ts";
import { FUZZED_CHANNELS, fuzzChannel } from "./channels.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    main: { type: "string" },
    channels: { type: "boolean", default: false },
    commands: { type: "string" },
    events: { type: "string", default: "100000" },
  },
});
const seed = Number(values.seed);
console.log(`seed ${seed}`);
if (values.channels) process.exit(await fuzzChannels(Number(values.events)));
if (values.commands !== undefined) process.exit(await fuzzCommands(Number(values.commands)));
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

/** Gives the exit code. */
async function fuzzCommands(count: number): Promise<number> {
  const { cases, understood, changed, faults } = await new CommandFuzz(seed).run(count);
  for (const fault of faults) console.log(`FAULT ${fault}`);
  console.log(`${cases} commands: ${understood} run and compared, ${changed} refused because something had changed`);
  console.log(`${cases - faults.length} passed, ${faults.length} failed`);
  return faults.length > 0 ? 1 : 0;
}

/** The same number of events for each channel. Gives the exit code. */
async function fuzzChannels(events: number): Promise<number> {
  let failed = 0;
  for (const channel of FUZZED_CHANNELS) {
    const { pushed, stored, faults } = await fuzzChannel(channel, Math.ceil(events / FUZZED_CHANNELS.length), seed);
    console.log(`${channel}: ${pushed} events, stored ${JSON.stringify(stored)}`);
    for (const fault of faults) console.log(`  FAULT ${fault}`);
    failed += faults.length;
  }
  console.log(failed === 0 ? "nothing failed" : `${failed} faults (seed ${seed})`);
  return failed === 0 ? 0 : 1;
}
