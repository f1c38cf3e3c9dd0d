import type { AccountId, ChatId, ChannelId, MessageId, SenderId } from "../core/ids.ts";
import type { Log } from "../core/log.ts";

export type ChatKind = "direct" | "group" | "channel";

/** Where something happened. */
export type ChatLocation = {
  chat: { kind: ChatKind; id: ChatId; title?: string };
  /** Thread or topic inside the chat: a lane of its own. */
  thread?: { id: string };
  /** The chat that a thread belongs to, where routing rules may match it. */
  parent?: { kind: ChatKind; id: ChatId };
  /** Where the platform has them, for bindings. */
  guildId?: string;
  teamId?: string;
};

/** `aliases`: other ids of the same person that the platform vouches for; access lists and pairings may name any of them. */
export type Sender = {
  id: SenderId;
  aliases?: readonly SenderId[];
  name?: string;
  isBot: boolean;
  isSelf: boolean;
  roles?: readonly string[];
};

type EventBase = {
  /** Identifies the event within (channel, account), permanently: the deduplication key. */
  eventId: string;
  account: AccountId;
  /** Platform time, ms. */
  sentAt: number;
  /** `backfill`: read from history after a gap; old ones are recorded, not answered. */
  origin: "live" | "backfill";
};

/** A message of a platform in the common form. Made by the channel's pure `decode`; text in it is data from outside. */
export type InboundMessage = EventBase &
  ChatLocation & {
    kind: "message";
    sender: Sender;
    message: MessageId;
    text: string;
    media: readonly MediaRef[];
    /** The bot itself was addressed: native mention, or by name as the platform does it. A native command is one, too. */
    mentionsSelf: boolean;
    replyTo?: QuotedMessage;
    /** What an answer needs to be shown as the answer to a native command (an interaction's token); goes into `Target.via`. */
    via?: string;
  };

/** The earlier message that a message answers, as far as the platform gives it. */
export type QuotedMessage = {
  id: MessageId;
  text?: string;
  sender?: Pick<Sender, "id" | "name">;
  /** Its files; pictures reach the agent together with those of the answer. */
  media?: readonly MediaRef[];
  /** The bot wrote it. */
  isSelf: boolean;
};

/** The text of an earlier message was changed. `text` is the whole new text. */
export type InboundEdit = EventBase & ChatLocation & { kind: "edit"; sender: Sender; message: MessageId; text: string };
export type InboundDelete = EventBase & ChatLocation & { kind: "delete"; message: MessageId };
export type InboundReaction = EventBase &
  ChatLocation & { kind: "reaction"; sender: Sender; message: MessageId; emoji: string; added: boolean };
/** A button was pressed. `token` is what `Button.token` said; it is checked by the gateway, never trusted. */
export type InboundPress = EventBase &
  ChatLocation & { kind: "interaction"; sender: Sender; message: MessageId; token: string; via?: string };
/** A chat has another id from now on. */
export type InboundMove = EventBase & { kind: "migration"; from: ChatId; to: ChatId };
/** An event that `decode` could not read: kept with its payload for an operator, acknowledged like every other. */
export type InboundUnreadable = EventBase & { kind: "unreadable"; raw: string; cause: string };

/** Everything that a channel hands in. */
export type ChannelEvent = InboundMessage | InboundEdit | InboundDelete | InboundReaction | InboundPress | InboundMove | InboundUnreadable;

export type MediaKind = "image" | "file" | "audio" | "video";

/** A file that can be fetched later. `sizeBytes` is known before the download, or the file is refused. */
export type MediaRef = {
  kind: MediaKind;
  name: string;
  mimeType: string;
  sizeBytes: number | null;
  /** Where it is; read only by `Link.download` of the same account. Never holds a credential. */
  url: string;
};

/** A file to be sent. `read` gives its bytes, which are on this machine already. */
export type MediaUpload = { kind: MediaKind; name: string; mimeType: string; sizeBytes: number; read: () => Promise<Uint8Array> };

/** `token` comes back in a press; opaque, at most 48 characters of [A-Za-z0-9_-]. */
export type Button = { text: string; token: string };

/** Where a reply goes. Stored with the message as JSON, so that it survives a restart. */
export type ReplyTarget = {
  channel: ChannelId;
  account: AccountId;
  chat: { kind: ChatKind; id: ChatId };
  thread?: string;
  replyTo?: MessageId;
  /** See Inbound.via. */ via?: string;
  /** Where the chat belongs, for the settings of its room. */
  guildId?: string;
  parent?: ChatId;
};

/**
 * One visible piece of a reply: a text (Markdown), or one file with an optional caption. Its rendered text is within the channel's limits.
 * `key` is stable across retries (idempotency key). It should be one message of the platform.
 */
export type OutboundPart = {
  key: string;
  target: ReplyTarget;
  text: string;
  media?: MediaUpload;
  buttons?: readonly (readonly Button[])[];
};

