import type { GatewayUnderTest } from "../wire/gateway.ts";
import type { Abilities } from "../../src/channels/channel.ts";
import { channelIds, loadChannel } from "../../src/channels/registry.ts";

/** Somebody on the platform. `id` is how policies and session keys name them. */
export type Person = { id: string; name: string };
export type Where = "direct" | "room" | "thread";
/** A button under a message, and somebody who presses it. */
export type Pressable = { text: string; press(person: Person): void | Promise<void> };
/** One visible message of the bot, as the platform shows it. `to`: the person of a direct chat, else the room. `file`: its name. `marked`: with bold, code and such. */
export type Heard = { where: Where; to: string; text: string; file?: string; buttons?: readonly Pressable[]; marked?: boolean };
/** A file of a person; see serve-file.ts for what its name does. `claims`: its size, as the platform announces it. */
export type Given = { name: string; mimeType: string; bytes: Buffer; claims?: number };
/** `mention` addresses the bot as the platform does it; `reply` answers the bot's newest message in the room. */
export type SayOptions = { mention?: boolean; reply?: boolean; file?: Given };

export type Policy = {
  dmPolicy?: "pairing" | "allowlist" | "open" | "disabled";
  allowFrom?: readonly string[];
  /** The rule of the room; null: the room is not listed. */
  room: { requireMention?: boolean; allowFrom?: readonly string[] } | null;
  historyLimit?: number;
  /** `messages.groupChat.mentionPatterns`. */
  mentionPatterns?: readonly string[];
  /** Answers are shown while they are written. */
  preview?: boolean;
};
/** What a stage makes the block of its channel of; the rest of the policy is for the whole configuration. */
export type ChannelPolicy = Omit<Policy, "mentionPatterns">;

/** How often the bot has connected or gone; how many events it has said it has, null where the platform does not ask. Both only grow. */
export type Seen = { changes: number; taken: number | null };

/**
 * How a platform fails at what the bot says: it asks to wait for a second at most; it has done nothing, and that is certain, or the gateway
 * may repeat it; it has done it and the answer is lost; it cannot read the markup.
 */
export type Fault = "limit" | "before" | "after" | "markup";

/** A platform with people on it, for tests with the whole process. */
export type PlatformStage = {
  /** `channels.<id>`, with that policy; null: there is no such block. */
  config(policy: ChannelPolicy): Record<string, unknown> | null;
  /** Secrets of that block, which must not be shown anywhere. */
  secrets: readonly string[];
  /** A key of that block with a value that the channel refuses, and what its status says of it. */
  wrong: { key: string; value: unknown; told: RegExp; /** The value is a secret itself. */ hidden: boolean };
  people: readonly [ann: Person, bob: Person];
  /** The gateway listens; platforms that push are told where, and clients connect to it. */
  connected?(http: string, gateway: GatewayUnderTest): void;
  /** Says something. Resolves when the platform has taken it. */
  say(person: Person, where: Where, text: string, options?: SayOptions): void | Promise<void>;
  /** Changes what the person has said last in a direct conversation; takes it back. */
  edit?(person: Person, text: string): void | Promise<void>;
  remove?(person: Person): void | Promise<void>;
  /** Reacts to the newest message of the bot in the room. */
  react?(person: Person, emoji: string): void | Promise<void>;
  /** The room gets another id. */
  move?(): void | Promise<void>;
  /** The platform delivers something that cannot be read. */
  garble?(): void | Promise<void>;
  /** The next `times` messages or edits of the bot fail. Returns how many have. */
  fail?(how: Fault, times: number): () => number;
  /** The newest message of the bot in the room comes back to the bot as an event. Absent: the platform never does that. */
  echo?(): void | Promise<void>;
  /** Another bot addresses ours in the room. Absent: the platform does not say who is a bot. */
  bot?(text: string): void | Promise<void>;
  /** The connection is lost beyond resuming; what the person says meanwhile, so long ago, is in the history only. Absent: there is none. */
  gap?(person: Person, lines: readonly { text: string; ageMs: number }[]): void | Promise<void>;
  /** Everything that the bot has said, in order; edits and removals count. */
  heard(): readonly Heard[];
  /** The platform delivers its newest event once more, as after a lost acknowledgement. Absent: it never repeats. */
  repeat?(): void | Promise<void>;
  /** The bot's connection as the platform sees it. Absent: it cannot tell. */
  seen?(): Seen;
  close(): Promise<void>;
};

