import type { GatewayUnderTest } from "../wire/gateway-process.ts";
import type { ChannelCapabilities } from "../../src/channels/channel.ts";

/** Someone on the platform. `id` is how policies and session keys name them. */
export type PlatformUser = { id: string; name: string };
export type ConversationKind = "direct" | "room" | "thread";
/** A button under a message, and someone who presses it. */
export type HarnessButton = { text: string; click(person: PlatformUser): void | Promise<void> };
/** One visible message of the bot, as the platform shows it. `to`: the person of a direct chat, else the room. `file`: its name. `formatted`: with bold, code and such. */
export type BotMessage = {
  where: ConversationKind;
  to: string;
  text: string;
  file?: string;
  buttons?: readonly HarnessButton[];
  formatted?: boolean;
};
/** A file of a person; see serve-file.ts for what its name does. `claims`: its size, as the platform announces it. */
export type UserFile = { name: string; mimeType: string; bytes: Buffer; claimedSizeBytes?: number };
/** `mention` addresses the bot as the platform does it; `reply` answers the bot's newest message in the room. */
export type SendOptions = { mention?: boolean; reply?: boolean; file?: UserFile };

export type ScenarioPolicy = {
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
/** The part of a policy from which a harness makes the configuration of its channel; the rest is for the whole configuration. */
export type ChannelPolicy = Omit<ScenarioPolicy, "mentionPatterns">;

/** How often the bot has connected or gone; how many events it has said it has, null where the platform does not ask. Both only grow. */
export type ConnectionCounts = { changes: number; acknowledged: number | null };

/**
 * How a platform fails at what the bot says: it asks to wait for a second at most; it has done nothing, and that is certain, or the gateway
 * may repeat it; it has done it and the answer is lost; it cannot read the markup.
 */
export type SendFault = "limit" | "before" | "after" | "markup";

/** A platform with people on it, for tests with the whole process. */
export type PlatformHarness = {
  /** `channels.<id>`, with that policy; null: the block does not exist. */
  config(policy: ChannelPolicy): Record<string, unknown> | null;
  /** Secrets of that block, which must not be shown anywhere. */
  secrets: readonly string[];
  /** A key of that block with a value that the channel refuses, and what its status says of it. */
  invalidSetting: { key: string; value: unknown; message: RegExp; /** The value is a secret itself. */ isSecret: boolean };
  users: readonly [ann: PlatformUser, bob: PlatformUser];
  /** Called when the gateway listens: platforms that push get its address, clients connect to it. */
  onGatewayListening?(http: string, gateway: GatewayUnderTest): void;
  /** Says something. Resolves when the platform has taken it. */
  sendMessage(person: PlatformUser, where: ConversationKind, text: string, options?: SendOptions): void | Promise<void>;
  /** Changes what the person has said last in a direct conversation; takes it back. */
  editMessage?(person: PlatformUser, text: string): void | Promise<void>;
  deleteMessage?(person: PlatformUser): void | Promise<void>;
  /** Reacts to the newest message of the bot in the room. */
  react?(person: PlatformUser, emoji: string): void | Promise<void>;
  /** The room gets another id. */
  migrateRoom?(): void | Promise<void>;
  /** The platform delivers something that cannot be read. */
  sendMalformed?(): void | Promise<void>;
  /** The next `times` messages or edits of the bot fail. Returns how many have. */
  failSends?(how: SendFault, times: number): () => number;
  /** The newest message of the bot in the room comes back to the bot as an event. Absent: the platform never does that. */
  echoBotMessage?(): void | Promise<void>;
  /** Another bot addresses ours in the room. Absent: the platform does not say who is a bot. */
  sendAsOtherBot?(text: string): void | Promise<void>;
  /** The connection is lost beyond resuming; what the person says meanwhile, so long ago, is in the history only. Absent: there is none. */
  openHistoryGap?(person: PlatformUser, lines: readonly { text: string; ageMs: number }[]): void | Promise<void>;
  /** Everything that the bot has said, in order; edits and removals count. */
  botMessages(): readonly BotMessage[];
  /** The platform delivers its newest event once more, as after a lost acknowledgement. Absent: it never repeats. */
  redeliver?(): void | Promise<void>;
  /** The bot's connection as the platform sees it. Absent: it cannot tell. */
  connectionCounts?(): ConnectionCounts;
  close(): Promise<void>;
};

export type HarnessModule = {
  /** `impatient`: the platform drops a connection within seconds, if it can be configured so. `behindMs`: its clock is late until `gap`. */
  open(options?: { impatient?: boolean; behindMs?: number }): Promise<PlatformHarness>;
  /** Why it cannot be played here, or false. */
  skip: string | false;
  /** The platform keeps messages that are sent while no client is connected. */
  storesOffline: boolean;
  threads: boolean;
  rooms: boolean;
  /** Marked points of the gateway at which its way differs from that of the channels. */
  crashPoints?: undefined | { committed: string; sent: string };
  /** Why a feature of other channels is not applicable here. */
  inapplicable?: undefined | InapplicableFeatures;
  /** Only for a harness without a channel in the registry. */
  capabilities?: ChannelCapabilities;
  label?: string;
};

export type InapplicableFeatures = Readonly<
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
export const sumCounters =
  (counts: readonly (() => number)[]): (() => number) =>
  () =>
    counts.reduce((sum, count) => sum + count(), 0);

/** The harness with its account isolated, or not. */
export function withWorker(platform: PlatformHarness, isolate: boolean): PlatformHarness {
  return { ...platform, config: (policy) => ({ ...platform.config(policy), isolate }) };
}
