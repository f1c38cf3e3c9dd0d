import { detailError } from "../core/errors.ts";
import type { AccountId, AgentId, ChannelId } from "../core/ids.ts";
import { toAgentAddress } from "../core/agent-id.ts";
import { agentIds, defaultAgentId, isLinkedAgent } from "../config/agents.ts";
import { ownProperty, type RoutingBinding, type RoutedMessage, type RoutingConfig } from "./types.ts";

export type BindingInput = {
  channel: ChannelId;
  account: AccountId;
  message: RoutedMessage;
  canonicalId?: ((id: string) => string) | undefined;
};

/** The rule that chose the agent, from the most to the least specific. */
export const BINDING_RULES = [
  "peer",
  "parent-peer",
  "peer-wildcard",
  "guild-roles",
  "guild",
  "team",
  "account",
  "channel",
  "default",
] as const;
export type BindingRule = (typeof BINDING_RULES)[number];

/** One binding, in the order of the file, with why it won or lost. */
export type BindingTrace = { index: number; agentId: string; verdict: "won" | "lost" | "no-match"; rule: BindingRule | null; why: string };

export type AgentRoute = {
  agentId: AgentId;
  rule: BindingRule;
  /** Null when no binding matched and the default agent answers. */
  binding: RoutingBinding | null;
  trace: readonly BindingTrace[];
};

/**
 * Chooses the agent for a message that was admitted. The most specific rule wins; between equals the first in the file. Throws
 * GatewayError when the winner names an agent that does not exist: handing the message to another agent would be worse than reporting it.
 */
export function resolveRoute(input: BindingInput, config: RoutingConfig): AgentRoute {
  const bindings = config.bindings ?? [];
  const verdicts = bindings.map((binding) => matchBinding(binding, input, config));
  const winner = mostSpecificIndex(verdicts);
  const trace = bindings.map((binding, index) => traceLine(binding, index, verdicts, winner));
  if (winner < 0) return { agentId: defaultAgentId(config), rule: "default", binding: null, trace };
  const binding = bindings[winner]!;
  return { agentId: knownAgent(binding, winner, config), rule: verdicts[winner]!.rule!, binding, trace };
}

type BindingMatch = { rule: BindingRule | null; why: string };

function mostSpecificIndex(verdicts: readonly BindingMatch[]): number {
  let best = -1;
  for (const [index, { rule }] of verdicts.entries()) {
    if (rule === null) continue;
    if (best < 0 || BINDING_RULES.indexOf(rule) < BINDING_RULES.indexOf(verdicts[best]!.rule!)) best = index;
  }
  return best;
}

function traceLine(binding: RoutingBinding, index: number, verdicts: readonly BindingMatch[], winner: number): BindingTrace {
  const { rule, why } = verdicts[index]!;
  const line = { index, agentId: String(binding.agentId), rule };
  if (rule === null) return { ...line, verdict: "no-match", why };
  if (index === winner) return { ...line, verdict: "won", why };
  const better = verdicts[winner]!.rule!;
  const reason = better === rule ? `binding ${winner} has the same rule and comes first` : `binding ${winner} is more specific (${better})`;
  return { ...line, verdict: "lost", why: `${why}, but ${reason}` };
}

/** A group of one platform is a channel of another: for bindings the two are one kind. */
function peerKindOf(kind: string): "direct" | "room" | null {
  if (kind === "direct" || kind === "dm") return "direct";
  return kind === "group" || kind === "channel" ? "room" : null;
}

const noMatch = (why: string): BindingMatch => ({ rule: null, why });

function matchBinding(binding: RoutingBinding, input: BindingInput, config: RoutingConfig): BindingMatch {
  const { match } = binding;
  if (binding.type !== undefined && binding.type !== "route") return noMatch(`a binding of type "${binding.type}" does not route messages`);
  if (typeof match?.channel !== "string" || match.channel.trim().toLowerCase() !== input.channel) return noMatch("another channel");
  const account = matchAccount(match.accountId, input, config);
  if (account === null) return noMatch(`another account (${match.accountId?.trim() || defaultAccount(config, input.channel)})`);
  const { message } = input;
  if (match.guildId !== undefined && match.guildId !== message.guildId) return noMatch("another guild");
  if (match.teamId !== undefined && match.teamId !== message.teamId) return noMatch("another team");
  const roles = match.roles && match.roles.length > 0 ? match.roles : null;
  if (roles && !roles.some((role) => message.sender.roles?.includes(role))) return noMatch("the sender has none of the roles");
  if (match.peer) return matchPeer(match.peer, input);
  if (match.guildId !== undefined)
    return roles ? { rule: "guild-roles", why: "guild and role match" } : { rule: "guild", why: "guild matches" };
  // Roles are ids of a guild; alone they say too little to be called a guild match.
  if (match.teamId !== undefined) return { rule: "team", why: "team matches" };
  return account === "any" ? { rule: "channel", why: "any account of the channel" } : { rule: "account", why: "account matches" };
}

function defaultAccount(config: RoutingConfig, channel: string): string {
  const block = ownProperty(config.channels, channel) as { defaultAccount?: unknown } | null | undefined;
  return typeof block?.defaultAccount === "string" && block.defaultAccount.trim() !== "" ? block.defaultAccount.trim() : "default";
}

/** No `accountId` means the channel's default account; only "*" means every account. */
function matchAccount(wanted: string | undefined, input: BindingInput, config: RoutingConfig): "exact" | "any" | null {
  const id = wanted?.trim() ?? "";
  if (id === "*") return "any";
  return (id || defaultAccount(config, input.channel)).toLowerCase() === input.account.toLowerCase() ? "exact" : null;
}

function matchPeer(peer: NonNullable<RoutingBinding["match"]["peer"]>, input: BindingInput): BindingMatch {
  const { message } = input;
  const canonical = input.canonicalId ?? ((id: string): string => id.trim());
  const kind = peerKindOf(
    String(peer.kind ?? "")
      .trim()
      .toLowerCase(),
  );
  const id = String(peer.id ?? "").trim();
  if (kind === null || id === "") return { rule: null, why: "its peer is not usable" };
  const here = peerKindOf(message.chat.kind);
  const chat = message.chat.formerly === undefined ? [message.chat.id] : [message.chat.id, message.chat.formerly];
  const ids = here === "direct" ? [message.sender.id, ...(message.sender.aliases ?? []), ...chat] : chat;
  if (kind === here && id !== "*" && ids.some((own) => canonical(own) === canonical(id))) return { rule: "peer", why: "peer matches" };
  const { parent } = message;
  const parentMatches = parent && id !== "*" && peerKindOf(parent.kind) === kind && canonical(parent.id) === canonical(id);
  if (parentMatches) return { rule: "parent-peer", why: "the thread's parent matches" };
  if (kind === here && id === "*") return { rule: "peer-wildcard", why: `any ${message.chat.kind} chat` };
  return { rule: null, why: kind === here ? "another peer" : "another kind of chat" };
}

function knownAgent(binding: RoutingBinding, index: number, config: RoutingConfig): AgentId {
  const id = toAgentAddress(String(binding.agentId));
  if (isLinkedAgent(config, id)) return id;
  const known = agentIds(config);
  if (Object.keys(config.agents?.entries ?? {}).length === 0 || known.includes(id) || id === "main") return id;
  throw detailError("AGENT_SELECTION_REQUIRED", `bindings[${index}] names the agent "${id}", which does not exist`, {
    details: { agents: known },
    fix: `Use one of ${known.join(", ")} as bindings[${index}].agentId.`,
  });
}
