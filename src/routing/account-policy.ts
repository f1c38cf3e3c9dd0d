import type { BotLoopSettings } from "./bot-loop.ts";
import { ownProperty, type RoutedMessage, type RoutingConfig } from "./types.ts";

export type DmPolicy = "pairing" | "allowlist" | "open" | "disabled";
export type GroupPolicyName = "allowlist" | "open" | "disabled";

/** `policy`: as configured; `key`: the configuration key that it is from. */
export type RoomTools = { key: string; policy: unknown };

/** What one room (group, channel, topic) says about itself. Undefined means: ask the next wider level. */
export type RoomRule = {
  enabled?: boolean;
  requireMention?: boolean;
  allowFrom?: readonly string[];
  roles?: readonly string[];
  /** Settings of the tools in this room; they can only take away from what the agent grants. */
  tools?: RoomTools;
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
  /** Null: not set, so `allowFrom` counts. An empty list matches no one. */
  groupAllowFrom: readonly string[] | null;
  requireMention: boolean;
  /** Compares display names too. Names can be taken by anyone, hence the key's own name. */
  allowNames: boolean;
  mentionPatterns: { mode: "allow" | "deny"; allowIn: readonly string[]; denyIn: readonly string[] };
  implicit: { replyToBot: boolean; threadParticipation: boolean };
  /** Whether messages of other bots are read at all; `mentions`: only those that address this one. */
  allowBots: boolean | "mentions";
  botLoop: BotLoopSettings;
  /** Which reactions the agent hears about: on its own messages, on all, or those of `reactionAllowlist`. */
  reactions: "off" | "own" | "all" | "allowlist";
  reactionAllowlist: readonly string[];
  rooms: AccountRooms;
};

type ConfigObject = Readonly<Record<string, unknown>>;

/** A map of rooms with the configuration key that it is from. */
type RoomMap = { key: string; entries: ConfigObject };

export type AccountRooms = { groups: RoomMap | null; guilds: RoomMap | null };

function asConfigObject(value: unknown): ConfigObject | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as ConfigObject) : null;
}

function asStringList(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.filter((item) => typeof item === "string" || typeof item === "number").map((item) => String(item).trim());
}

function asBoolean(value: unknown): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
}

function asEnum<T extends string | boolean>(value: unknown, allowed: readonly T[]): T | undefined {
  return allowed.find((item) => item === value);
}

const DM: readonly DmPolicy[] = ["pairing", "allowlist", "open", "disabled"];
const REACTIONS: readonly AccountPolicy["reactions"][] = ["off", "own", "all", "allowlist"];
const GROUP: readonly GroupPolicyName[] = ["allowlist", "open", "disabled"];

/** An unreadable policy word closes the door: a spelling mistake must not open a group or start handing out codes. */
function asPolicyName<T extends string>(value: unknown, allowed: readonly T[], closed: T): T | undefined {
  return value === undefined ? undefined : (asEnum(value, allowed) ?? closed);
}

/**
 * The rules for one account. Account keys override the channel's, which override `channels.defaults`. The maps
 * `groups`, `guilds` and `channels` are replaced as a whole by an account's own, never merged.
 */
export function resolveAccountPolicy(config: RoutingConfig, channel: string, account: string): AccountPolicy {
  const defaults = asConfigObject(ownProperty(config.channels, "defaults"));
  const shared = asConfigObject(ownProperty(config.channels, channel));
  const single = asConfigObject(ownProperty(asConfigObject(shared?.["accounts"]), account));
  const pick = (key: string): unknown => ownProperty(single, key) ?? ownProperty(shared, key);
  const withDefault = (key: string): unknown => pick(key) ?? (shared ? ownProperty(defaults, key) : undefined);
  const roomMap = (name: string): RoomMap | null => {
    const [level, key] =
      ownProperty(single, name) === undefined ? [shared, `channels.${channel}`] : [single, `channels.${channel}.accounts.${account}`];
    const entries = asConfigObject(ownProperty(level, name));
    return entries && { key: `${key}.${name}`, entries };
  };
  const patterns = asConfigObject(pick("mentionPatterns"));
  const implicit = asConfigObject(pick("implicitMentions")) ?? asConfigObject(ownProperty(defaults, "implicitMentions"));
  return {
    configured: shared !== null,
    dmPolicy: asPolicyName(withDefault("dmPolicy"), DM, "disabled") ?? "pairing",
    allowFrom: asStringList(pick("allowFrom")) ?? [],
    groupPolicy: asPolicyName(withDefault("groupPolicy"), GROUP, "disabled") ?? "allowlist",
    groupAllowFrom: asStringList(pick("groupAllowFrom")) ?? null,
    requireMention: asBoolean(pick("requireMention")) ?? true,
    allowNames: asBoolean(pick("dangerouslyAllowNameMatching")) ?? false,
    mentionPatterns: {
      mode: asEnum(patterns?.["mode"], ["allow", "deny"] as const) ?? "allow",
      allowIn: asStringList(patterns?.["allowIn"]) ?? [],
      denyIn: asStringList(patterns?.["denyIn"]) ?? [],
    },
    implicit: {
      replyToBot: asBoolean(implicit?.["replyToBot"]) ?? true,
      threadParticipation: asBoolean(implicit?.["threadParticipation"]) ?? true,
    },
    allowBots: asEnum(pick("allowBots"), [true, "mentions"] as const) ?? false,
    botLoop: resolveBotLoop([defaults, shared, single].map((level) => asConfigObject(level?.["botLoopProtection"]))),
    reactions: asPolicyName(pick("reactionNotifications"), REACTIONS, "off") ?? "own",
    reactionAllowlist: asStringList(pick("reactionAllowlist")) ?? [],
    // `channels` is a map of rooms for Slack, and a plain list of rooms to join for IRC.
    rooms: { groups: roomMap("groups") ?? roomMap("channels"), guilds: roomMap("guilds") },
  };
}

