// Drives OpenClaw's own clients, unmodified, through their main tasks against this gateway:
//   npm run official [-- --only cli,tui,acp,node,page] [--write]
// --write puts the results into docs/compatibility.md. OFFICIAL_OPENCLAW names a directory where openclaw is installed already.
import { readFileSync, writeFileSync } from "node:fs";
import { driveAcp, driveNodeHost } from "./agents.ts";
import { driveCommandLine } from "./command-line.ts";
import { driveControlUi } from "./control-ui.ts";
import { installOfficial, RELEASE } from "./install.ts";
import { openOfficialBench, type Result, type OfficialBench } from "./official-bench.ts";
import { driveTui } from "./terminal.ts";

const DOC = new URL("../../docs/compatibility.md", import.meta.url);
const BEGIN = "<!-- official clients: begin -->";
const END = "<!-- official clients: end -->";

const CLIENTS = ["cli", "acp", "node", "tui", "page"] as const;

function wanted(): ReadonlySet<string> {
  const at = process.argv.indexOf("--only");
  const names = at < 0 ? CLIENTS : process.argv[at + 1]!.split(",");
  const unknown = names.filter((name) => !(CLIENTS as readonly string[]).includes(name));
  if (unknown.length > 0) throw new Error(`unknown client ${unknown.join()}: ${CLIENTS.join(", ")} can be driven`);
  return new Set(names);
}

async function drive(stage: OfficialBench, clients: ReadonlySet<string>): Promise<void> {
  const failed = (client: string) => (err: unknown) =>
    void stage.results.push({ client, task: "start", ok: false, seen: err instanceof Error ? err.message.split("\n")[0]! : String(err) });
  if (clients.has("cli")) await driveCommandLine(stage).catch(failed("CLI"));
  if (clients.has("acp")) await driveAcp(stage).catch(failed("ACP bridge"));
  if (clients.has("node")) await driveNodeHost(stage).catch(failed("node host"));
  if (clients.has("tui")) await driveTui(stage).catch(failed("TUI"));
  if (clients.has("page")) await driveControlUi(stage).catch(failed("Control UI"));
}

/** The clients in the order of the table. */
const NAMES = ["CLI", "ACP bridge", "node host", "TUI", "Control UI"];

const cell = (text: string): string => text.replaceAll("|", String.raw`\|`);

const outcome = (ok: boolean, seen: string): string => (!ok ? "fails" : seen.startsWith("not served") ? "in part" : "works");

const clientOf = (row: string): string => row.split("|")[1]!.trim();

/** The table of the documentation. Rows of clients that were not driven now stay as they are. */
function toTable(results: readonly Result[], before: string): string {
  const driven = new Set(results.map(({ client }) => client));
  const kept = before.split("\n").filter((line) => /^\| (?!client |-)/.test(line) && !driven.has(clientOf(line)));
  const now = results.map(({ client, task, ok, seen }) => `| ${client} | ${cell(task)} | ${outcome(ok, seen)} | ${cell(seen)} |`);
  const rows = [...kept, ...now].toSorted((a, b) => NAMES.indexOf(clientOf(a)) - NAMES.indexOf(clientOf(b)));
  return [`Release ${RELEASE}.`, "", "| client | task | result | seen |", "|---|---|---|---|", ...rows].join("\n");
}

function write(results: readonly Result[]): void {
  const before = readFileSync(DOC, "utf8");
  const [head, rest] = before.split(BEGIN);
  const [table, tail] = rest?.split(END) ?? [];
  if (table === undefined || tail === undefined) throw new Error(`docs/compatibility.md has no ${BEGIN} … ${END}`);
  writeFileSync(DOC, `${head}${BEGIN}\n\n${toTable(results, table)}\n\n${END}${tail}`);
}

const clients = wanted();
const official = await installOfficial();
const stage = await openOfficialBench(official);
try {
  await drive(stage, clients);
} finally {
  await stage.close();
}
const failures = stage.results.filter(({ ok }) => !ok);
console.log(`${stage.results.length - failures.length} passed, ${failures.length} failed`);
if (process.argv.includes("--write")) write(stage.results);
process.exitCode = failures.length === 0 ? 0 : 1;
