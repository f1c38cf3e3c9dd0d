import type { BotLoopSettings } from "./bot-loop.ts";
import { own, type RoutedMessage, type RoutingConfig } from "./types.ts";

export type DmPolicy = "pairing" | "allowlist" | "open" | "disabled";
export type GroupPolicyName = "allowlist" | "open" | "disabled";

/** What one room (group, channel, topic) says about itself. Undefined means: ask the next wider level. */
export type RoomRule = {
  enabled?: boolean;
  requireMention?: boolean;
  allowFrom?: readonly string[];
  roles?: readonly string[];
  /** Settings of the tools in this room; they can only take away from what the agent grants. */
  tools?: unknown;
  /** Added to the instructions of the agent in this room. */
  systemPrompt?: string;
  reactions?: AccountPolicy["reactions"];
};

/** The access rules of one account of one channel, merged from its own block, the channel's and the defaults. */
export type AccountPolicy = {
  /** False when `channels.<id>` is absent: groups are closed then, whatever the defaults say. */
  configured: boolean;
  dmPolicy: DmPolicy;
  allowFrom: readonly string[];
  groupPolicy: GroupPolicyName;
  /** Null: not set, so `allowFrom` counts. An empty list means nobody. */
  groupAllowFrom: readonly string[] | null;
  requireMention: boolean;
  /** Compares display names too. Names can be taken by anybody, hence the key's own name. */
  allowNames: boolean;
  mentionPatterns: { mode: "allow" | "deny"; allowIn: readonly string[]; denyIn: readonly string[] };
  implicit: { replyToBot: boolean; threadParticipation: boolean };
  /** Whether messages of other bots are read at all; `mentions`: only those that address this one. */
  allowBots: boolean | "mentions";
  botLoop: BotLoopSettings;
  /** Which reactions the agent hears about: on its own messages, on all, or those of `reactionAllowlist`. */
  reactions: "off" | "own" | "all" | "allowlist";
  reactionAllowlist: readonly string[];
  rooms: Rooms;
};

export type Rooms = {
  groups: Readonly<Record<string, unknown>> | null;
  guilds: Readonly<Record<string, unknown>> | null;
};

type Block = Readonly<Record<string, unknown>>;

function block(value: unknown): Block | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Block) : null;
}

function list(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.filter((item) => typeof item === "string" || typeof item === "number").map((item) => String(item).trim());
}

function flag(value: unknown): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
}

function oneOf<T extends string | boolean>(value: unknown, allowed: readonly T[]): T | undefined {
  return allowed.find((item) => item === value);
}

const DM: readonly DmPolicy[] = ["pairing", "allowlist", "open", "disabled"];
const REACTIONS: readonly AccountPolicy["reactions"][] = ["off", "own", "all", "allowlist"];
const GROUP: readonly GroupPolicyName[] = ["allowlist", "open", "disabled"];

/** An unreadable policy word closes the door: a spelling mistake must not open a group or start handing out codes. */
function policyWord<T extends string>(value: unknown, allowed: readonly T[], closed: T): T | undefined {
  return value === undefined ? undefined : (oneOf(value, allowed) ?? closed);
}

/**
 * The rules for one account. Account keys stand over the channel's, the channel's over `channels.defaults`. The maps
 * `groups`, `guilds` and `channels` are replaced as a whole by an account's own, never merged.
 */
export function policyFor(config: RoutingConfig, channel: string, account: string): AccountPolicy {
  const defaults = block(own(config.channels, "defaults"));
  const shared = block(own(config.channels, channel));
  const single = block(own(block(shared?.["accounts"]), account));
  const pick = (key: string): unknown => own(single, key) ?? own(shared, key);
  const withDefault = (key: string): unknown => pick(key) ?? (shared ? own(defaults, key) : undefined);
  const patterns = block(pick("mentionPatterns"));
  const implicit = block(pick("implicitMentions")) ?? block(own(defaults, "implicitMentions"));
  return {
    configured: shared !== null,
    dmPolicy: policyWord(withDefault("dmPolicy"), DM, "disabled") ?? "pairing",
    allowFrom: list(pick("allowFrom")) ?? [],
    groupPolicy: policyWord(withDefault("groupPolicy"), GROUP, "disabled") ?? "allowlist",
    groupAllowFrom: list(pick("groupAllowFrom")) ?? null,
    requireMention: flag(pick("requireMention")) ?? true,
    allowNames: flag(pick("dangerouslyAllowNameMatching")) ?? false,
    mentionPatterns: {
      mode: oneOf(patterns?.["mode"], ["allow", "deny"] as const) ?? "allow",
      allowIn: list(patterns?.["allowIn"]) ?? [],
      denyIn: list(patterns?.["denyIn"]) ?? [],
    },
    implicit: {
      replyToBot: flag(implicit?.["replyToBot"]) ?? true,
      threadParticipation: flag(implicit?.["threadParticipation"]) ?? true,
    },
    allowBots: oneOf(pick("allowBots"), [true, "mentions"] as const) ?? false,
    botLoop: botLoopOf([defaults, shared, single].map((level) => block(level?.["botLoopProtection"]))),
    reactions: policyWord(pick("reactionNotifications"), REACTIONS, "off") ?? "own",
    reactionAllowlist: list(pick("reactionAllowlist")) ?? [],
    // `channels` is a map of rooms for Slack, and a plain list of rooms to join for IRC.
    rooms: { groups: block(pick("groups")) ?? block(pick("channels")), guilds: block(pick("guilds")) },
  };
}

