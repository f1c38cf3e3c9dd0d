import type { McpServerConfig } from "../config/schema.ts";
import { EXIT } from "../core/errors.ts";
import type { CommandHandler } from "./command.ts";
import { callGateway, gatewayOrFiles } from "./connect.ts";
import { configOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { requireKnownServer } from "./known-names.ts";
import { setToolFilter } from "./mcp-edit.ts";
import { formatAge, plural, sanitizeLine, toSafeJson } from "./terminal-text.ts";

type WithheldReason = "changed" | "new" | "unknown";

/** A row of `mcp.status`. */
export type McpServerRow = {
  name: string;
  enabled: boolean;
  state: string;
  cause: string | null;
  since: number | null;
  retryAt: number | null;
  transport: string | null;
  launch: string | null;
  pid: number | null;
  tools: number | null;
  withheld: { name: string; reason: WithheldReason }[];
  leftOut: { name: string; reason: string }[];
  /** Counted by the last probe; null when that is not known, or the server has none to offer. */
  resources?: number | null;
  prompts?: number | null;
  /** What the server asked for and was refused. */
  refused?: string[];
  /** Whether its certificate is checked; absent for a program. */
  sslVerify?: boolean;
  /** Null where no sign-in is configured; absent where it is not known. */
  signedIn?: boolean | null;
};
type Status = { servers: McpServerRow[] };
type ToolRow = {
  readsOnly?: boolean;
  name: string;
  id: string;
  description: string;
  parameters: object;
  withheld: WithheldReason | null;
};
type Tools = { server: string; state: string; cause: string | null; tools: ToolRow[]; leftOut: McpServerRow["leftOut"] };

/** Starting a server may take as long as its `connectionTimeoutMs`. */
const PROBE_MS = 620_000;

/** The servers in the file of this machine, none of which runs. */
const rowsOfFile = (invocation: Invocation): Status => ({
  servers: Object.entries(configOf(invocation).config.mcp.servers).map(([name, config]) => toRow(name, config)),
});

const toRow = (name: string, config: McpServerConfig): McpServerRow => ({
  name,
  enabled: config.enabled,
  state: config.enabled ? "not running" : "off",
  cause: null,
  since: null,
  retryAt: null,
  transport: config.transport ?? (config.command === undefined ? null : "stdio"),
  launch: config.command ?? addressOf(config.url),
  pid: null,
  tools: null,
  withheld: [],
  leftOut: [],
});

/** An address without what may be a credential. */
function addressOf(url: string | undefined): string | null {
  const parsed = url === undefined ? null : URL.parse(url);
  return parsed && `${parsed.origin}${parsed.pathname}`;
}

const readStatus = (invocation: Invocation): Promise<Status> =>
  gatewayOrFiles<Status>(
    invocation,
    ["operator.read"],
    ({ client }) => client.request("mcp.status"),
    () => rowsOfFile(invocation),
  );

const ADD_HINT = "No MCP servers. Add one: openclaw mcp add memory -- npx -y @modelcontextprotocol/server-memory";

/** `openclaw mcp list` */
export const mcpList: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const { servers } = await readStatus(invocation);
  const rows = servers.map(({ name, enabled, transport, launch }) => ({ name, enabled, transport, launch }));
  out.result({ servers: rows }, () => {
    if (rows.length === 0) return out.line(ADD_HINT);
    out.table(
      [{ title: "server" }, { title: "enabled" }, { title: "transport" }, { title: "program or address", truncate: true }],
      rows.map((row) => [row.name, row.enabled ? "yes" : "no", row.transport ?? "http", row.launch ?? "-"]),
    );
  });
};

/** `openclaw mcp status [name]` */
export const mcpStatus: CommandHandler = async (invocation) => {
  const name = requireKnownServer(invocation, invocation.args[0]);
  const { servers } = await readStatus(invocation);
  const rows = servers.filter((row) => name === undefined || row.name === name);
  invocation.out.result({ servers: rows }, () => showStatus(invocation, rows));
};

/** `openclaw mcp probe [name]`; ends with an error code when an enabled server does not work. */
export const mcpProbe: CommandHandler = async (invocation) => {
  const name = requireKnownServer(invocation, invocation.args[0]);
  const params = { probe: true, ...(name !== undefined && { name }) };
  const { servers } = await callGateway<Status>(invocation, ["operator.read"], "mcp.status", params, PROBE_MS);
  invocation.out.result({ servers }, () => showStatus(invocation, servers));
  return servers.some((row) => row.enabled && row.state !== "ready") ? EXIT.failure : EXIT.ok;
};

