// Writes docs/protocol.md from the table of served methods and the published schema; with --check it only compares.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ERROR_DETAILS, ERRORS, type DetailCode, type ErrorCode } from "../src/core/error-codes.ts";
import { SERVED_EVENTS } from "../src/methods/stream.ts";
import { SERVED_METHODS, SERVER_CAPABILITIES, type ServedMethod } from "../src/protocol/served-methods.ts";
import { ADDED_PROPERTIES, OWN_SCOPES } from "../src/protocol/param-schemas.ts";
import { DISCONNECTS } from "../src/protocol/disconnects.ts";
import { PARAM_RULES } from "../src/protocol/served-params.ts";
import type { IgnoredParam } from "../src/protocol/served-params/rules.ts";
import { refusedParams } from "./param-schemas.ts";

type Published = { methods: Record<string, { scope: string; since: string }> };

const file = join(dirname(dirname(fileURLToPath(import.meta.url))), "docs/protocol.md");
// The package does not export its schema file; its version entry tells where the package is.
const schemaFile = new URL("../protocol.schema.json", import.meta.resolve("@openclaw/gateway-protocol/version"));
const published = (JSON.parse(readFileSync(schemaFile, "utf8")) as Published).methods;
const { version } = JSON.parse(readFileSync(new URL("package.json", schemaFile), "utf8")) as { version: string };

/** What each first word of a method is about. */
const FAMILIES: Readonly<Record<string, string>> = {
  agent: "Run an agent",
  agents: "Agents",
  approval: "Questions about commands",
  audit: "What agents did",
  backup: "Backups",
  update: "Updates",
  retention: "Retention",
  browser: "The browser of agents",
  budgets: "Usage and budgets",
  channels: "Channels and pairing",
  chat: "Conversations",
  commands: "Chat commands",
  config: "Configuration",
  cron: "Scheduled jobs",
  deadletters: "Dead letters",
  device: "Devices",
  diagnostics: "The process",
  exec: "Questions about commands",
  gateway: "The process",
  health: "State",
  heartbeat: "State",
  hooks: "Hooks",
  "last-heartbeat": "State",
  logs: "State",
  doctor: "Memory",
  memory: "Memory",
  mcp: "MCP servers",
  message: "Sending",
  models: "Models",
  node: "Nodes",
  peer: "Links, for the gateway at the other end",
  peers: "Links to other gateways",
  openclaw: "Questions about commands",
  plugin: "Questions about commands",
  plugins: "Plugins",
  poll: "Sending",
  question: "State",
  route: "Routing",
  secrets: "Secrets",
  send: "Sending",
  sessions: "Sessions",
  "set-heartbeats": "State",
  skills: "Skills",
  status: "State",
  system: "State",
  "system-event": "State",
  "system-presence": "State",
  tokens: "Named tokens",
  sandbox: "The sandbox of commands",
  tasks: "Tasks of sub-agents",
  tools: "Tools",
  usage: "Usage and budgets",
  wake: "State",
  web: "Channels and pairing",
};

function familyOf(method: string): string {
  const family = FAMILIES[method.split(".")[0]!];
  if (family === undefined) throw new Error(`${method}: give its family a title in scripts/gen-protocol-docs.ts`);
  return family;
}

function scopeOf(method: string): string {
  const scope = published[method]?.scope ?? OWN_SCOPES[method]!;
  return scope === "dynamic" ? "depends on what is asked" : `\`${scope}\``;
}

function row(method: string): string {
  const refused = refusedParams(method as ServedMethod);
  const more = Object.keys(ADDED_PROPERTIES[method] ?? {})
    .filter((name) => !refused.includes(name))
    .map((name) => `\`${name}\``);
  const since = published[method]?.since.replace("<=", "up to ") ?? "only this gateway";
  return `| \`${method}\` | ${scopeOf(method)} | ${since} | ${more.length > 0 ? `also takes ${more.join(", ")}` : ""} |`;
}

const code = (name: string): string => `\`${name}\``;

/** One row for each method with params that are ignored or refused. */
function paramRows(): string[] {
  return [...SERVED_METHODS].toSorted().flatMap((method) => {
    const { served, ignored = {} } = PARAM_RULES[method];
    const refused = refusedParams(method);
    if (refused.length === 0 && Object.keys(ignored).length === 0) return [];
    return [`| ${code(method)} | ${served.map(code).join(", ")} | ${ignoredText(ignored)} | ${refused.map(code).join(", ")} |`];
  });
}

/** Groups params with the same reason. */
function ignoredText(ignored: Readonly<Record<string, IgnoredParam>>): string {
  const groups = Map.groupBy(Object.keys(ignored), (name) => {
    const { values, why } = ignored[name]!;
    return `${values === "any" ? "" : ` when ${values.map((value) => code(JSON.stringify(value))).join(" or ")}`} (${why})`;
  });
  return [...groups].map(([reason, names]) => `${names.map(code).join(", ")}${reason}`).join("; ");
}

const yesNo = (value: boolean): string => (value ? "yes" : "no");