const positive = (value: unknown): number | undefined => (typeof value === "number" && value > 0 ? value : undefined);

/** Key by key, the narrower level over the wider one. */
function botLoopOf(levels: readonly (Block | null)[]): BotLoopSettings {
  const pick = <T>(key: string, read: (value: unknown) => T | undefined): T | undefined =>
    levels.reduce<T | undefined>((wider, level) => read(level?.[key]) ?? wider, undefined);
  return {
    enabled: pick("enabled", flag) ?? true,
    maxEventsPerWindow: pick("maxEventsPerWindow", positive) ?? 20,
    windowSeconds: pick("windowSeconds", positive) ?? 60,
    cooldownSeconds: pick("cooldownSeconds", positive) ?? 60,
  };
}

function toRule(value: unknown): RoomRule {
  const room = block(value);
  const rule: RoomRule = {};
  if (!room) return rule;
  const enabled = flag(room["enabled"]) ?? flag(room["allow"]);
  const requireMention = flag(room["requireMention"]);
  const allowFrom = list(room["allowFrom"]) ?? list(room["users"]);
  const roles = list(room["roles"]);
  const { tools, systemPrompt } = room;
  const reactions = policyWord(room["reactionNotifications"], REACTIONS, "off");
  if (reactions !== undefined) rule.reactions = reactions;
  if (enabled !== undefined) rule.enabled = enabled;
  if (requireMention !== undefined) rule.requireMention = requireMention;
  if (allowFrom !== undefined) rule.allowFrom = allowFrom;
  if (roles !== undefined) rule.roles = roles;
  if (tools !== undefined) rule.tools = tools;
  if (typeof systemPrompt === "string") rule.systemPrompt = systemPrompt;
  return rule;
}

/** A narrow rule over wider ones, key by key. A room that is switched off at any level of its path stays off. */
function layered(rules: readonly RoomRule[]): RoomRule {
  const merged = Object.assign({}, ...rules.toReversed()) as RoomRule;
  if (rules.some((rule) => rule.enabled === false)) merged.enabled = false;
  return merged;
}

export type RoomPlace = {
  id: string;
  formerly?: string | undefined;
  parentId?: string | undefined;
  threadId?: string | undefined;
  guildId?: string | undefined;
};

/** Where a message was said, for the rule of its room. */
export const placeOf = (message: RoutedMessage): RoomPlace => ({
  id: message.chat.id,
  formerly: message.chat.formerly,
  parentId: message.parent?.id,
  threadId: message.thread?.id,
  guildId: message.guildId,
});
/** `listed`: the room is named, by its id or by "*"; `exact`: by its own id or its parent's. */
export type FoundRule = { listed: boolean; exact: boolean; rule: RoomRule };

const UNLISTED: FoundRule = { listed: false, exact: false, rule: {} };

/** The rule that applies to one room. Ids are compared in their canonical form; only the literal "*" is a wildcard. */
export function roomRule(policy: AccountPolicy, room: RoomPlace, canonical: (id: string) => string): FoundRule {
  if (!policy.rooms.guilds) return lookup(policy.rooms.groups, room, canonical);
  const guild = room.guildId === undefined ? undefined : find(policy.rooms.guilds, [room.guildId], canonical);
  if (!guild) return UNLISTED;
  const inGuild = toRule(guild.value);
  const channels = block(block(guild.value)?.["channels"]);
  if (!channels) return { listed: true, exact: guild.exact, rule: inGuild };
  const found = lookup(channels, room, canonical);
  return { ...found, rule: layered([found.rule, inGuild]) };
}

function lookup(map: Block | null, room: RoomPlace, canonical: (id: string) => string): FoundRule {
  const ids = [room.id, room.formerly, room.parentId].filter((id) => id !== undefined);
  const hit = find(map, ids, canonical);
  if (!hit) return UNLISTED;
  const topic = room.threadId === undefined ? undefined : own(block(block(hit.value)?.["topics"]), room.threadId);
  // The wildcard gives defaults to named rooms, but it does not switch them off: naming a room is what admits it.
  const { enabled: _, ...defaults } = hit.exact ? toRule(own(map, "*")) : {};
  return { listed: true, exact: hit.exact, rule: layered([toRule(topic), toRule(hit.value), defaults]) };
}

function find(
  map: Block | null,
  ids: readonly string[],
  canonical: (id: string) => string,
): { value: unknown; exact: boolean } | undefined {
  if (!map) return undefined;
  for (const id of ids) {
    const wanted = canonical(id);
    const key = Object.keys(map).find((name) => name !== "*" && canonical(name) === wanted);
    if (key !== undefined) return { value: map[key], exact: true };
  }
  return Object.hasOwn(map, "*") ? { value: map["*"], exact: false } : undefined;
}
