import { existsSync } from "node:fs";
import type { RuntimeStatus } from "../agents/runtime.ts";
import { agentIds, defaultAgentId, resolveAgent } from "../config/agents.ts";
import { CliError, EXIT } from "../core/errors.ts";
import { VERSION } from "../core/version.ts";
import type { ProtocolClient } from "../client/client.ts";
import { accountRows, accountTable, accountText, type AccountRow, type ChannelsStatus } from "./channels.ts";
import type { CommandHandler } from "./command.ts";
import { connectGateway, isUnreachable, toCliError, type GatewayLink } from "./connect.ts";
import type { Invocation } from "./invocation.ts";
import { readModelStatus } from "./models.ts";
import { formatTelemetry, type TelemetryRow } from "./telemetry.ts";
import { formatLink, type LinksAnswer, type LinkView } from "./peers.ts";
import { pluginProblem, type PluginRow } from "./plugins.ts";
import { configOf, pathsOf, resolveTarget, type GatewayTarget } from "./gateway-target.ts";
import { sanitizeLine, formatAge, formatDuration, plural } from "./terminal-text.ts";

type HealthPartRow = { name: string; state: string; cause?: string | null; since?: number };
type Health = {
  ok: boolean;
  failing?: string[];
  degraded?: string[];
  parts?: HealthPartRow[];
  defaultAgentId?: string;
  agents?: { agentId: string }[];
  eventLoop?: Record<string, unknown>;
};
type Status = {
  runtimeVersion?: string;
  uptimeMs?: number;
  channelSummary?: string[];
  degradedSecretOwners?: string[];
  queuedSystemEvents?: string[];
  slotWaits?: { sessions: number; longestMs: number };
  pendingApprovals?: number;
  shadow?: { on: boolean; held: number };
  agentRuntime?: RuntimeStatus;
  telemetry?: TelemetryRow;
  sessions?: {
    count?: number;
    defaults?: { model?: string };
    recent?: { key: string; updatedAt?: number; model?: string; percentUsed?: number }[];
  };
};

/** `openclaw health` */
export const health: CommandHandler = async (invocation) => {
  const { out, host } = invocation;
  const { client, target } = await connectGateway(invocation, { scopes: ["operator.read"] });
  let answer: Health;
  try {
    answer = await client.request<Health>("health");
  } catch (err) {
    throw toCliError(err, target, invocation);
  } finally {
    await client.close();
  }
  out.result(answer, () => {
    const degraded = answer.degraded ?? [];
    const word = !answer.ok
      ? out.paint("red", "not usable")
      : degraded.length > 0
        ? out.paint("yellow", "running with problems")
        : out.paint("green", "healthy");
    out.line(`The gateway at ${target.url} is ${word}.`);
    for (const part of visibleParts(answer, invocation.has("verbose"))) out.line(formatPart(part, host.now()));
    if (!answer.ok || degraded.length > 0) out.note("Next: openclaw doctor");
  });
  return answer.ok ? EXIT.ok : EXIT.failure;
};

const visibleParts = ({ parts = [] }: Health, all: boolean): HealthPartRow[] =>
  all ? parts : parts.filter((part) => part.state !== "ready");
const formatPart = (part: HealthPartRow, now: number): string =>
  sanitizeLine(
    `  ${part.state === "ready" ? "✓" : "!"} ${part.name}: ${part.state}${part.cause ? `, ${part.cause}` : ""}${part.since ? ` (${formatAge(part.since, now)})` : ""}`,
  );

