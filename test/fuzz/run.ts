// Sends odd frames and requests to a gateway for as long as asked.
//   npm run fuzz -- [--minutes M] [--seed N] [--main FILE]
// Or odd events to every channel, over its real connection to a scripted platform:
//   npm run fuzz -- --channels [--events N] [--seed N]
// Or random commands to the gate that asks people about them, compared with what stubs of programs receive; in a second round, something
// is changed after each answer:
//   npm run fuzz -- --gate 100000 [--seed N] [--jobs 2]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { parseScriptArgs } from "../../scripts/script-args.ts";
import { CommandFuzz, type CommandFuzzSummary } from "./commands.ts";
import { FuzzCampaign } from "./campaign.ts";
import { FUZZED_CHANNELS, fuzzChannel } from "./channels.ts";

const { values } = parseScriptArgs(import.meta.filename, {
  options: {
    minutes: { type: "string", default: "5" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    main: { type: "string" },
    channels: { type: "boolean", default: false },
    gate: { type: "string" },
    jobs: { type: "string", default: "2" },
    part: { type: "boolean", default: false },
    events: { type: "string", default: "100000" },
  },
});
const seed = Number(values.seed);
console.log(`seed ${seed}`);
if (values.channels) process.exit(await fuzzChannels(Number(values.events)));
if (values.gate !== undefined) process.exit(await fuzzGate(Number(values.gate), Number(values.jobs)));
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

/** Half of the cases with what was agreed to, half with changes after the answer; in several processes. Gives the exit code. */
async function fuzzGate(count: number, jobs: number): Promise<number> {
  const startedAt = process.hrtime.bigint();
  const share = Math.ceil(count / jobs);
  const parts = values.part
    ? [await runGatePart(share)]
    : await Promise.all(Array.from({ length: jobs }, (_, at) => spawnGatePart(share, seed * jobs + at)));
  if (values.part) {
    console.log(JSON.stringify(parts[0]));
    return 0;
  }
  const sum = (name: "cases" | "understood" | "changed" | "refused"): number => parts.reduce((total, part) => total + part[name], 0);
  const faults = parts.flatMap((part) => part.faults);
  for (const fault of faults) console.log(`FAULT ${fault}`);
  const seconds = Number((process.hrtime.bigint() - startedAt) / 1_000_000_000n);
  console.log(
    `${sum("cases")} commands in ${seconds} s: ${sum("understood")} run and compared (program, arguments, directory, environment, input)`,
  );
  console.log(
    `${sum("changed")} times something was changed after the answer: ${sum("refused")} refused, because it was bound; none ran changed`,
  );
  console.log(`${sum("cases") - faults.length} passed, ${faults.length} failed`);
  return faults.length > 0 ? 1 : 0;
}

async function runGatePart(count: number): Promise<CommandFuzzSummary> {
  const half = Math.ceil(count / 2);
  const plain = await new CommandFuzz(seed).run(half, { changeShare: 0 });
  const changed = await new CommandFuzz(seed + 1).run(count - half, { changeShare: 1 });
  return {
    cases: plain.cases + changed.cases,
    understood: plain.understood + changed.understood,
    changed: changed.changed,
    refused: changed.refused,
    faults: [...plain.faults, ...changed.faults],
  };
}

/** One process for each core: most of the time goes to the start of programs. */
async function spawnGatePart(count: number, partSeed: number): Promise<CommandFuzzSummary> {
  const args = [import.meta.filename, "--part", "--jobs", "1", "--gate", String(count), "--seed", String(partSeed)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const [output] = await Promise.all([child.stdout.toArray(), once(child, "exit")]);
  const last =
    Buffer.concat(output as Buffer[])
      .toString()
      .trim()
      .split("\n")
      .at(-1) ?? "";
  return JSON.parse(last) as CommandFuzzSummary;
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