/**
 * `sent`: the platform has it. `refused`: certainly not sent; `retryable` says whether trying again can help, `retryAfterMs` when, and
 * `pauses` what else must wait as long (default: this conversation). `gone`: what was to be edited is not there any more.
 * A thrown error means that the outcome is unknown: the part becomes `unknown` and is reported, never blindly repeated.
 */
export type SendResult =
  | { state: "sent"; ids: readonly MessageId[] }
  | { state: "refused"; retryable: boolean; retryAfterMs?: number; pauses?: "conversation" | "account"; notFound?: true; reason: string };

export type ConnectionState = "stopped" | "connecting" | "ready" | "degraded" | "backoff" | "terminal";

/** What a channel can do; the core asks for abilities, never for names. */
export type ChannelCapabilities = {
  chatKinds: readonly ChatKind[];
  /** Longest text of one part, measured as the platform does after rendering. */
  maxText: { unit: "utf16" | "utf8"; value: number };
  markup: "plain" | "markdown" | "html";
  /** How an inbound event is confirmed: a cursor, each event, a resumable session, or not at all (then ids are local). */
  ack: "cursor" | "event" | "session" | "none";
  /** How a repeated send is recognized: a key, a look-up, or not at all (then an interrupted send is `unknown`). */
  idempotency: "key" | "lookup" | "none";
  edit: boolean;
  /** Answers are shown while they are written unless the account says otherwise; only with `edit`. Default: they are not. */
  preview?: boolean;
  typing: boolean;
  reactions: boolean;
  media: { in: boolean; out: boolean };
  /** Buttons under a message, native commands, polls. */
  buttons: boolean;
  commands: boolean;
  polls: boolean;
  /** Events beside messages that the channel hands in. */
  events: readonly ("edit" | "delete" | "reaction" | "interaction" | "migration")[];
  /** A listed room admits all its members unless it names senders. Default: senders must be listed too. */
  roomAdmitsMembers?: boolean;
};

/** A live connection of one account. One object serves both directions; senders look it up at send time. */
export interface Link {
  /** Sends one part. See SendResult for what throwing means. */
  send(part: OutboundPart, signal: AbortSignal): Promise<SendResult>;
  /** Shows "is typing" for some seconds. Droppable; never throws for a refusal. */
  typing?(target: ReplyTarget): Promise<void>;
  /** Replaces the text of a message that we sent. */
  edit?(id: MessageId, part: OutboundPart, signal: AbortSignal): Promise<SendResult>;
  /** Sets (or with `on: false` takes back) our reaction. Throws when it is refused. */
  react?(target: ReplyTarget, id: MessageId, emoji: string, on: boolean): Promise<void>;
  remove?(target: ReplyTarget, id: MessageId): Promise<void>;
  pin?(target: ReplyTarget, id: MessageId, on: boolean): Promise<void>;
  /** Opens a thread, at a message where one is given; resolves to its id, for `Target.thread`. */
  openThread?(target: ReplyTarget, name: string, at?: MessageId): Promise<string>;
  poll?(target: ReplyTarget, poll: { question: string; options: readonly string[]; multiple: boolean }): Promise<SendResult>;
  /** Fetches a file of a received message; rejects when it has more than `maxBytes` or stalls. */
  download?(ref: MediaRef, maxBytes: number, signal: AbortSignal): Promise<Uint8Array>;
  /**
   * Finds a part by its key after an attempt with an unknown outcome; null when it never arrived. Throws UnknownOutcomeError when the
   * outcome cannot be determined; after any other error it is called again later. Required for idempotency `lookup`.
   */
  lookup?(part: OutboundPart): Promise<readonly MessageId[] | null>;
}

/** All that a channel may know about the gateway, for one account. */
export interface ChannelContext {
  /**
   * Commits the events and the cursor in one transaction, then resolves; only then may the platform be acknowledged. A
   * repeated event id is a no-op. Rejects when nothing was stored (disk full): do not acknowledge, try again.
   */
  admit(events: readonly ChannelEvent[], cursor?: string): Promise<void>;
  /** The last committed cursor; null at the first start. */
  cursor(): string | null;
  /** Proof of transport life: bytes read, a pong, a finished poll. Absence of user messages is never a fault. */
  reportActivity(): void;
  /** The state of the link, with its cause when it is not ready. `terminal` is for what only the owner can fix. */
  setState(state: Exclude<ConnectionState, "stopped" | "backoff">, cause?: string): void;
  /** The platform asked to slow down; for status and metrics. */
  reportRateLimit(): void;
  /**
   * Ends this connection with what a callback of it has thrown: it is logged and counted, `run` is aborted, and called again after a
   * pause. For code without a caller to reject to: timers, socket listeners. Never throws.
   */
  fail(err: unknown): void;
  /** The chat commands that a platform may offer natively; handed in again as messages with the text "/name arguments". */
  readonly commands: readonly { name: string; description: string }[];
  readonly log: Log;
  /** What the platform makes a client keep (a linked device's keys). Present where the gateway offers it. */
  readonly vault?: CredentialVault;
}

