/** The page about everything: figures of the gateway, and what needs a person. */
import { computed, signal } from "@preact/signals";
import type { DoctorProblem, DoctorReport } from "../../src/core/doctor-report.ts";
import type { Overview, OverviewActivity, OverviewEdge, OverviewTool } from "../../src/core/overview.ts";
import { waiting } from "./approvals.ts";
import * as channels from "./channel-setup.ts";
import { isConnectionLost } from "./client.ts";
import * as doctor from "./doctor-report.ts";
import { channelName } from "./session-list.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";
import type { Question } from "./approval-model.ts";
import type { ChannelAccountRow, DeadLetter, PairingRequestRow } from "./channel-setup.ts";

/** Null while nothing was read. */
export const overview = signal<Overview | null>(null);
/** What was spent, by day, the newest last; null where the gateway does not count it. */
export const costs = signal<readonly { date: string; totalCost: number }[] | null>(null);
/** Why the last reading failed; null when it did not. */
export const failed = signal<string | null>(null);
/** The path of the map that was chosen: only its messages and figures are shown. */
export const chosenPath = signal<string | null>(null);

/** Between two readings there is at least this time, however much happens: 20 open pages must cost the gateway next to nothing. */
const REFRESH_MS = 5_000;
const COST_REFRESH_MS = 60_000;
const COST_DAYS = 14;

