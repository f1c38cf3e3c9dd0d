import { defaultAgentId } from "../config/agents.ts";
import { reasonOf } from "../core/errors.ts";
import type { AccountId, ChannelId, SessionKey } from "../core/ids.ts";
import { toRoomPlace, resolveAccountPolicy, findRoomRule, type AccountPolicy, type RoomTools } from "./account-policy.ts";
import { decideAccess, type AccessDecision, type AccessContext } from "./access.ts";
import { resolveSenderPermissions, type SenderPermissions } from "./sender-permissions.ts";
import { resolveRoute, type AgentRoute, type BindingInput } from "./bindings.ts";
import { mentionPatterns } from "./mention.ts";
import { queueSettings, type QueueSettings } from "./queue-mode.ts";
import { sessionKeyFor } from "./session-key.ts";
import { ownProperty, type RoutedMessage, type RoutingConfig } from "./types.ts";

export type RoutingInput = {
  channel: ChannelId;
  account: AccountId;
  message: RoutedMessage;
  isPaired: (sender: RoutedMessage["sender"]["id"]) => boolean;
  accessContext: Omit<AccessContext, "patterns" | "channel">;
};

/** What happens to one message, and why. */
export type RoutingDecision = {
  channel: ChannelId;
  account: AccountId;
  chat: RoutedMessage["chat"];
  sender: string;
  policy: Pick<AccountPolicy, "configured" | "dmPolicy" | "groupPolicy" | "requireMention">;
  access: AccessDecision;
  /** Null when no agent can be chosen; `problem` says why. */
  route: AgentRoute | null;
  problem: string | null;
  sessionKey: SessionKey | null;
  queue: QueueSettings;
  /** The agent's tool settings as configured; null means the defaults. */
  tools: unknown;
  /** What the room takes away from them; null for nothing. */
  roomTools: RoomTools | null;
  permissions: SenderPermissions;
  patternProblems: readonly { source: string; problem: string }[];
};

/**
 * Decides about one message exactly as the gateway does: which agent, whether it answers, in which session. Pure. A route that cannot
 * be chosen is part of the answer, not an exception.
 */
export function decide(question: RoutingInput, config: RoutingConfig): RoutingDecision {
  const { channel, account, message } = question;
  const policy = resolveAccountPolicy(config, channel, account);
  const input: BindingInput = { channel, account, message, canonicalId: question.accessContext.canonicalId };
  const { chosen, problem } = tryRoute(input, config);
  const { patterns, problems } = mentionPatterns(config, chosen?.agentId ?? "");
  const authority = resolveSenderPermissions(message, { channel, canonicalId: question.accessContext.canonicalId }, config);
  const isCommand = authority.mayUseCommands ? question.accessContext.isCommand : undefined;
  const admission = decideAccess(
    message,
    policy,
    question.isPaired,
    { ...question.accessContext, isCommand, channel, patterns },
    config.accessGroups,
  );
  const sessionKey = chosen
    ? sessionKeyFor({ agentId: chosen.agentId, channel, account, message, session: config.session, override: chosen.binding?.session })
    : null;
  const { configured, dmPolicy, groupPolicy, requireMention } = policy;
  return {
    channel,
    account,
    chat: message.chat,
    sender: message.sender.id,
    policy: { configured, dmPolicy, groupPolicy, requireMention },
    access: admission,
    route: chosen,
    problem,
    sessionKey,
    queue: queueSettings(config.messages?.queue, channel),
    tools: chosen ? (ownProperty(config.agents?.entries, chosen.agentId)?.tools ?? null) : null,
    roomTools: roomToolsOf(question, policy),
    permissions: authority,
    patternProblems: problems,
  };
}

function roomToolsOf({ message, accessContext: bot }: RoutingInput, policy: AccountPolicy): RoomTools | null {
  if (message.chat.kind === "direct") return null;
  return findRoomRule(policy, toRoomPlace(message), bot.canonicalId ?? ((id) => id.trim())).rule.tools ?? null;
}

function tryRoute(input: BindingInput, config: RoutingConfig): { chosen: AgentRoute | null; problem: string | null } {
  try {
    return { chosen: resolveRoute(input, config), problem: null };
  } catch (err) {
    return { chosen: null, problem: reasonOf(err) };
  }
}

/** An explanation as lines for a terminal. Text from outside is quoted, so that it cannot pretend to be a line of its own. */
export function formatDecision(answer: RoutingDecision, config: RoutingConfig): readonly string[] {
  const room = answer.chat.kind !== "direct";
  const lines = [
    `message    ${answer.channel}/${answer.account}, ${answer.chat.kind} ${JSON.stringify(answer.chat.id)}, from ${JSON.stringify(answer.sender)}`,
    room
      ? `policy     groupPolicy ${answer.policy.groupPolicy}, requireMention ${answer.policy.requireMention}`
      : `policy     dmPolicy ${answer.policy.dmPolicy}`,
  ];
  if (!answer.policy.configured) lines.push(`           channels.${answer.channel} is not configured`);
  lines.push(`admission  ${answer.access.action} (${answer.access.reason}): ${answer.access.detail}`);
  for (const line of answer.route?.trace ?? []) {
    lines.push(`binding    [${line.index}] ${line.agentId}: ${line.verdict}${line.rule ? ` as ${line.rule}` : ""}; ${line.why}`);
  }
  if (answer.route) lines.push(`agent      ${answer.route.agentId} (rule: ${answer.route.rule}${defaultNote(answer.route, config)})`);
  else lines.push(`agent      none: ${answer.problem}`);
  lines.push(`session    ${answer.sessionKey ?? "none"}`);
  const { mode, source, debounceMs } = answer.queue;
  lines.push(`queue      ${mode} (from ${source})${mode === "collect" ? `, taken together after ${debounceMs} ms of quiet` : ""}`);
  const { isOwner: owner, mayUseCommands: commands, commandScope: changes } = answer.permissions;
  const taken = changes === "all" || !room ? "taken" : "taken if they change nothing for others (ownerAllowFrom, commands.allowFrom)";
  lines.push(`sender     ${owner ? "an owner" : "not an owner"}; commands are ${commands ? taken : "plain text (commands.allowFrom)"}`);
  lines.push(
    `tools      ${answer.tools === null ? "none for senders of a channel (the agent's `tools` may open some)" : JSON.stringify(answer.tools)}`,
  );
  if (answer.roomTools !== null) lines.push(`           at most, by ${answer.roomTools.key}: ${JSON.stringify(answer.roomTools.policy)}`);
  for (const { source, problem } of answer.patternProblems)
    lines.push(`warning    mention pattern ${JSON.stringify(source)} is not used: ${problem}`);
  return lines.map((line) => line.replaceAll(/\p{Cc}/gu, " "));
}

function defaultNote(chosen: AgentRoute, config: RoutingConfig): string {
  return chosen.rule === "default" && defaultAgentId(config) === chosen.agentId ? ", no binding matches" : "";
}