type StatusReport = {
  gateway: {
    running: boolean;
    usable: boolean;
    url: string;
    urlFrom: string;
    version?: string;
    uptimeMs?: number;
    problem?: string;
    fix?: string;
    exit?: number;
  };
  /** Of this machine; null when another gateway is asked. */
  config: { path: string; exists: boolean; source: string; errors: number; warnings: number } | null;
  state: string | null;
  model: string | null;
  agents: readonly string[];
  defaultAgent: string;
  sessions: number | null;
  recent: NonNullable<NonNullable<Status["sessions"]>["recent"]>;
  /** Sessions that wait for a slot; null when no gateway was asked. */
  slotWaits: { sessions: number; longestMs: number } | null;
  /** Questions about commands that wait for a person; null as above. */
  pendingApprovals: number | null;
  /** Whether nothing is sent, and what is held because of that; null as above. */
  shadow: { on: boolean; held: number } | null;
  agentRuntime: RuntimeStatus | null;
  /** Null when no gateway was asked, or it is an earlier one. */
  telemetry: TelemetryRow | null;
  channels: readonly { name: string; state: string }[];
  accounts: readonly AccountRow[];
  /** Links to other gateways. */
  links: readonly LinkView[];
  problems: readonly string[];
  parts?: HealthPartRow[];
  eventLoop?: Record<string, unknown>;
  cli: { version: string; node: string; platform: string };
};

/** `openclaw status` */
export const status: CommandHandler = async (invocation) => {
  const { out } = invocation;
  const facts = await collect(invocation);
  out.result(facts, () => show(facts, invocation));
  return facts.gateway.usable ? EXIT.ok : (facts.gateway.exit ?? EXIT.failure);
};

async function collect(invocation: Invocation): Promise<StatusReport> {
  let link: GatewayLink;
  try {
    link = await connectGateway(invocation, { scopes: ["operator.read"] });
  } catch (err) {
    if (err instanceof CliError && err.exit !== EXIT.usage) return fromFiles(invocation, err);
    throw err;
  }
  try {
    return await fromGateway(invocation, link);
  } catch (err) {
    throw toCliError(err, link.target, invocation);
  } finally {
    await link.client.close();
  }
}

function readLocalStatus(invocation: Invocation, target: GatewayTarget): Pick<StatusReport, "config" | "state" | "cli"> {
  const cli = { version: VERSION, node: process.versions.node, platform: `${process.platform}-${process.arch}` };
  if (!target.isLocal) return { config: null, state: null, cli };
  const paths = pathsOf(invocation);
  const { issues, exists, source } = configOf(invocation);
  const count = (severity: string): number => issues.filter((issue) => issue.severity === severity).length;
  return {
    config: { path: paths.config, exists, source, errors: count("error"), warnings: count("warning") },
    state: paths.state,
    cli,
  };
}

async function fromGateway(invocation: Invocation, { client, target }: GatewayLink): Promise<StatusReport> {
  const [answer, well, channels, agents, models, { plugins }, { links }] = await Promise.all([
    client.request<Status>("status"),
    client.request<Health>("health"),
    client.request<ChannelsStatus>("channels.status", invocation.has("deep") ? { probe: true } : {}),
    client.request<{ defaultId: string; agents: { id: string }[] }>("agents.list"),
    readModelStatus(client),
    readPlugins(client),
    readLinks(client),
  ]);
  const degraded = (well.parts ?? []).filter((part) => part.state !== "ready" && !part.name.startsWith("channel:"));
  return {
    gateway: {
      running: true,
      usable: well.ok,
      url: target.url,
      urlFrom: target.urlFrom,
      version: client.hello.server.version,
      uptimeMs: client.hello.snapshot.uptimeMs,
    },
    ...readLocalStatus(invocation, target),
    model: answer.sessions?.defaults?.model ?? null,
    agents: agents.agents.map((agent) => agent.id),
    defaultAgent: agents.defaultId,
    sessions: answer.sessions?.count ?? null,
    recent: answer.sessions?.recent ?? [],
    slotWaits: answer.slotWaits ?? null,
    pendingApprovals: answer.pendingApprovals ?? null,
    shadow: answer.shadow ?? null,
    agentRuntime: answer.agentRuntime ?? null,
    telemetry: answer.telemetry ?? null,
    accounts: accountRows(channels),
    channels: accountRows(channels).map((row) => ({ name: row.name, state: accountText(row, invocation.host.now()) })),
    links,
    problems: [
      ...models.checks.flatMap(({ model, problem }) =>
        problem ? [`${model} cannot answer: ${problem}; openclaw models status shows the fix`] : [],
      ),
      ...degraded.map((part) => `${part.name}: ${part.cause ?? part.state}`),
      ...plugins.flatMap((row) => {
        const problem = pluginProblem(row);
        // An entry without code may be of a plugin that is part of OpenClaw; openclaw doctor names it.
        return problem === null || row.state === "missing" ? [] : [`the plugin ${row.id}: ${problem}`];
      }),
      ...(answer.degradedSecretOwners ?? []).map((path) => `the secret ${path} cannot be read`),
    ],
    ...(well.parts && { parts: well.parts }),
    ...(well.eventLoop && { eventLoop: well.eventLoop }),
  };
}