const asPositiveNumber = (value: unknown): number | undefined => (typeof value === "number" && value > 0 ? value : undefined);

/** Key by key, the narrower level over the wider one. */
function resolveBotLoop(levels: readonly (ConfigObject | null)[]): BotLoopSettings {
  const pick = <T>(key: string, read: (value: unknown) => T | undefined): T | undefined =>
    levels.reduce<T | undefined>((wider, level) => read(level?.[key]) ?? wider, undefined);
  return {
    enabled: pick("enabled", asBoolean) ?? true,
    maxEventsPerWindow: pick("maxEventsPerWindow", asPositiveNumber) ?? 20,
    windowSeconds: pick("windowSeconds", asPositiveNumber) ?? 60,
    cooldownSeconds: pick("cooldownSeconds", asPositiveNumber) ?? 60,
  };
}

function toRoomRule(value: unknown, key: string): RoomRule {
  const room = asConfigObject(value);
  const rule: RoomRule = {};
  if (!room) return rule;
  const enabled = asBoolean(room["enabled"]) ?? asBoolean(room["allow"]);
  const requireMention = asBoolean(room["requireMention"]);
  const allowFrom = asStringList(room["allowFrom"]) ?? asStringList(room["users"]);
  const roles = asStringList(room["roles"]);
  const { tools, systemPrompt } = room;
  const reactions = asPolicyName(room["reactionNotifications"], REACTIONS, "off");
  if (reactions !== undefined) rule.reactions = reactions;
  if (enabled !== undefined) rule.enabled = enabled;
  if (requireMention !== undefined) rule.requireMention = requireMention;
  if (allowFrom !== undefined) rule.allowFrom = allowFrom;
  if (roles !== undefined) rule.roles = roles;
  if (tools !== undefined) rule.tools = { key: `${key}.tools`, policy: tools };
  if (typeof systemPrompt === "string") rule.systemPrompt = systemPrompt;
  return rule;
}

/** A narrow rule over wider ones, key by key. A room that is switched off at any level of its path stays off. */
function mergeRoomRules(rules: readonly RoomRule[]): RoomRule {
  const merged = Object.assign({}, ...rules.toReversed()) as RoomRule;
  if (rules.some((rule) => rule.enabled === false)) merged.enabled = false;
  return merged;
}

export type RoomPlace = {
  id: string;
  previousId?: string | undefined;
  parentId?: string | undefined;
  threadId?: string | undefined;
  guildId?: string | undefined;
};

/** Place of a message, for the rule of its room. */
export const toRoomPlace = (message: RoutedMessage): RoomPlace => ({
  id: message.chat.id,
  previousId: message.chat.formerly,
  parentId: message.parent?.id,
  threadId: message.thread?.id,
  guildId: message.guildId,
});
/** `listed`: the room is named, by its id or by "*"; `exact`: by its own id or its parent's. */
export type RoomRuleMatch = { listed: boolean; exact: boolean; rule: RoomRule };

const UNLISTED: RoomRuleMatch = { listed: false, exact: false, rule: {} };

/** The rule that applies to one room. Ids are compared in their canonical form; only the literal "*" is a wildcard. */
export function findRoomRule(policy: AccountPolicy, room: RoomPlace, canonical: (id: string) => string): RoomRuleMatch {
  if (!policy.rooms.guilds) return lookupRoomRule(policy.rooms.groups, room, canonical);
  const guild = room.guildId === undefined ? undefined : findEntry(policy.rooms.guilds, [room.guildId], canonical);
  if (!guild) return UNLISTED;
  const inGuild = toRoomRule(guild.value, guild.key);
  const channels = asConfigObject(asConfigObject(guild.value)?.["channels"]);
  if (!channels) return { listed: true, exact: guild.exact, rule: inGuild };
  const found = lookupRoomRule({ key: `${guild.key}.channels`, entries: channels }, room, canonical);
  return { ...found, rule: mergeRoomRules([found.rule, inGuild]) };
}

function lookupRoomRule(map: RoomMap | null, room: RoomPlace, canonical: (id: string) => string): RoomRuleMatch {
  const ids = [room.id, room.previousId, room.parentId].filter((id) => id !== undefined);
  const hit = findEntry(map, ids, canonical);
  if (!hit) return UNLISTED;
  const topics = asConfigObject(asConfigObject(hit.value)?.["topics"]);
  const topic = room.threadId === undefined ? undefined : ownProperty(topics, room.threadId);
  // The wildcard gives defaults to named rooms, but it does not switch them off: naming a room is what admits it.
  const { enabled: _, ...defaults } = hit.exact ? toRoomRule(ownProperty(map!.entries, "*"), `${map!.key}.*`) : {};
  const rules = [toRoomRule(topic, `${hit.key}.topics.${room.threadId}`), toRoomRule(hit.value, hit.key), defaults];
  return { listed: true, exact: hit.exact, rule: mergeRoomRules(rules) };
}

function findEntry(
  map: RoomMap | null,
  ids: readonly string[],
  canonical: (id: string) => string,
): { value: unknown; key: string; exact: boolean } | undefined {
  if (!map) return undefined;
  const entry = (name: string, exact: boolean) => ({ value: map.entries[name], key: `${map.key}.${name}`, exact });
  for (const id of ids) {
    const wanted = canonical(id);
    const name = Object.keys(map.entries).find((each) => each !== "*" && canonical(each) === wanted);
    if (name !== undefined) return entry(name, true);
  }
  return Object.hasOwn(map.entries, "*") ? entry("*", false) : undefined;
}
