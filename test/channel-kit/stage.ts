/** Somebody on the platform. `id` is how policies and session keys name them. */
export type Person = { id: string; name: string };
export type Where = "direct" | "room" | "thread";
/** One visible message of the bot, as the platform shows it. `to`: the person of a direct chat, else the room. */
export type Heard = { where: Where; to: string; text: string };

export type Policy = {
  dmPolicy?: "pairing" | "allowlist" | "open" | "disabled";
  allowFrom?: readonly string[];
  /** The rule of the room; null: the room is not listed. */
  room: { requireMention?: boolean; allowFrom?: readonly string[] } | null;
  historyLimit?: number;
};

/** How often the bot has connected or gone; how many events it has said it has, null where the platform does not ask. Both only grow. */
export type Seen = { changes: number; taken: number | null };

/** A platform with people on it, for tests with the whole process. */
export type PlatformStage = {
  /** `channels.<id>`, with that policy. */
  config(policy: Policy): Record<string, unknown>;
  people: readonly [ann: Person, bob: Person];
  /** The gateway listens; platforms that push are told where. */
  connected?(http: string): void;
  /** Says something; `mention` addresses the bot as the platform does it. Resolves when the platform has taken it. */
  say(person: Person, where: Where, text: string, options?: { mention?: boolean }): void | Promise<void>;
  /** Everything that the bot has said, in order; edits and removals count. */
  heard(): readonly Heard[];
  /** The platform delivers its newest event once more, as after a lost acknowledgement. Absent: it never repeats. */
  repeat?(): void | Promise<void>;
  /** The bot's connection as the platform sees it. Absent: it has none. */
  seen?(): Seen;
  close(): Promise<void>;
};

export type StageModule = {
  /** `impatient`: the platform gives up a connection within seconds, where it can be told so. */
  open(options?: { impatient?: boolean }): Promise<PlatformStage>;
  /** Why it cannot be played here, or false. */
  skip: string | false;
  /** The platform keeps what is said while nobody is connected. */
  keeps: boolean;
  threads: boolean;
  rooms: boolean;
};

/** Loads the stage of one channel. A channel without one has no tests with the whole process, and the kit says so. */
export const STAGES: Readonly<Record<string, () => Promise<StageModule>>> = {
  discord: () => import("./stages/discord.ts"),
  irc: () => import("./stages/irc.ts"),
  signal: () => import("./stages/signal.ts"),
  slack: () => import("./stages/slack.ts"),
  telegram: () => import("./stages/telegram.ts"),
  webhook: () => import("./stages/webhook.ts"),
};

/** The channels that this run is about: those of `CHANNEL_KIT`, or all. */
export const wanted = (): readonly string[] => {
  const named = process.env["CHANNEL_KIT"]?.split(",").filter(Boolean) ?? [];
  return Object.keys(STAGES).filter((id) => named.length === 0 || named.includes(id));
};