/** The plugins of the gateway; none of one that does not serve them. */
const readPlugins = (client: ProtocolClient): Promise<{ plugins: PluginRow[] }> =>
  client.serves("plugins.status") ? client.request("plugins.status") : Promise.resolve({ plugins: [] });

const readLinks = (client: ProtocolClient): Promise<Pick<LinksAnswer, "links">> =>
  client.serves("peers.list") ? client.request("peers.list") : Promise.resolve({ links: [] });

function fromFiles(invocation: Invocation, err: CliError): StatusReport {
  const target = resolveTarget(invocation);
  const { config } = configOf(invocation);
  const defaultAgent = defaultAgentId(config);
  return {
    gateway: {
      running: !isUnreachable(err),
      usable: false,
      url: target.url,
      urlFrom: target.urlFrom,
      problem: err.why ? `${err.message}: ${err.why}` : err.message,
      ...(err.fix && { fix: err.fix }),
      exit: err.exit,
    },
    ...readLocalStatus(invocation, target),
    // The local file describes only the local gateway.
    model: target.isLocal ? (resolveAgent(config, defaultAgent, pathsOf(invocation).state).models[0] ?? null) : null,
    agents: target.isLocal ? agentIds(config) : [],
    defaultAgent: target.isLocal ? defaultAgent : "",
    sessions: null,
    recent: [],
    slotWaits: null,
    pendingApprovals: null,
    shadow: null,
    agentRuntime: null,
    telemetry: null,
    channels: [],
    accounts: [],
    links: [],
    problems: [],
  };
}

function show(facts: StatusReport, invocation: Invocation): void {
  const { out, host } = invocation;
  const { gateway, config } = facts;
  const mark = gateway.usable ? out.paint("green", "●") : out.paint("red", "●");
  out.line(
    `${mark} ${gateway.usable ? `Gateway running at ${gateway.url}` : gateway.running ? `The gateway at ${gateway.url} is not usable` : `No gateway is running at ${gateway.url}`}`,
  );
  const rows: [string, string][] = [];
  if (gateway.version) rows.push(["version", `${gateway.version}, up ${formatDuration(gateway.uptimeMs ?? 0)}`]);
  if (gateway.usable || config !== null)
    rows.push(
      ["model", facts.model ?? "none configured"],
      ["agents", facts.agents.map((id) => (id === facts.defaultAgent ? `${id} (default)` : id)).join(", ")],
    );
  if (facts.sessions !== null)
    rows.push([
      "sessions",
      facts.sessions === 0 ? "none yet" : `${facts.sessions}, last ${formatAge(facts.recent[0]?.updatedAt, host.now())}`,
    ]);
  if (facts.slotWaits && facts.slotWaits.sessions > 0) rows.push(["waiting", waitingLine(facts.slotWaits)]);
  if (facts.pendingApprovals) rows.push(["approvals", `${plural(facts.pendingApprovals, "command")} for your answer: openclaw approvals`]);
  if (gateway.usable)
    rows.push(["channels", facts.channels.length === 0 ? "none: only the page and the command line" : `${facts.channels.length}`]);
  if (facts.shadow?.on) rows.push(["shadow mode", `nothing is sent; ${plural(facts.shadow.held, "message")} held (gateway.shadow)`]);
  if (config) rows.push(["config", configText(config)]);
  if (rows.length > 0) out.pairs(rows);
  if (!invocation.has("all"))
    for (const channel of facts.channels) out.paragraph(sanitizeLine(`  ${channel.name}: ${channel.state}`), "    ");
  for (const problem of facts.problems) out.paragraph(`${out.paint("yellow", "!")} ${sanitizeLine(problem)}`, "  ");
  if (invocation.has("all")) showAll(facts, invocation);
  if (gateway.problem) out.paragraph(`${out.paint("red", "✗")} ${sanitizeLine(gateway.problem)}`, "  ");
  const next =
    gateway.fix ??
    (config && config.errors > 0
      ? "openclaw config validate"
      : facts.problems.length > 0
        ? "openclaw doctor"
        : facts.sessions === 0
          ? "openclaw chat, or openclaw dashboard"
          : undefined);
  if (next) out.note(next.startsWith("start ") ? `S${next.slice(1)}` : `Next: ${next}`);
}

