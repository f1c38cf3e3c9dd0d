// Measures CPU time and memory of a build and compares them with the budgets: npm run bench -- --help
import { existsSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startModelServer } from "../model-server.ts";
import { dropHome, newHome } from "../wire/gateway-process.ts";
import { Figures } from "./measure.ts";
import { broadcast } from "./parts/broadcast.ts";
import { channels } from "./parts/channels.ts";
import { cli } from "./parts/cli.ts";
import { growth } from "./parts/growth.ts";
import { hooks } from "./parts/hooks.ts";
import { idle } from "./parts/idle.ts";
import { memory } from "./parts/memory.ts";
import { operate } from "./parts/operate.ts";
import { parallel } from "./parts/parallel.ts";
import { resume } from "./parts/resume.ts";
import { rpc } from "./parts/rpc.ts";
import { soak } from "./parts/soak.ts";
import { start } from "./parts/start.ts";
import { stream } from "./parts/stream.ts";
import { telemetry } from "./parts/telemetry.ts";
import { tools } from "./parts/tools.ts";
import { turn } from "./parts/turn.ts";
import { usage } from "./parts/usage.ts";
import { toText, writeTables, type PartResult } from "./report.ts";
import { cacheDir, Subject, type Part } from "./subject.ts";

const PARTS: readonly Part[] = [
  start,
  turn,
  tools,
  parallel,
  resume,
  stream,
  rpc,
  broadcast,
  idle,
  cli,
  channels,
  memory,
  growth,
  soak,
  hooks,
  usage,
  operate,
  telemetry,
];

const DIST = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const DOCUMENT = fileURLToPath(new URL("../../docs/performance.md", import.meta.url));

const HELP = `npm run bench -- [options]

  --only A,B        these parts; soak, hooks, usage, operate and telemetry run only when they are named
  --runs N          runs of each part (default 5)
  --main FILE       dist/main.js of the measured build (default: this checkout)
  --compare FILE    dist/main.js of a second build; the runs alternate
  --json FILE       write all samples
  --write           write the tables into docs/performance.md
  --minutes N       length of the part soak (default 10)

${PARTS.map(({ name, about }) => `  ${name.padEnd(10)} ${about}`).join("\n")}
`;

function fail(reason: string): never {
  process.stderr.write(`${reason}\n`);
  process.exit(1);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  return value > 0 ? value : fail(`--${name} ${text}: not a number above 0`);
}

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    runs: { type: "string", default: "5" },
    main: { type: "string", default: DIST },
    compare: { type: "string" },
    json: { type: "string" },
    write: { type: "boolean", default: false },
    minutes: { type: "string", default: "10" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const runs = positive("runs", values.runs);
const minutes = positive("minutes", values.minutes);
const mains = [values.main, ...(values.compare ? [values.compare] : [])].map((path) => resolve(path));
for (const path of mains) if (!existsSync(path)) fail(`${path} is missing; npm run build creates dist/main.js`);
const names = values.only?.split(",") ?? PARTS.filter(({ onRequest }) => !onRequest).map(({ name }) => name);
const parts = names.map((name) => PARTS.find((part) => part.name === name) ?? fail(`There is no part ${name}; see --help`));

/** All runs of one part; the builds take turns, and the first of a run is the second of the next. */
async function measurePart(part: Part, subjects: readonly Subject[]): Promise<PartResult> {
  for (const subject of subjects) subject.figures = new Figures();
  const wanted = Math.min(runs, part.maxRuns ?? runs);
  for (let run = part.discardFirst ? -1 : 0; run < wanted; run++) {
    for (const subject of run % 2 === 0 ? subjects : subjects.toReversed()) await part.measure(subject, { minutes });
    if (run < 0) for (const subject of subjects) subject.figures = new Figures();
    for (const subject of subjects) subject.model.clear();
  }
  return { part: part.name, builds: subjects.map(({ main, figures }) => ({ main, figures: figures.list })) };
}

const home = newHome();
const model = await startModelServer();
try {
  const subjects = mains.map((main, index) => new Subject(main, model, cacheDir(home, index)));
  const results: PartResult[] = [];
  for (const part of parts) {
    const result = await measurePart(part, subjects);
    results.push(result);
    process.stdout.write(toText(result));
    if (values.json) writeFileSync(values.json, JSON.stringify(results, null, 2));
    if (values.write) writeTables(DOCUMENT, [result]);
  }
} finally {
  await model.close();
  dropHome(home);
}
