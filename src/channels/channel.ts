import type { AccountId, ChatId, ChannelId, MessageId, SenderId } from "../core/ids.ts";
import type { Log } from "../core/log.ts";

export type ChatKind = "direct" | "group" | "channel";

/** A message as a platform gave it, in our words. Made by the channel's pure `decode`; text in it is data from outside. */
export type Inbound = {
  /** Identifies the event for ever within (channel, account): the deduplication key. */
  eventId: string;
  account: AccountId;
  chat: { kind: ChatKind; id: ChatId; title?: string };
  /** Thread or topic inside the chat: a lane of its own. */
  thread?: { id: string };
  /** The chat that a thread belongs to, where routing rules may match it. */
  parent?: { kind: ChatKind; id: ChatId };
  /** Where the platform has them, for bindings. */
  guildId?: string;
  teamId?: string;
  /** `aliases`: other ids of the same person that the platform vouches for; access lists and pairings may name any of them. */
  sender: { id: SenderId; aliases?: readonly SenderId[]; name?: string; isBot: boolean; isSelf: boolean; roles?: readonly string[] };
  message: MessageId;
  text: string;
  media: readonly MediaRef[];
  /** The bot itself was addressed: native mention, or by name as the platform does it. */
  mentionsSelf: boolean;
  replyTo?: { id: MessageId; text?: string; isSelf: boolean };
  /** Platform time, ms. */
  sentAt: number;
  /** `backfill`: read from history after a gap; old ones are recorded, not answered. */
  origin: "live" | "backfill";
};

/** A file that can be fetched later. `sizeBytes` is known before the download, or the file is refused. */
export type MediaRef = {
  kind: "image" | "file" | "audio" | "video";
  name: string;
  mimeType: string;
  sizeBytes: number | null;
  url: string;
};

/** Where a reply goes. Stored with the message as JSON, so that it survives a restart. */
export type Target = { channel: ChannelId; account: AccountId; chat: { kind: ChatKind; id: ChatId }; thread?: string; replyTo?: MessageId };

/** One visible piece of a reply, already within the channel's limits. `key` is stable across retries (idempotency key). */
export type Part = { key: string; target: Target; text: string };

/**
 * `sent`: the platform has it. `refused`: certainly not sent; `retryable` says whether trying again can help.
 * Throwing anything means that nobody knows: the part becomes `unknown` and is reported, never blindly repeated.
 */
export type SendResult =
  | { state: "sent"; ids: readonly MessageId[] }
  | { state: "refused"; retryable: boolean; retryAfterMs?: number; reason: string };

export type LinkState = "stopped" | "connecting" | "ready" | "degraded" | "backoff" | "terminal";

/** What a channel can do; the core asks for abilities, never for names. */
export type Abilities = {
  chatKinds: readonly ChatKind[];
  /** Longest text of one part, measured as the platform does after rendering. */
  maxText: { unit: "utf16" | "utf8"; value: number };
  markup: "plain" | "markdown" | "html";
  /** How an inbound event is confirmed: a cursor, each event, a resumable session, or not at all (then ids are local). */
  ack: "cursor" | "event" | "session" | "none";
  /** How a repeated send is recognised: a key, a look-up, or not at all (then an interrupted send is `unknown`). */
  idempotency: "key" | "lookup" | "none";
  edit: boolean;
  typing: boolean;
  reactions: boolean;
  media: { in: boolean; out: boolean };
  /** A listed room admits all its members unless it names senders. Default: senders must be listed too. */
  roomAdmitsMembers?: boolean;
};

/** A live connection of one account. One object serves both directions; senders look it up at send time. */
export interface Link {
  /** Sends one part. See SendResult for what throwing means. */
  send(part: Part, signal: AbortSignal): Promise<SendResult>;
  /** Shows "is typing" for some seconds. Droppable; never throws for a refusal. */
  typing?(target: Target): Promise<void>;
  /** Replaces the text of a message that we sent. */
  edit?(id: MessageId, part: Part, signal: AbortSignal): Promise<SendResult>;
  react?(target: Target, id: MessageId, emoji: string): Promise<void>;
  remove?(target: Target, id: MessageId): Promise<void>;
  /** Finds a part by its key after a crash; null when it never arrived. Required for idempotency `lookup`. */
  lookup?(part: Part): Promise<readonly MessageId[] | null>;
}

