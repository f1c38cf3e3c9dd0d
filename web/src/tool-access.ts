/** Which tools an agent has for whom, as `tools.explain` and `tools.catalog` say it. */
import { computed, signal } from "@preact/signals";
import { accounts } from "./channel-setup.ts";
import { isConnectionLost } from "./client.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";

export type AgentRow = { id: string; name?: string };
type AgentsAnswer = { defaultId: string; agents: readonly AgentRow[] };

type ToolDecision = { tool: string; isGranted: boolean; rule: string };
/** What holds for the commands that the agent runs. */
export type CommandAccess = {
  mode: string;
  rule: string;
  host: string;
  hostRule: string;
  alwaysAsk: boolean;
  readOnly: boolean;
};
export type Explanation = {
  agentId: string;
  surface: "operator" | "channel";
  access?: { action: string; detail: string };
  routedTo?: string;
  tools: readonly ToolDecision[];
  commands?: CommandAccess;
};
type Catalog = { groups: readonly { id: string; label: string; tools: readonly { id: string; description?: string }[] }[] };

/** For whose messages. `account` is `channel/account`; `from: "anyone"` leaves the sender open. */
export type Subject = { kind: "operator" } | { kind: "channel"; account: string; from: "anyone" | "sender" | "room"; peer: string };
export const OPERATOR: Subject = { kind: "operator" };

export const agents = signal<readonly AgentRow[]>([]);
/** The chosen agent; null until the list was read. */
export const agentId = signal<string | null>(null);
export const subject = signal<Subject>(OPERATOR);
const answer = signal<{ explanation: Explanation; catalog: Catalog } | null>(null);
/** Why the last reading failed; null when it did not. */
export const failed = signal<string | null>(null);

export const explanation = computed(() => answer.value?.explanation ?? null);
export const groups = computed(() => (answer.value === null ? null : toGroups(answer.value.explanation, answer.value.catalog)));

/** Accounts of channels whose messages can be described: `irc/default` as "IRC", `slack/work` as "Slack · work". */
export const channelChoices = computed(() =>
  accounts.value.map(({ channel, accountId, label }) => ({
    value: `${channel}/${accountId}`,
    text: accountId === "default" ? label : `${label} · ${accountId}`,
  })),
);

export type ToolRow = ToolDecision & { description: string };

/** The tools with what decides about each, in the groups of the catalog; those that no group has come last. Pure. */
export function toGroups({ tools }: Explanation, catalog: Catalog): readonly { label: string; rows: readonly ToolRow[] }[] {
  const listed = new Set(catalog.groups.flatMap((group) => group.tools.map(({ id }) => id)));
  const inGroups = catalog.groups.map(({ label, tools: own }) => ({
    label,
    rows: own.flatMap(({ id, description = "" }) =>
      tools.filter(({ tool }) => tool === id).map((decision) => ({ ...decision, description })),
    ),
  }));
  const others = tools.filter(({ tool }) => !listed.has(tool)).map((decision) => ({ ...decision, description: "" }));
  return [...inGroups, { label: "Others", rows: others }].filter(({ rows }) => rows.length > 0);
}

/** The message that is described, as `tools.explain` takes it. Pure. */
export function toParams(agent: string, about: Subject): Record<string, unknown> {
  if (about.kind === "operator") return { agentId: agent };
  const [channel = "", account = ""] = about.account.split(/\/(.*)/s);
  const peer = about.from === "anyone" ? "" : about.peer.trim();
  return {
    agentId: agent,
    channel,
    account,
    ...(peer === "" ? {} : { peer, ...(about.from === "room" ? { group: true } : {}) }),
  };
}

const MODE_TEXT: Readonly<Record<string, string>> = {
  deny: "No command runs.",
  allowlist: "A command runs if it only reads or is always allowed. All others are refused.",
  ask: "A command runs if it only reads or is always allowed. The gateway asks you about all others.",
  auto: "In the sandbox, every command runs. Outside of it, a command runs if it only reads or is always allowed, and the gateway asks about all others.",
  full: "Every command runs without a question.",
};
/** Pure. */
export const modeText = ({ mode, alwaysAsk }: Pick<CommandAccess, "mode" | "alwaysAsk">): string =>
  `${MODE_TEXT[mode] ?? mode}${alwaysAsk ? " It asks about always allowed commands too." : ""}`;

const HOST_TEXT: Readonly<Record<string, string>> = {
  auto: "The agent chooses: in the sandbox, or as the user of the gateway.",
  sandbox: "In the sandbox.",
  gateway: "Outside of the sandbox, as the user of the gateway.",
};
/** Pure. */
export const hostRuleText = ({ host, readOnly }: Pick<CommandAccess, "host" | "readOnly">): string =>
  `${HOST_TEXT[host] ?? host}${readOnly ? " Nothing in the workspace can be changed." : ""}`;

let latest = 0;

/** Reads what decides about the tools of the chosen agent and message. Never throws: `failed` says why there is nothing newer. */
export async function loadTools(): Promise<void> {
  if (!store.isOnline.value) return;
  latest += 1;
  const mine = latest;
  try {
    if (agentId.value === null) await loadAgents();
    const agent = agentId.value ?? "main";
    const [found, catalog] = await Promise.all([
      requireClient().request<Explanation>("tools.explain", toParams(agent, subject.value)),
      requireClient().request<Catalog>("tools.catalog", { agentId: agent }),
    ]);
    if (mine !== latest) return;
    answer.value = { explanation: found, catalog };
    failed.value = null;
  } catch (error) {
    if (mine === latest && !isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

/** Reads the agents that can be chosen, and chooses the one of the conversation. */
export async function loadAgents(): Promise<void> {
  const list = await requireClient().request<AgentsAnswer>("agents.list", {});
  agents.value = list.agents;
  agentId.value ??= store.activeRow.value?.agentId ?? list.defaultId;
}

export function chooseAgent(id: string): void {
  agentId.value = id;
  void loadTools();
}

export function chooseSubject(about: Subject): void {
  subject.value = about;
  void loadTools();
}

/** Keeps what is typed; the form is read when it is submitted. */
export function typePeer(peer: string): void {
  if (subject.value.kind === "channel") subject.value = { ...subject.value, peer };
}