let readAt = -Infinity;
let costsReadAt = -Infinity;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Reads the figures. Never throws: `failed` says why there is nothing newer. */
export async function loadOverview(): Promise<void> {
  clearTimeout(timer);
  timer = undefined;
  if (!store.isOnline.value || document.hidden) return;
  readAt = performance.now();
  try {
    overview.value = await requireClient().request<Overview>("gateway.overview", {});
    await loadCosts();
    failed.value = null;
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

async function loadCosts(): Promise<void> {
  if (!store.isServed("usage.cost") || performance.now() - costsReadAt < COST_REFRESH_MS) return;
  costsReadAt = performance.now();
  costs.value = (await requireClient().request<{ daily: { date: string; totalCost: number }[] }>("usage.cost", { days: COST_DAYS })).daily;
}

/** Something happened on the gateway: reads again, at once or when it is time. */
export function scheduleOverview(): void {
  timer ??= setTimeout(() => void loadOverview(), Math.max(0, readAt + REFRESH_MS - performance.now()));
}

export function stopOverview(): void {
  clearTimeout(timer);
  timer = undefined;
}

/** What needs a person, the most urgent first. */
export type Attention =
  | { kind: "approval"; id: string; question: Question }
  | { kind: "pairing"; id: string; request: PairingRequestRow }
  | { kind: "problem"; id: string; title: string; cause: string; since: number }
  | { kind: "channel"; id: string; account: ChannelAccountRow }
  | { kind: "config"; id: string; text: string }
  | { kind: "finding"; id: string; finding: DoctorProblem }
  | { kind: "dead-letter"; id: string; letter: DeadLetter };

type Sources = {
  questions: readonly Question[];
  pairings: readonly PairingRequestRow[];
  accounts: readonly ChannelAccountRow[];
  deadLetters: readonly DeadLetter[];
  overview: Pick<Overview, "problems" | "configErrors"> | null;
  doctor: Pick<DoctorReport, "findings"> | null;
};

/** What the checks find that other rows here say: a part of the gateway, a channel, the configuration, what was not delivered. */
const SAID_ELSEWHERE: ReadonlySet<string> = new Set(["part", "health", "channel", "config", "dead-letters", "approvals"]);

/** Pure. */
export function toAttention({ questions, pairings, accounts, deadLetters, overview, doctor }: Sources): readonly Attention[] {
  const broken = accounts.filter(
    (account) => account.enabled !== false && (channels.stateTone(account) === "bad" || account.fix !== undefined),
  );
  return [
    ...questions.map((question) => ({ kind: "approval" as const, id: question.id, question })),
    ...pairings.map((request) => ({ kind: "pairing" as const, id: request.requestId, request })),
    ...(overview?.problems ?? []).map(({ part, cause, since }) => ({
      kind: "problem" as const,
      id: part,
      title: partTitle(part),
      cause,
      since,
    })),
    ...broken.map((account) => ({ kind: "channel" as const, id: `${account.channel}/${account.accountId}`, account })),
    ...(overview?.configErrors ?? []).map((text) => ({ kind: "config" as const, id: text, text })),
    ...(doctor?.findings ?? [])
      .filter(({ check, severity }) => severity === "problem" && !SAID_ELSEWHERE.has(check.split(":")[0]!))
      .map((finding) => ({ kind: "finding" as const, id: `${finding.check} ${finding.title}`, finding })),
    ...deadLetters.map((letter) => ({ kind: "dead-letter" as const, id: letter.id, letter })),
  ];
}

const PARTS: Readonly<Record<string, string>> = { store: "Storage", server: "Network", turns: "Agents", config: "Configuration" };

/** What people call a part of the gateway: "Storage", "Telegram", "IRC (libera)". Pure. */
export function partTitle(part: string): string {
  const [, channel, account] = /^channel:([^/]+)\/?(.*)$/.exec(part) ?? [];
  if (channel !== undefined) return account === "" || account === "default" ? channelName(channel) : `${channelName(channel)} (${account})`;
  return PARTS[part] ?? part;
}

export const attention = computed(() =>
  toAttention({
    questions: waiting.value,
    pairings: channels.pairings.value,
    accounts: channels.accounts.value,
    deadLetters: channels.deadLetters.value,
    overview: overview.value,
    doctor: doctor.report.value,
  }),
);

export type Standing = { tone: "good" | "warn" | "bad"; text: string };

/** The state of everything in one sentence. Pure. */
export function toStanding(needed: readonly Attention[], accounts: readonly ChannelAccountRow[], { queue, problems }: Overview): Standing {
  const vital = problems.find((problem) => problem.vital);
  if (vital !== undefined) return { tone: "bad", text: `${partTitle(vital.part)}: ${vital.cause}.` };
  const work = queue.running === 0 ? "nothing is running" : `${queue.running} ${queue.running === 1 ? "turn is" : "turns are"} running`;
  const waits = queue.waiting === 0 ? "" : `, ${queue.waiting} ${queue.waiting === 1 ? "message is" : "messages are"} waiting`;
  if (needed.length > 0) {
    const what = needed.length === 1 ? "1 thing needs your attention" : `${needed.length} things need your attention`;
    return { tone: "warn", text: `${what}; ${work}${waits}.` };
  }
  const on = accounts.filter((account) => account.enabled !== false && account.state === "ready").length;
  const connected = on === 0 ? "" : on === 1 ? ", 1 channel is connected" : `, ${on} channels are connected`;
  return { tone: "good", text: `Everything works${connected}; ${work}${waits}.` };
}

/** Channels of the inbox that are no chat platforms. */
const SOURCES: Readonly<Record<string, string>> = {
  webchat: "Page and clients",
  rpc: "Page and clients",
  http: "HTTP API",
  cron: "Schedule",
};
export const sourceName = ({ channel, account }: Pick<OverviewEdge, "channel" | "account">): string => {
  const own = SOURCES[channel];
  if (own !== undefined) return own;
  return account === "" || account === "default" ? channelName(channel) : `${channelName(channel)} (${account})`;
};

/** Rules by which a channel's message finds its agent. */
const RULES: Readonly<Record<string, string>> = {
  peer: "its chat",
  "parent-peer": "the chat of its thread",
  "peer-wildcard": "its kind of chat",
  "guild-roles": "server and role",
  guild: "its server",
  team: "its team",
  account: "its account",
  channel: "its channel",
};

/** A route in words: which rule of the configuration chose the agent. Pure. */
export function routeName({ rule, binding }: Pick<OverviewEdge, "rule" | "binding">): string {
  if (rule === undefined) return "Agent of the conversation";
  if (binding === undefined) return "Default agent";
  return `Route ${binding + 1}: ${RULES[rule] ?? rule}`;
}

const pathOf = (row: Pick<OverviewEdge, "channel" | "account" | "rule" | "binding" | "agentId">): string =>
  [sourceName(row), routeName(row), row.agentId].join("\n");

/** The messages of the chosen path, or all. Pure. */
export function activityOf(recent: readonly OverviewActivity[], chosen: string | null): readonly OverviewActivity[] {
  return chosen === null ? recent : recent.filter((row) => pathOf(row) === chosen);
}

/** A node of the map, and how far down it is, in steps. */
export type FlowNode = { id: string; name: string; y: number };
/** A line of the map, 1 to 6 wide, and the paths that go over it. */
export type FlowLine = { from: FlowNode; to: FlowNode; width: number; failed: boolean; paths: readonly string[] };
/** The way of messages from a channel over a route to an agent. */
export type FlowPath = {
  id: string;
  source: string;
  route: string;
  agent: string;
  messages: number;
  failed: number;
  p50Ms: number | null;
  p95Ms: number | null;
  /** What the agent called, the most often first. */
  tools: readonly OverviewTool[];
};
/** Four columns of nodes, and the lines between each and the next. */
export type Flow = {
  columns: readonly (readonly FlowNode[])[];
  lines: readonly (readonly FlowLine[])[];
  paths: readonly FlowPath[];
  rows: number;
};

/** Tools of the map; the others are one node. */
const SHOWN_TOOLS = 6;
const OTHER_TOOLS = "other tools";

/** The map from channels over routes and agents to tools. Ways with the same names are one. Pure. */
export function toFlow({ edges, agents, tools }: Pick<Overview, "edges" | "agents" | "tools">): Flow {
  const merged = new Map<string, FlowPath & { agentId: string }>();
  for (const { messages, failed, p50Ms, p95Ms, ...way } of edges) {
    const id = pathOf(way);
    const known = merged.get(id);
    merged.set(id, {
      id,
      source: sourceName(way),
      route: routeName(way),
      agent: agents.find((agent) => agent.id === way.agentId)?.name ?? way.agentId,
      agentId: way.agentId,
      messages: messages + (known?.messages ?? 0),
      failed: failed + (known?.failed ?? 0),
      p50Ms: known === undefined ? p50Ms : maxOf(known.p50Ms, p50Ms),
      p95Ms: known === undefined ? p95Ms : maxOf(known.p95Ms, p95Ms),
      tools: tools.filter((tool) => tool.agentId === way.agentId),
    });
  }
  const paths = [...merged.values()];
  const ids = paths.map(({ id }) => id);
  const shown = new Set([...new Set(tools.map(({ tool }) => tool))].slice(0, SHOWN_TOOLS));
  const steps: readonly (readonly Step[])[] = [
    paths.map((path) => ({ from: path.source, to: path.route, count: path.messages, failed: path.failed > 0, paths: [path.id] })),
    paths.map((path) => ({ from: path.route, to: path.agent, count: path.messages, failed: path.failed > 0, paths: [path.id] })),
    tools
      .map(({ agentId, tool, calls }) => ({
        from: agents.find((agent) => agent.id === agentId)?.name ?? agentId,
        to: shown.has(tool) ? tool : OTHER_TOOLS,
        count: calls,
        failed: false,
        paths: ids.filter((id) => merged.get(id)!.agentId === agentId),
      }))
      .filter((step) => step.paths.length > 0),
  ];
  const columns = [place(steps[0]!, "from"), place(steps[0]!, "to"), place(steps[1]!, "to"), place(steps[2]!, "to")];
  return {
    columns: columns.filter((column) => column.length > 0),
    lines: steps.map((step, index) => toLines(step, columns[index]!, columns[index + 1]!)).filter((lines) => lines.length > 0),
    paths,
    rows: Math.max(...columns.map((column) => column.length)),
  };
}

type Step = { from: string; to: string; count: number; failed: boolean; paths: readonly string[] };

/** Steps between the same nodes are one line. */
function toLines(steps: readonly Step[], sources: readonly FlowNode[], targets: readonly FlowNode[]): FlowLine[] {
  const sums = new Map<string, Step>();
  for (const step of steps) {
    const known = sums.get(`${step.from}\n${step.to}`);
    sums.set(`${step.from}\n${step.to}`, {
      ...step,
      count: step.count + (known?.count ?? 0),
      failed: step.failed || known?.failed === true,
      paths: [...(known?.paths ?? []), ...step.paths],
    });
  }
  const most = Math.max(1, ...[...sums.values()].map(({ count }) => count));
  return [...sums.values()].map(({ from, to, count, failed, paths }) => ({
    from: sources.find((node) => node.id === from)!,
    to: targets.find((node) => node.id === to)!,
    width: 1 + 5 * (Math.log1p(count) / Math.log1p(most)),
    failed,
    paths,
  }));
}

const place = (steps: readonly Step[], side: "from" | "to"): FlowNode[] =>
  [...new Set(steps.map((step) => step[side]))].map((name, y) => ({ id: name, name, y }));
const maxOf = (a: number | null, b: number | null): number | null => (a === null || b === null ? (a ?? b) : Math.max(a, b));