export type StageModule = {
  /** `impatient`: the platform gives up a connection within seconds, where it can be told so. `behindMs`: its clock is late until `gap`. */
  open(options?: { impatient?: boolean; behindMs?: number }): Promise<PlatformStage>;
  /** Why it cannot be played here, or false. */
  skip: string | false;
  /** The platform keeps what is said while nobody is connected. */
  keeps: boolean;
  threads: boolean;
  rooms: boolean;
  /** Marked points of the gateway at which its way differs from that of the channels. */
  marks?: undefined | { committed: string; sent: string };
  /** Why something that others have means nothing here. */
  without?: undefined | Without;
  /** For what is no channel of the registry. */
  abilities?: Abilities;
  label?: string;
};

export type Without = Readonly<
  Partial<
    Record<
      /** A block of the configuration; lists of people; answers to a certain message; answers that are shown while they are written. */
      | "config"
      | "policy"
      | "replies"
      | "previews"
      /** Files that are fetched; answers of several parts; parts that are sent and may get lost on the way. */
      | "downloads"
      | "parts"
      | "outbox"
      /** Markup that may be refused; other bots that may be let in; a history in which a gap is read. */
      | "refusals"
      | "bots"
      | "history",
      string
    >
  >
>;

/** The same fault at several operations: how often it has happened in all. */
export const allOf =
  (counts: readonly (() => number)[]): (() => number) =>
  () =>
    counts.reduce((sum, count) => sum + count(), 0);

/** The stage with its account in a thread of its own, or not. */
export function withIsolate(stage: PlatformStage, isolate: boolean): PlatformStage {
  return { ...stage, config: (policy) => ({ ...stage.config(policy), isolate }) };
}

/** `CHANNEL_KIT_ISOLATE=1`: everything is played with accounts in threads of their own. */
async function played(module: Promise<StageModule>): Promise<StageModule> {
  if (process.env["CHANNEL_KIT_ISOLATE"] !== "1") return module;
  const plain = await module;
  return { ...plain, open: async (options) => withIsolate(await plain.open(options), true) };
}

/** Loads the stage of one channel. A channel without one has no tests with the whole process, and the kit says so. */
export const STAGES: Readonly<Record<string, () => Promise<StageModule>>> = {
  discord: () => played(import("./stages/discord.ts")),
  irc: () => played(import("./stages/irc.ts")),
  signal: () => played(import("./stages/signal.ts")),
  slack: () => played(import("./stages/slack.ts")),
  telegram: () => played(import("./stages/telegram.ts")),
  webchat: () => import("./stages/webchat.ts"),
  webhook: () => played(import("./stages/webhook.ts")),
};

/** What can be played: the channels, and what is played like one. */
export const playable: readonly string[] = [...new Set<string>([...channelIds, ...Object.keys(STAGES)])];

export async function describeChannel(id: string): Promise<{ label: string; abilities: Abilities }> {
  const channel = await loadChannel(id as (typeof channelIds)[number]);
  if (channel) return channel;
  const { label, abilities } = await STAGES[id]!();
  if (label === undefined || abilities === undefined) throw new Error(`nothing is known about ${id}`);
  return { label, abilities };
}

/** The channels that this run is about: those of `CHANNEL_KIT`, or all. */
export const wanted = (): readonly string[] => {
  const named = process.env["CHANNEL_KIT"]?.split(",").filter(Boolean) ?? [];
  return Object.keys(STAGES).filter((id) => named.length === 0 || named.includes(id));
};
