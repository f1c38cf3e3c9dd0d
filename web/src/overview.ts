/** The page about everything: figures of the gateway, and what needs a person. */
import { computed, signal } from "@preact/signals";
import type { DoctorProblem, DoctorReport } from "../../src/core/doctor-report.ts";
import type { Overview, OverviewActivity, OverviewEdge } from "../../src/core/overview.ts";
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
/** The edge of the map that was chosen: only its messages are shown. */
export const chosenEdge = signal<string | null>(null);

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

/** The messages of the chosen edge, or all. Pure. */
export function activityOf(recent: readonly OverviewActivity[], chosen: string | null): readonly OverviewActivity[] {
  return chosen === null ? recent : recent.filter((row) => `${sourceName(row)}\n${row.agentId}` === chosen);
}

/** A node of the map, and how far down it is, in steps. */
export type FlowNode = { id: string; name: string; y: number };
export type FlowEdge = {
  id: string;
  from: FlowNode;
  to: FlowNode;
  messages: number;
  failed: number;
  p50Ms: number | null;
  p95Ms: number | null;
  /** 1 to 6. */
  width: number;
};
export type Flow = { sources: readonly FlowNode[]; targets: readonly FlowNode[]; edges: readonly FlowEdge[]; rows: number };

/** The map from channels to agents. Edges with the same name of their channel are one. Pure. */
export function toFlow(edges: readonly OverviewEdge[], agents: readonly { id: string; name: string }[]): Flow {
  const merged = new Map<string, OverviewEdge & { source: string }>();
  for (const edge of edges) {
    const source = sourceName(edge);
    const known = merged.get(`${source}\n${edge.agentId}`);
    merged.set(
      `${source}\n${edge.agentId}`,
      known === undefined
        ? { ...edge, source }
        : {
            ...known,
            messages: known.messages + edge.messages,
            failed: known.failed + edge.failed,
            p50Ms: maxOf(known.p50Ms, edge.p50Ms),
            p95Ms: maxOf(known.p95Ms, edge.p95Ms),
          },
    );
  }
  const rows = [...merged.values()];
  const sources = place([...new Set(rows.map((row) => row.source))], (name) => name);
  const targets = place([...new Set(rows.map((row) => row.agentId))], (id) => agents.find((agent) => agent.id === id)?.name ?? id);
  const most = Math.max(1, ...rows.map((row) => row.messages));
  return {
    sources,
    targets,
    rows: Math.max(sources.length, targets.length),
    edges: rows.map(({ source, agentId, messages, failed, p50Ms, p95Ms }) => ({
      id: `${source}\n${agentId}`,
      from: sources.find((node) => node.id === source)!,
      to: targets.find((node) => node.id === agentId)!,
      messages,
      failed,
      p50Ms,
      p95Ms,
      width: 1 + 5 * (Math.log1p(messages) / Math.log1p(most)),
    })),
  };
}

const place = (ids: readonly string[], nameOf: (id: string) => string): FlowNode[] => ids.map((id, y) => ({ id, name: nameOf(id), y }));
const maxOf = (a: number | null, b: number | null): number | null => (a === null || b === null ? (a ?? b) : Math.max(a, b));