/** Small secrets of one account, kept by the gateway across restarts and updates; only a logout clears them. */
export interface CredentialVault {
  read(key: string): Promise<Uint8Array | null>;
  write(key: string, value: Uint8Array): Promise<void>;
  clear(): Promise<void>;
}

/** A request that a platform pushes to us. `body` is raw, so that signatures can be checked. */
export type WebhookRequest = { method: string; path: string; query: string; headers: Readonly<Record<string, string>>; body: Uint8Array };
export type WebhookResponse = { status: number; headers?: Readonly<Record<string, string>>; body?: string };

/** One step of an interactive login: what the person has to scan or open. */
export type LoginStep = { kind: "qr"; text: string; expiresAt: number } | { kind: "link"; url: string } | { kind: "note"; text: string };

/** Thrown by `run` when a retry cannot help: wrong credential, account banned. Every other error is retried indefinitely. */
export class TerminalError extends Error {
  readonly fix: string;
  /** The key of the configuration whose value was refused, where that is known. */
  readonly key: string | undefined;

  constructor(message: string, fix: string, key?: string) {
    super(message);
    this.name = "TerminalError";
    this.fix = fix;
    this.key = key;
  }
}

/** Thrown by `lookup` when asking again cannot help: the platform has no answer to give, or does not let us ask. */
export class UnknownOutcomeError extends Error {
  override readonly name = "UnknowableError";
}

/** Where the credential comes from, and how the connection can be tried out; sentences for people. */
export type SetupGuide = {
  text: string;
  link?: { label: string; url: string };
  /** Default: a message to the bot. */
  test?: string;
};

/** One problem in an account's configuration: where, what, and how to fix it. */
export type AccountIssue = { path: string; message: string; fix?: string };

/**
 * What every channel is. The host calls `run` again, with exponential back-off and jitter, whenever it returns or throws
 * without the signal being aborted; there is no last attempt.
 */
export interface Channel<Account = unknown> {
  readonly id: ChannelId;
  readonly label: string;
  readonly capabilities: ChannelCapabilities;
  /** Configuration key -> environment variable used when the key is absent, for the account `default` only. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Keys beside the required ones that a form asks for, such as `transport.url`. Default: every secret one. */
  readonly setup?: readonly string[];
  /** What a form says to the person who connects an account. */
  readonly guide?: SetupGuide;
  /**
   * Completes the keys of one account; pure. The schema of a built-in channel has checked them, so that `parse` looks only at what a schema
   * cannot say: keys that need each other, the content of credentials (always `Secret`), where a credential may go. Keys that are absent or
   * were not valid are missing. A plugin has no schema: its keys come as they are written, and it checks all of them.
   */
  parse(raw: unknown): { account: Account } | { issues: readonly AccountIssue[] };
  /** Identifies the credential, so that one account never runs twice. Never the credential itself. */
  identity(account: Account): string;
  /**
   * Connects and serves until `signal` aborts or the connection is lost. Calls `live(link)` each time that messages can be
   * sent, and `live(null)` when they cannot.
   */
  run(account: Account, host: ChannelContext, live: (link: Link | null) => void, signal: AbortSignal): Promise<void>;
  /** Verifies a credential with the platform, for `channels add`. Resolves to the bot's own name; throws with a clear reason. */
  verify(account: Account, signal: AbortSignal): Promise<{ name: string }>;
  /** The conversation that an operator names, as people write it (a room, a person); null when the text cannot name one. Pure. */
  parseChat(to: string): { kind: ChatKind; id: ChatId } | null;
  /** A Markdown text as the platform counts it against `maxText`, so that parts are cut by what is shown. Pure. Default: as it is. */
  toRenderedText?(text: string): string;
  /** Whether a text in a room calls the bot of this account, as `decode` would find; for `route explain`. Pure. Default: never. */
  isAddressed?(account: Account, text: string): boolean;
  /** Brings an id, or an entry of an access list, into the form of `sender.id` and `chat.id`. Pure. Default: unchanged. */
  canonicalId?(id: string): string;
  /**
   * Decodes the `raw` of an "unreadable" event again, when an operator retries it (e.g. after an update); null when it still cannot
   * be decoded. `now` is the current time in milliseconds. Pure.
   */
  redecode?(raw: string, now: number): ChannelEvent | null;
  /**
   * Takes one pushed request, for channels that are called by their platform. Checks the signature first; answers 2xx only
   * after `host.admit` has resolved.
   */
  handleWebhook?(account: Account, request: WebhookRequest, host: ChannelContext): Promise<WebhookResponse>;
  /** Headers, in lower case, that every signed request carries: without one of them its body is not even read. Default: none. */
  readonly requiredWebhookHeaders?: readonly string[];
  /** Links a device or signs in with the person's help; what must be kept goes into the vault. */
  login?(account: Account, vault: CredentialVault, show: (step: LoginStep) => void, signal: AbortSignal): Promise<{ name: string }>;
  /** Ends the platform's session on purpose, before the vault is cleared. */
  logout?(account: Account, vault: CredentialVault, signal: AbortSignal): Promise<void>;
}
