import { DISCORD_LIMITS } from "./limits.ts";
import { isNewer, isSnowflake, asObject, textOf, type DiscordObject } from "./protocol.ts";

/** What a channel or thread is. `peer`: the other person of a direct conversation. */
export type ChannelInfo = { type: number; guild?: string; parent?: string; name?: string; peer?: string };
export type SessionInfo = { id: string; seq: number; url: string };
export type BotIdentity = { id: string; name: string; app: string };

/**
 * What is known of one bot's connection: the session that can be resumed, who we are, and the last message of each conversation, from
 * which a gap is read. Immutable; it is stored as the cursor, in the same transaction as the events that led to it.
 */
export type DiscordState = {
  session: SessionInfo | null;
  self: BotIdentity | null;
  /** In order of activity, the least recent first. */
  known: ReadonlyMap<string, { last: string; place: ChannelInfo }>;
  /** Our own newest messages, by the nonce with which they were sent. */
  own: ReadonlyMap<string, string>;
  /** The role of the bot itself by server. */
  roles: ReadonlyMap<string, string>;
  /** Digest of the native commands that Discord has. */
  commands: string | null;
};

export const EMPTY_STATE: DiscordState = { session: null, self: null, known: new Map(), own: new Map(), roles: new Map(), commands: null };

/** The state with one more message seen in a channel. */
export function withSeen(state: DiscordState, channel: string, message: string, place: ChannelInfo): DiscordState {
  const before = state.known.get(channel);
  const known = new Map(state.known);
  known.delete(channel);
  known.set(channel, { last: before && isNewer(before.last, message) ? before.last : message, place });
  for (const oldest of known.keys()) {
    if (known.size <= DISCORD_LIMITS.knownChats) break;
    known.delete(oldest);
  }
  return { ...state, known };
}

/** The state with a message of our own that has arrived. */
export function withOwn(state: DiscordState, nonce: string, message: string): DiscordState {
  const own = new Map([...state.own, [nonce, message] as const]);
  if (own.size > DISCORD_LIMITS.ownMessages) own.delete(own.keys().next().value!);
  return { ...state, own };
}

/** The state with the bot's own role in a server. */
export function withOwnRole(state: DiscordState, guild: string, role: string): DiscordState {
  if (state.roles.get(guild) === role) return state;
  const roles = new Map([...state.roles].filter(([each]) => each !== guild)).set(guild, role);
  if (roles.size > DISCORD_LIMITS.knownChats) roles.delete(roles.keys().next().value!);
  return { ...state, roles };
}

/** The state without a channel that is gone or closed to us. */
export function withoutChat(state: DiscordState, channel: string): DiscordState {
  if (!state.known.has(channel)) return state;
  const known = new Map(state.known);
  known.delete(channel);
  return { ...state, known };
}

/** The state as a cursor. `owner` is the identity of the bot: the session of another bot is ignored. */
export function encodeDiscordCursor(state: DiscordState, owner: string): string {
  const known = [...state.known].map(([id, { last, place }]) => [id, last, place]);
  return JSON.stringify({
    owner,
    session: state.session,
    self: state.self,
    known,
    own: [...state.own],
    roles: [...state.roles],
    commands: state.commands,
  });
}

/** Reads a cursor; what cannot be read, or belongs to another bot, is an empty state. */
export function decodeDiscordCursor(cursor: string | null, owner: string): DiscordState {
  const raw = parseCursorJson(cursor);
  if (!raw || raw["owner"] !== owner) return EMPTY_STATE;
  const session = asObject(raw["session"]);
  const self = asObject(raw["self"]);
  const known = new Map<string, { last: string; place: ChannelInfo }>();
  for (const entry of Array.isArray(raw["known"]) ? (raw["known"] as unknown[]) : []) {
    const [id, last, place] = Array.isArray(entry) ? (entry as unknown[]) : [];
    if (isSnowflake(id) && isSnowflake(last)) known.set(id, { last, place: parseChannelInfo(asObject(place) ?? {}) });
  }
  const { id, seq, url } = session ?? {};
  const isSession = typeof id === "string" && typeof seq === "number" && typeof url === "string";
  return {
    session: isSession ? { id, seq, url } : null,
    self: self && isSnowflake(self["id"]) ? { id: self["id"], name: textOf(self["name"]), app: textOf(self["app"]) } : null,
    known,
    own: parsePairs(raw["own"], (nonce, message) => typeof nonce === "string" && isSnowflake(message)),
    roles: parsePairs(raw["roles"], (guild, role) => isSnowflake(guild) && isSnowflake(role)),
    commands: typeof raw["commands"] === "string" ? raw["commands"] : null,
  };
}

function parsePairs(value: unknown, isPair: (key: unknown, value: unknown) => boolean): ReadonlyMap<string, string> {
  const entries: unknown[] = Array.isArray(value) ? value : [];
  return new Map(entries.filter((entry): entry is [string, string] => Array.isArray(entry) && isPair(entry[0], entry[1])));
}

function parseCursorJson(cursor: string | null): DiscordObject | null {
  if (cursor === null) return null;
  try {
    return asObject(JSON.parse(cursor));
  } catch (err) {
    if (err instanceof SyntaxError) return null;
    throw err;
  }
}

function parseChannelInfo(raw: DiscordObject): ChannelInfo {
  const pick = (key: "guild" | "parent" | "name" | "peer"): object => (typeof raw[key] === "string" ? { [key]: raw[key] } : {});
  return { type: typeof raw["type"] === "number" ? raw["type"] : 0, ...pick("guild"), ...pick("parent"), ...pick("name"), ...pick("peer") };
}
