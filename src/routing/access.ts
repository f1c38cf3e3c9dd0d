import type { ChannelId, SenderId } from "../core/ids.ts";
import { toRoomPlace, findRoomRule, type AccountPolicy, type RoomRuleMatch } from "./account-policy.ts";
import { mentionPatternsApply } from "./mention.ts";
import type { SafePattern } from "../core/safe-pattern.ts";
import { ownProperty, type RoutedMessage, type RoutingConfig } from "./types.ts";

/**
 * What is done with a message. `record`: kept as pending history of the room, because the bot was not addressed. `reason` is a
 * stable word for logs and counters, `detail` the same for people.
 */
export type AccessDecision = { action: "answer" | "ignore" | "offer-pairing" | "record"; reason: AccessReason; detail: string };

export type AccessReason =
  | "self"
  | "bot"
  | "bot-loop"
  | "too-old"
  | "dm-disabled"
  | "dm-not-listed"
  | "dm-unknown-sender"
  | "dm-listed"
  | "dm-paired"
  | "dm-open"
  | "group-disabled"
  | "group-not-listed"
  | "group-switched-off"
  | "group-sender-not-listed"
  | "group-not-addressed"
  | "group-mention"
  | "group-pattern"
  | "group-reply"
  | "group-thread"
  | "group-command"
  | "group-always";

/** What the gateway knows about its own side. */
export type AccessContext = {
  channel: ChannelId;
  /** Patterns that call the routed agent; see mentionPatterns(). */
  patterns: readonly SafePattern[];
  /** The agent has answered in this thread before. */
  inThread?: boolean | undefined;
  /** What `/activation` stored for this session; it overrides `requireMention`. */
  activation?: "always" | "mention" | undefined;
  /** True for texts like "/status" that are addressed by what they are. */
  isCommand?: ((text: string) => boolean) | undefined;
  /** Brings an id or a list entry into the channel's canonical form. Default: as it is, without blanks around it. */
  canonicalId?: ((id: string) => string) | undefined;
  /** On this platform a listed room admits all its members unless it names senders (Discord, Slack, Matrix). */
  roomAdmitsMembers?: boolean | undefined;
  /** For messages read from history: older ones are recorded, not answered. */
  now: number;
  backfillMaxAgeMs?: number | undefined;
};

/** What is needed to compare a sender with a list. */
export type SenderMatchContext = Pick<AccessContext, "channel" | "canonicalId">;

/** Default age at which a message from history is too old to be answered. */
const BACKFILL_MAX_AGE_MS = 24 * 3_600_000;

/**
 * Decides about one message. Pure: nothing is stored or sent here. `paired` is asked only where `dmPolicy` is `pairing`; a
 * pairing never opens a group.
 */
export function decideAccess(
  message: RoutedMessage,
  policy: AccountPolicy,
  paired: (sender: SenderId) => boolean,
  bot: AccessContext,
  accessGroups: RoutingConfig["accessGroups"] = {},
): AccessDecision {
  if (message.sender.isSelf) return { action: "ignore", reason: "self", detail: "the bot's own message" };
  if (message.sender.isBot && !policy.allowBots) return { action: "ignore", reason: "bot", detail: "the sender is a bot" };
  if (message.sender.isBot && policy.allowBots === "mentions" && !message.mentionsSelf && !message.replyTo?.isSelf)
    return { action: "ignore", reason: "bot", detail: 'the sender is a bot and does not address this one (allowBots "mentions")' };
  const matcher = createSenderMatcher(message, policy, bot, accessGroups);
  const decision =
    message.chat.kind === "direct" ? decideDirect(message, policy, paired, matcher) : decideRoom(message, policy, bot, matcher);
  if (decision.action === "ignore" || message.origin === "live") return decision;
  const maxAgeMs = bot.backfillMaxAgeMs ?? BACKFILL_MAX_AGE_MS;
  if (bot.now - message.sentAt <= maxAgeMs) return decision;
  return { action: "record", reason: "too-old", detail: `read from history and older than ${Math.round(maxAgeMs / 3_600_000)} h` };
}

type SenderMatch = { listed: boolean; by: string };
type SenderMatcher = (entries: readonly string[]) => SenderMatch;

/** Compares list entries with the sender's typed ids: exact, "*", or `accessGroup:<name>`. There are no other patterns. */
export function createSenderMatcher(
  message: RoutedMessage,
  policy: Pick<AccountPolicy, "allowNames">,
  bot: SenderMatchContext,
  accessGroups: RoutingConfig["accessGroups"],
): SenderMatcher {
  const prefix = `${bot.channel}:`;
  const canonical = (id: string): string => {
    const trimmed = id.trim();
    const bare = trimmed.toLowerCase().startsWith(prefix) ? trimmed.slice(prefix.length) : trimmed;
    return bot.canonicalId ? bot.canonicalId(bare) : bare;
  };
  const ids = new Set([message.sender.id, ...(message.sender.aliases ?? [])].map((id) => canonical(id)));
  if (policy.allowNames && message.sender.name) ids.add(canonical(message.sender.name));
  ids.delete("");
  ids.delete("*");
  const plain = (entries: readonly string[]): string | undefined => entries.find((entry) => entry === "*" || ids.has(canonical(entry)));
  return (entries) => {
    for (const entry of entries) {
      if (!entry.startsWith("accessGroup:")) {
        if (plain([entry]) !== undefined) return { listed: true, by: `"${entry}"` };
        continue;
      }
      const group = ownProperty(accessGroups, entry.slice("accessGroup:".length));
      if (!group || (group.type ?? "message.senders") !== "message.senders") continue;
      const members = [...(ownProperty(group.members, "*") ?? []), ...(ownProperty(group.members, bot.channel) ?? [])].map(String);
      const member = plain(members);
      if (member !== undefined) return { listed: true, by: `"${entry}" (member "${member}")` };
    }
    return { listed: false, by: entries.length === 0 ? "the list is empty" : "no entry matches" };
  };
}