function showStatus({ out, host }: Invocation, rows: readonly McpServerRow[]): void {
  if (rows.length === 0) return out.line(ADD_HINT);
  out.table(
    [
      { title: "server" },
      { title: "state" },
      { title: "since" },
      { title: "tools", align: "right" },
      { title: "resources", align: "right" },
      { title: "prompts", align: "right" },
      { title: "pid", align: "right" },
      { title: "" },
    ],
    rows.map((row) => [
      row.name,
      row.state,
      row.since === null ? "-" : formatAge(row.since, host.now()),
      String(row.tools ?? "-"),
      String(row.resources ?? "-"),
      String(row.prompts ?? "-"),
      String(row.pid ?? "-"),
      row.cause ?? "",
    ]),
  );
  for (const { name, withheld, leftOut, enabled, signedIn, refused = [], sslVerify = true } of rows) {
    if (enabled && !sslVerify) out.line(sanitizeLine(`${name}: its certificate is not checked (sslVerify: false)`));
    if (refused.length > 0) out.line(sanitizeLine(`${name}: asked the gateway for ${refused.join(", ")}, which is refused`));
    if (enabled && signedIn === false) out.line(sanitizeLine(`${name}: no one has signed in: openclaw mcp login ${name}`));
    if (withheld.length > 0) {
      out.line(sanitizeLine(`${name}: agents are not given ${withheldText(withheld)}`));
      out.line(sanitizeLine(`  Read them with openclaw mcp tools ${name}, then: openclaw mcp accept ${name}`));
    }
    for (const each of leftOut.slice(0, 10)) out.line(sanitizeLine(`${name}: ${each.name || "a tool"} is left out: ${each.reason}`));
    if (leftOut.length > 10) out.line(sanitizeLine(`${name}: ${leftOut.length - 10} more are left out`));
  }
}

const WITHHELD: Readonly<Record<WithheldReason, string>> = {
  changed: "changed since it was accepted",
  new: "added since the tools were accepted",
  unknown: "the record of what was accepted is damaged",
};

/** The withheld tools of a server, each with its reason. */
export const withheldText = (withheld: McpServerRow["withheld"]): string =>
  withheld.map(({ name, reason }) => `${name} (${WITHHELD[reason]})`).join(", ");

/** `openclaw mcp tools <name>` */
export const mcpTools: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const name = requireKnownServer(invocation, invocation.arg(0))!;
  if (["include", "exclude", "clear"].some((flag) => invocation.has(flag))) return await setToolFilter(invocation, name);
  const answer = await callGateway<Tools>(invocation, ["operator.read"], "mcp.tools", { name }, PROBE_MS);
  out.result(answer, () => {
    if (answer.state === "failed") out.line(sanitizeLine(`The server does not work: ${answer.cause ?? "no cause is known"}`));
    for (const tool of answer.tools) {
      const notes = [
        ...(tool.withheld ? [`withheld: ${WITHHELD[tool.withheld]}`] : []),
        ...(tool.readsOnly === true ? ["only reads"] : []),
      ];
      out.line(sanitizeLine(`${tool.id}${notes.map((note) => `  (${note})`).join("")}`));
      out.paragraph(sanitizeLine(`  ${tool.description}`), "  ");
      out.paragraph(sanitizeLine(`  ${toSafeJson(tool.parameters)}`), "  ");
    }
    for (const each of answer.leftOut) out.line(sanitizeLine(`${each.name || "a tool"} is left out: ${each.reason}`));
    out.note(`${plural(answer.tools.length, "tool")}; which setting grants one: openclaw tools explain <agent> <tool>`);
  });
  return answer.state === "failed" ? EXIT.failure : EXIT.ok;
};

/** `openclaw mcp accept <name>` */
export const mcpAccept: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const name = requireKnownServer(invocation, invocation.arg(0))!;
  const answer = await callGateway<{ server: string; accepted: string[]; tools: number }>(
    invocation,
    ["operator.admin"],
    "mcp.accept",
    { name },
    PROBE_MS,
  );
  out.result(answer, () => {
    if (answer.accepted.length === 0) return out.line(sanitizeLine(`No tool of ${name} was withheld.`));
    out.line(sanitizeLine(`Accepted: ${answer.accepted.join(", ")}`));
  });
};

/** `openclaw mcp reload [name]` */
export const mcpReload: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const name = requireKnownServer(invocation, invocation.args[0]);
  const params = name === undefined ? {} : { name };
  const answer = await callGateway<{ reloaded: string[] }>(invocation, ["operator.admin"], "mcp.reload", params);
  out.result(answer, () => {
    if (answer.reloaded.length === 0) return out.line(ADD_HINT);
    out.line(
      sanitizeLine(`Ended: ${answer.reloaded.join(", ")}. The next use starts ${answer.reloaded.length === 1 ? "it" : "them"} again.`),
    );
  });
};