/** All that a channel may know about the gateway, for one account. */
export interface ChannelHost {
  /**
   * Commits the events and the cursor in one transaction, then resolves; only then may the platform be acknowledged. A
   * repeated event id is a no-op. Rejects when nothing was stored (disk full): do not acknowledge, try again.
   */
  admit(events: readonly Inbound[], cursor?: string): Promise<void>;
  /** The last committed cursor; null at the first start. */
  cursor(): string | null;
  /** Proof of transport life: bytes read, a pong, a finished poll. Absence of user messages is never a fault. */
  alive(): void;
  /** The state of the link, with its cause when it is not ready. `terminal` is for what only the owner can mend. */
  state(state: Exclude<LinkState, "stopped" | "backoff">, cause?: string): void;
  readonly log: Log;
  /** What the platform makes a client keep (a linked device's keys). Present where the gateway offers it. */
  readonly vault?: Vault;
}

/** Small secrets of one account, kept by the gateway across restarts and updates; only a logout clears them. */
export interface Vault {
  read(key: string): Promise<Uint8Array | null>;
  write(key: string, value: Uint8Array): Promise<void>;
  clear(): Promise<void>;
}

/** A request that a platform pushes to us. `body` is raw, so that signatures can be checked. */
export type HookRequest = { method: string; path: string; query: string; headers: Readonly<Record<string, string>>; body: Uint8Array };
export type HookAnswer = { status: number; headers?: Readonly<Record<string, string>>; body?: string };

/** One step of an interactive login: what the person has to scan or open. */
export type LoginStep = { kind: "qr"; text: string; expiresAt: number } | { kind: "link"; url: string } | { kind: "note"; text: string };

/** Thrown by `run` when trying again cannot help: wrong credential, account banned. Everything else is retried for ever. */
export class TerminalError extends Error {
  readonly fix: string;

  constructor(message: string, fix: string) {
    super(message);
    this.name = "TerminalError";
    this.fix = fix;
  }
}

/** One problem in an account's configuration: where, what, and how to mend it. */
export type AccountIssue = { path: string; message: string; fix?: string };

/**
 * What every channel is. The host calls `run` again, with exponential back-off and jitter, whenever it returns or throws
 * without the signal being aborted; there is no last attempt.
 */
export interface Channel<Account = unknown> {
  readonly id: ChannelId;
  readonly label: string;
  readonly abilities: Abilities;
  /** Checks and completes one account's configuration (secrets already resolved). Pure. */
  parse(raw: unknown): { account: Account } | { issues: readonly AccountIssue[] };
  /** Identifies the credential, so that one account never runs twice. Never the credential itself. */
  identity(account: Account): string;
  /**
   * Connects and serves until `signal` aborts or the connection is lost. Calls `live(link)` each time that messages can be
   * sent, and `live(null)` when they cannot.
   */
  run(account: Account, host: ChannelHost, live: (link: Link | null) => void, signal: AbortSignal): Promise<void>;
  /** Verifies a credential with the platform, for `channels add`. Resolves to the bot's own name; throws with a clear reason. */
  verify(account: Account, signal: AbortSignal): Promise<{ name: string }>;
  /** The conversation that an operator names, as people write it (a room, a person); null when the text cannot name one. Pure. */
  toChat(to: string): { kind: ChatKind; id: ChatId } | null;
  /** Whether a text in a room calls the bot of this account, as `decode` would find; for `route explain`. Pure. Default: never. */
  isAddressed?(account: Account, text: string): boolean;
  /** Brings an id, or an entry of an access list, into the form of `sender.id` and `chat.id`. Pure. Default: unchanged. */
  canonicalId?(id: string): string;
  /**
   * Takes one pushed request, for channels that are called by their platform. Checks the signature first; answers 2xx only
   * after `host.admit` has resolved.
   */
  receive?(account: Account, request: HookRequest, host: ChannelHost): Promise<HookAnswer>;
  /** Links a device or signs in with the person's help; what must be kept goes into the vault. */
  login?(account: Account, vault: Vault, show: (step: LoginStep) => void, signal: AbortSignal): Promise<{ name: string }>;
  /** Ends the platform's session on purpose, before the vault is cleared. */
  logout?(account: Account, vault: Vault, signal: AbortSignal): Promise<void>;
}