/** Sessions that wait because all turn slots are taken. */
function waitingLine({ sessions, longestMs }: { sessions: number; longestMs: number }): string {
  return `${plural(sessions, "session")} for a free slot (agents.defaults.maxConcurrent), the longest for ${formatDuration(longestMs)}`;
}

function configText({ path, exists, errors, warnings }: NonNullable<StatusReport["config"]>): string {
  const issues = [errors && plural(errors, "error"), warnings && plural(warnings, "warning")].filter(Boolean).join(", ");
  return `${path}${exists ? "" : " (does not exist: defaults)"}${issues ? `, ${issues}` : ""}`;
}

/** The recent load of the gateway's event loop. */
function formatEventLoop(loop: unknown): string {
  const { delayP99Ms = 0, utilization = 0 } = loop as { delayP99Ms?: number; utilization?: number };
  return `${(utilization * 100).toFixed(1)} % busy, delay p99 ${Math.round(delayP99Ms)} ms`;
}

/** `1 of 2 busy; pid 4711: 12 sessions, 3 running, 96 MiB; 2 restarts`. */
function formatRuntime({ state, canRun, processes, busy, restarts, hosts = [], agents = [], cause }: RuntimeStatus): string {
  const shown = hosts.map(({ pid, sessions, running, residentBytes }) => {
    const memory = residentBytes === undefined ? "" : `, ${Math.round(residentBytes / 1_048_576)} MiB`;
    return `pid ${pid}: ${plural(sessions, "session")}, ${running} running${memory}`;
  });
  const count = processes === 0 ? (canRun ? "none; the next message starts one" : "none") : `${busy} of ${processes} busy`;
  return [
    count,
    ...shown,
    ...agents.map(({ name, pid, state, sessionKey }) =>
      sanitizeLine(`${name} ${pid === null ? "" : `pid ${pid} `}${state} for ${sessionKey}`),
    ),
    ...(restarts > 0 ? [plural(restarts, "restart")] : []),
    ...(cause && (processes > 0 || state === "degraded") ? [cause] : []),
  ].join("; ");
}

function showAll(facts: StatusReport, { out, host }: Invocation): void {
  out.line();
  if (facts.accounts.length > 0) accountTable(out, facts.accounts, host.now());
  for (const part of facts.parts ?? []) out.line(formatPart(part, host.now()));
  out.pairs([
    ...(facts.agentRuntime ? [["agent processes", formatRuntime(facts.agentRuntime)] as [string, string]] : []),
    ...(facts.telemetry ? [["telemetry", sanitizeLine(formatTelemetry(facts.telemetry, host.now()))] as [string, string]] : []),
    ...facts.links.map((link): [string, string] => ["link", formatLink(link)]),
    ["found by", facts.gateway.urlFrom],
    ...(facts.state === null ? [] : [["state", `${facts.state}${existsSync(facts.state) ? "" : " (does not exist yet)"}`] as const]),
    ...(facts.config === null ? [] : [["config from", facts.config.source] as const]),
    ["command line", `${facts.cli.version}, Node ${facts.cli.node}, ${facts.cli.platform}`],
    ...(facts.eventLoop ? [["event loop", formatEventLoop(facts.eventLoop)] as [string, string]] : []),
  ]);
  if (facts.recent.length === 0) return;
  out.line();
  out.table(
    [
      { title: "session", truncate: true },
      { title: "model", truncate: true },
      { title: "context", align: "right" },
      { title: "last", align: "right" },
    ],
    facts.recent.map((row) => [
      row.key,
      row.model ?? "-",
      row.percentUsed === undefined ? "-" : `${row.percentUsed} %`,
      formatAge(row.updatedAt, host.now()),
    ]),
  );
}