const errorRows = (Object.keys(ERRORS) as ErrorCode[]).map(
  (name) => `| ${code(name)} | ${ERRORS[name].http} | ${yesNo(ERRORS[name].retryable)} |`,
);

function detailRow(name: DetailCode): string {
  const row: { code: ErrorCode; retryable?: boolean; text: string } = ERROR_DETAILS[name];
  const { http, retryable } = ERRORS[row.code];
  return `| ${code(name)} | ${code(row.code)} | ${http} | ${yesNo(row.retryable ?? retryable)} | ${row.text} |`;
}

const closeRows = Object.values(DISCONNECTS)
  .toSorted((a, b) => a.code - b.code)
  .map(({ code: number, reason, retryable, hint }) => `| ${number} | ${reason} | ${yesNo(retryable)} | ${hint} |`);

const families = Map.groupBy([...SERVED_METHODS].toSorted(), familyOf);
const own = SERVED_METHODS.filter((method) => !published[method]);
const text = [
  "# Protocol",
  "",
  "<!-- Made by scripts/gen-protocol-docs.ts from src/protocol, src/core/error-codes.ts and the published schema. Run the script after a change there. -->",
  "",
  `This gateway speaks version 4 of OpenClaw's published gateway protocol (\`@openclaw/gateway-protocol\` ${version}): frames, handshake, device`,
  "signatures, errors and close codes as published there. `hello-ok` lists exactly the methods below; every other name is answered with",
  "`INVALID_REQUEST` and `unknown method: <name>`, which clients use to find out what is there.",
  "",
  `${SERVED_METHODS.length} methods are served. ${own.length} of them are this gateway's own: ${own.map((name) => `\`${name}\``).join(", ")}.`,
  "How official clients get along with it is written down in [compatibility.md](compatibility.md).",
  "",
  "Params are checked against the published schema; a property that it does not know is refused. Some released clients send properties",
  "that the schema does not list yet; the last column names those that are accepted nevertheless. [Parameters](#parameters) says which ones have an effect.",
  "",
  "## Methods",
  "",
  ...[...families]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([title, methods]) => [
      `### ${title}`,
      "",
      "| Method | Scope | In the published schema since | Remarks |",
      "| --- | --- | --- | --- |",
      ...methods.map(row),
      "",
    ]),
  "`operator.admin` includes every scope; `operator.write` includes `operator.read`.",
  "",
  "## Parameters",
  "",
  "An accepted parameter has its effect. A parameter without an effect here is refused with `INVALID_REQUEST`, and `details.code`",
  "`PARAM_NOT_SERVED` and `details.param` name it. A few are ignored, because nothing is lost with the values that the table names.",
  "Methods that are not in the table serve every parameter of their schema.",
  "",
  "| Method | Served | Ignored | Refused |",
  "| --- | --- | --- | --- |",
  ...paramRows(),
  "",
  "## Events",
  "",
  SERVED_EVENTS.map((name) => `\`${name}\``).join(", ") + ".",
  "",
  "Streams (`chat`, `agent`, `session.message`) go to the clients that watch the session: those that have sent to it, loaded it, or",
  "subscribed to it or to all sessions. `sessions.changed` carries the key, the fields that have changed, and the whole row as `session`;",
  "a deletion carries the `sessionId` that was deleted. The `agent` events of a run have distinct `seq` numbers. `tool` events go to",
  "clients with the capability `tool-events`: an update has all of the output so far as `partialResult`, or only what is new as `delta`, which",
  "clients append; a long result has its beginning and its end, and its message in the transcript has all of it.",
  "Events are numbered per connection without gaps; after a gap or a reconnect, load the history",
  "with the cursor of the last one.",
  "",
  "## Errors",
  "",
  "A refused request carries `error.code`, `error.message`, `error.retryable` and, where waiting helps, `error.retryAfterMs`.",
  "`error.details.code` names the exact cause, `error.details.fix` the remedy. HTTP routes answer with the status",
  "of the code; a refused credential is 401 there.",
  "",
  "| Code | HTTP status | Retryable |",
  "| --- | --- | --- |",
  ...errorRows,
  "",
  "| `details.code` | Code | HTTP status | Retryable | Meaning |",
  "| --- | --- | --- | --- | --- |",
  ...(Object.keys(ERROR_DETAILS) as DetailCode[]).toSorted().map(detailRow),
  "",
  "## Close codes",
  "",
  "The reasons `connect refused` and `gateway starting` are replaced by the message of the refused `connect`.",
  "",
  "| Code | Reason | Retryable | What the client does |",
  "| --- | --- | --- | --- |",
  ...closeRows,
  "",
  "## Capabilities",
  "",
  `${SERVER_CAPABILITIES.map((name) => `\`${name}\``).join(", ")}.`,
  "",
].join("\n");

if (process.argv.includes("--check")) {
  if (readFileSync(file, "utf8") !== text) {
    console.error("docs/protocol.md is not what the tables say; run: node scripts/gen-protocol-docs.ts");
    process.exitCode = 1;
  }
} else {
  writeFileSync(file, text);
}
