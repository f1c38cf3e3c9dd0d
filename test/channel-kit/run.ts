// Puts channels through the whole kit: their own tests, the scripted platform against its official library, the scenarios with the
// whole process, and random kills.
//   npm run channel-kit -- [CHANNEL...] [--write] [--results DIR]
//   npm run channel-kit -- [CHANNEL...] --kills N [--seed N] [--jobs N] [--main FILE] [--keep DIR]
// --write brings the table of docs/channels/README.md up to date; then every channel has to be played. --results: how a channel
// has passed is kept there, and with --write such a channel is not played again, so that a table can be made in several goes.
// --kills plays nothing but random kills, of the built gateway: N for each channel, in homes of 100, so many at once as --jobs says. Their
// seeds are counted up from the first. --keep: what a home with faults has stored is copied there.
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "node:test";
import { parseScriptArgs } from "../../scripts/script-args.ts";
import { runCrashCampaign, missingPrerequisites } from "./crash-campaign.ts";
import { SCENARIOS, type Scenario } from "./scenarios.ts";
import { toTable, uncoveredCapabilities, type ChannelReport, type TestResult } from "./report.ts";
import { describeChannel, testableChannels, HARNESSES } from "./harness-registry.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const { values, positionals } = parseScriptArgs(import.meta.filename, {
  options: {
    write: { type: "boolean", default: false },
    results: { type: "string" },
    kills: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    jobs: { type: "string", default: "1" },
    main: { type: "string", default: `${root}dist/main.js` },
    keep: { type: "string" },
  },
  allowPositionals: true,
});
const unknown = positionals.filter((id) => !testableChannels.includes(id));
if (unknown.length > 0) refuse(`There is no channel ${unknown.join(", ")}.\nThe channels are ${testableChannels.join(", ")}.`);
const ids = positionals.length > 0 && !values.write ? positionals : testableChannels;
if (values.kills !== undefined) {
  await kill(ids);
  process.exit();
}

function refuse(why: string): never {
  console.error(why);
  process.exit(2);
}

function positive(name: "kills" | "seed" | "jobs"): number {
  const value = Number(values[name]);
  return Number.isSafeInteger(value) && value > 0 ? value : refuse(`--${name} ${values[name]} is not an integer above 0.`);
}

async function kill(victims: readonly string[]): Promise<void> {
  const options = { ids: victims, kills: positive("kills"), seed: positive("seed"), jobs: positive("jobs"), main: values.main };
  if (!existsSync(values.main)) refuse(`${values.main} is missing.\n\`npm run build\` makes dist/main.js.`);
  const missing = await missingPrerequisites(victims);
  if (missing.length > 0) refuse(`These cannot be played here:\n  ${missing.join("\n  ")}`);
  console.log(`seed ${options.seed}`);
  const { passed, failed } = await runCrashCampaign({
    ...options,
    ...(values.keep && { keep: values.keep }),
    say: (line) => console.log(line),
  });
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

/** Tests that are about every channel with a platform harness. */
const COMMON = ["test/channel-kit/channel-worker.test.ts"];

/** All files of the kit that are about one channel. */
function filesOf(id: string): string[] {
  const page = id === "webchat" ? ["web/{src,test}/**/*.test.ts", "test/wire/official-clients.test.ts"] : [];
  const own = [`src/channels/${id}/*.test.ts`, `test/channel-kit/${id}-*.test.ts`, `test/wire/${id}.test.ts`, ...page];
  const common = COMMON.filter((name) => Object.hasOwn(HARNESSES, id) && existsSync(`${root}${name}`));
  return [...globSync(own, { cwd: root }).toSorted(), ...common].map((name) => `${root}${name}`);
}

async function runFiles(id: string): Promise<{ verdicts: TestResult[]; passed: number; failed: number }> {
  process.env["CHANNEL_KIT"] = id;
  const verdicts: TestResult[] = [];
  for await (const { type, data } of run({ files: filesOf(id), concurrency: 2, timeout: 900_000 })) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    const isSuite = (data.details as { type?: string }).type === "suite" || existsSync(data.name);
    if (isSuite && type === "test:pass") continue;
    const skipped = data.skip === undefined || data.skip === false ? undefined : String(data.skip);
    verdicts.push({ name: data.name, passed: type === "test:pass", ...(skipped !== undefined && { skipped }) });
    if (type === "test:fail" && !isSuite) console.log(`  ✗ ${id}: ${data.name}`);
  }
  const failed = verdicts.filter((each) => !each.passed).length;
  return { verdicts, passed: verdicts.filter((each) => each.passed && each.skipped === undefined).length, failed };
}

async function runOrRead(id: string): ReturnType<typeof runFiles> {
  const { results, write } = values;
  if (results === undefined) return runFiles(id);
  const file = join(results, `${id}.json`);
  if (write && existsSync(file)) return JSON.parse(readFileSync(file, "utf8")) as Awaited<ReturnType<typeof runFiles>>;
  const result = await runFiles(id);
  if (result.failed > 0) return result;
  mkdirSync(results, { recursive: true });
  writeFileSync(file, JSON.stringify(result));
  return result;
}

let passed = 0;
let failed = 0;
const played: ChannelReport[] = [];
for (const id of ids) {
  const channel = await describeChannel(id);
  const result = await runOrRead(id);
  const missing = uncoveredCapabilities(channel.capabilities, result.verdicts);
  for (const ability of missing) console.log(`  ✗ ${id}: the ability "${ability}" is declared, and no test proves it`);
  passed += result.passed;
  failed += result.failed + missing.length;
  played.push({ id, label: channel.label, capabilities: channel.capabilities, results: result.verdicts });
  console.log(`${result.failed + missing.length === 0 ? "✓" : "✗"} ${channel.label}: ${result.passed} passed, ${result.failed} failed`);
}
const scenarios: readonly Scenario[] = SCENARIOS;
const table = toTable(played, scenarios);
console.log(`\n${table}`);
if (values.write) writeFileSync(`${root}docs/channels/README.md`, `${table}\n`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