function decideDirect(
  message: RoutedMessage,
  policy: AccountPolicy,
  paired: (sender: SenderId) => boolean,
  matches: SenderMatcher,
): AccessDecision {
  if (policy.dmPolicy === "disabled") return { action: "ignore", reason: "dm-disabled", detail: 'dmPolicy is "disabled"' };
  const match = matches(policy.allowFrom);
  if (policy.dmPolicy === "open") {
    if (match.listed) return { action: "answer", reason: "dm-open", detail: `dmPolicy is "open", allowFrom ${match.by}` };
    return { action: "ignore", reason: "dm-not-listed", detail: 'dmPolicy "open" needs "*" in allowFrom' };
  }
  if (match.listed) return { action: "answer", reason: "dm-listed", detail: `allowFrom ${match.by}` };
  if (policy.dmPolicy === "allowlist") return { action: "ignore", reason: "dm-not-listed", detail: `allowFrom: ${match.by}` };
  const known = [message.sender.id, ...(message.sender.aliases ?? [])].find((id) => paired(id));
  if (known !== undefined) return { action: "answer", reason: "dm-paired", detail: `${JSON.stringify(known)} is paired` };
  return { action: "offer-pairing", reason: "dm-unknown-sender", detail: 'dmPolicy is "pairing" and the sender is not paired' };
}

function decideRoom(message: RoutedMessage, policy: AccountPolicy, bot: AccessContext, matches: SenderMatcher): AccessDecision {
  const groupPolicy = policy.configured ? policy.groupPolicy : "allowlist";
  if (groupPolicy === "disabled") return { action: "ignore", reason: "group-disabled", detail: 'groupPolicy is "disabled"' };
  const canonical = bot.canonicalId ?? ((id: string): string => id.trim());
  const found = findRoomRule(policy, toRoomPlace(message), canonical);
  if (found.rule.enabled === false) return { action: "ignore", reason: "group-switched-off", detail: "the room has enabled: false" };
  const closed =
    groupPolicy === "allowlist" ? denyUnlistedRoom(message, policy, bot, found, matches) : denyUnlistedSender(message, found, matches);
  return closed ?? decideAddressed(message, policy, bot, found);
}

/** `groupPolicy: "allowlist"`: the room must be listed, or groupAllowFrom must name senders for every room; and the sender must be. */
function denyUnlistedRoom(
  message: RoutedMessage,
  policy: AccountPolicy,
  bot: AccessContext,
  found: RoomRuleMatch,
  matches: SenderMatcher,
): AccessDecision | null {
  const { groups, guilds } = policy.rooms;
  const bySenderOnly = !groups && !guilds && policy.groupAllowFrom !== null && policy.groupAllowFrom.length > 0;
  if (!found.listed && !bySenderOnly) {
    return { action: "ignore", reason: "group-not-listed", detail: `${JSON.stringify(message.chat.id)} is not in the channel's groups` };
  }
  const entries = found.rule.allowFrom ?? policy.groupAllowFrom ?? (bot.roomAdmitsMembers ? ["*"] : policy.allowFrom);
  return denyUnlessListed(message, entries, found, matches);
}

/** `groupPolicy: "open"`: only a list of the room itself can keep a sender out. */
function denyUnlistedSender(message: RoutedMessage, found: RoomRuleMatch, matches: SenderMatcher): AccessDecision | null {
  return found.rule.allowFrom || found.rule.roles ? denyUnlessListed(message, found.rule.allowFrom ?? [], found, matches) : null;
}

function denyUnlessListed(
  message: RoutedMessage,
  entries: readonly string[],
  found: RoomRuleMatch,
  matches: SenderMatcher,
): AccessDecision | null {
  const roles = found.rule.roles;
  if (roles && message.sender.roles?.some((role) => roles.includes(role))) return null;
  // A room that names roles but no senders is open to those roles only.
  const list = roles && !found.rule.allowFrom ? [] : entries;
  const match = matches(list);
  if (match.listed) return null;
  return { action: "ignore", reason: "group-sender-not-listed", detail: `sender ${JSON.stringify(message.sender.id)}: ${match.by}` };
}

const answerDecision = (reason: AccessReason, detail: string): AccessDecision => ({ action: "answer", reason, detail });

function decideAddressed(message: RoutedMessage, policy: AccountPolicy, bot: AccessContext, found: RoomRuleMatch): AccessDecision {
  if (message.mentionsSelf) return answerDecision("group-mention", "the bot is mentioned");
  if (message.replyTo?.isSelf && policy.implicit.replyToBot) return answerDecision("group-reply", "a reply to the bot");
  if (bot.isCommand?.(message.text)) return answerDecision("group-command", "a command");
  if (bot.inThread && policy.implicit.threadParticipation) return answerDecision("group-thread", "the bot takes part in this thread");
  const needed = bot.activation ? bot.activation === "mention" : (found.rule.requireMention ?? policy.requireMention);
  if (!needed) return answerDecision("group-always", bot.activation ? "/activation always" : "requireMention is false");
  const ids = [message.chat.id, ...(message.thread ? [`${message.chat.id}:topic:${message.thread.id}`] : [])];
  const pattern = mentionPatternsApply(policy, ids) ? bot.patterns.find((candidate) => candidate.test(message.text)) : undefined;
  if (pattern) return answerDecision("group-pattern", `the text matches ${pattern.source}`);
  return { action: "record", reason: "group-not-addressed", detail: "the bot is not addressed" };
}
