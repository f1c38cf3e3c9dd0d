import type { ToolName } from "../agents/runtime.ts";
import type { MediaRef, ReplyTarget } from "../channels/channel.ts";
import type { ParsedCommand } from "../core/chat-commands.ts";
import type { AgentId, RunId, SessionKey } from "../core/ids.ts";
import type { RouteReason } from "../core/timeline.ts";
import type { QueueMode } from "../core/queue-modes.ts";
import type { ApprovalResolver } from "../store/approvals.ts";
import type { InboxRow, InboxState, RunOutcome } from "../store/inbox.ts";
import type { StoredImage } from "../store/media.ts";
import type { Provenance } from "../store/messages.ts";
import type { SessionRow } from "../store/sessions.ts";
import type { RoomTools } from "../routing/account-policy.ts";
import { conversationOf } from "./outbound.ts";

/** What is stored with an admitted message; enough to run it after a restart. */
export type Payload = {
  /** `command`: a chat command that has to keep its place in the lane. */
  kind: "message" | "command";
  /** What the person wrote. */
  text: string;
  /** Group lines that came before and were not addressed to the agent; given to it as context. */
  context: string | null;
  images: readonly StoredImage[];
  /** Files that are fetched when the turn begins; null for each one that is here. */
  media?: readonly (AttachmentRef | null)[];
  /** What the agent reads about each file. */
  attached?: readonly string[];
  provenance: Provenance;
  /** Where the answer is delivered; null when it only goes to the session's clients. */
  target: ReplyTarget | null;
  tools: readonly ToolName[];
  /** The policy of the room that it is from, where there is one: it decides about each tool of an MCP server. */
  roomTools?: RoomTools;
  queueMode: QueueMode;
  /** Overrides for this run only. */
  model: string | null;
  thinking: string | null;
  timeoutMs: number | null;
  /** An event that could not be read, unchanged; it is never run. `ours`: it is a decoded ChannelEvent as JSON. */
  raw?: { text: string; ours: boolean; cut: boolean };
  /** The earlier message that this one answers, where the channel names one. */
  replyTo?: RepliedMessage;
  /** The agent was called in a room: by a mention, or by an answer to a message of its own. */
  addressed?: boolean;
  /** The agent in whose usage and budgets it counts, because that one has started it; absent: the agent that answers. */
  payer?: AgentId;
  /** What an operator adds to the system prompt of this run. */
  extraSystem?: string;
  /** The message asks for a skill: what follows `/skill`. */
  skill?: string;
  /** The client's trace, which that of the run continues. */
  traceparent?: string;
  /** When the sender sent it, by the clock of the platform. */
  sentAt?: number;
  /** Why it is answered, and by this agent; absent for messages that name their session. */
  route?: RouteReason;
  /** It is a heartbeat: it gives way to every other message, and its answer is sent only when it has something to say. */
  heartbeat?: { ackMaxChars: number };
  /** The agent writes its notes before its conversation is shortened: nothing is delivered. `target`: where the answers of the conversation go. */
  flush?: { target: ReplyTarget | null };
};

/** Turns that no one asked for: people see nothing of them unless they have something to say. */
export const isQuiet = (payload: Pick<Payload, "heartbeat" | "flush"> | null | undefined): boolean =>
  payload?.heartbeat !== undefined || payload?.flush !== undefined;

/** What a turn needs of the stored row of a message. The payload is null when it was damaged on disk. */
export type RunRow = Pick<InboxRow<Payload>, "runId" | "sessionKey" | "agentId" | "channel" | "account" | "payload" | "receivedAt">;

/** A file of a message, or of the message that it answers. */
export type AttachmentRef = MediaRef & { ofReplied?: true };

/** An earlier message, as far as its channel gives it. */
export type RepliedMessage = {
  /** Empty where it is not known. */
  text: string;
  /** Its sender, in one line; null where the channel does not say. */
  from: string | null;
  /** It is one of the agent's own. */
  isSelf: boolean;
};

/** A message on its way in, from any source: channel, WebChat, RPC, HTTP. */
export type Submission = Omit<Payload, "kind"> & {
  /** `webchat`, `rpc`, `http` or a channel id; with `account` the space in which `eventId` is unique. */
  channel: string;
  account: string;
  /** The client's idempotency key or the platform's event id. */
  eventId: string;
  /** The platform's message that the event is about, so that a later edit of it finds the row; see messageRef. */
  messageRef?: string;
  /** Absent: a fresh id. RPC clients name their run by the idempotency key. */
  runId?: RunId;
  agentId: AgentId;
  sessionKey: SessionKey;
  chatKind: SessionRow["chat_kind"];
  /** `own`: commands of this sender change only what belongs to the sender. Default: everything. */
  commandScope?: "all" | "own";
  /** As whom the sender answers questions about commands; absent: the sender may not. */
  approver?: ApprovalResolver;
  /** Checks the session as it is in the transaction that admits the message; throws to refuse it. Not asked about a repeated event. */
  precondition?: (session: SessionRow | undefined) => void;
  /** The chat command that the text is; null: it is not read as one. Absent: admission reads the text. */
  command?: ParsedCommand | null;
  /** The message begins a conversation of its own in its session, unless a turn runs or waits there. */
  newConversation?: boolean;
  /** The lane is full: keep the message for an operator instead of refusing it. */
  deadLetter?: boolean;
  /** The name of a session that this message makes; default: who writes, the room, or its first line. */
  title?: string;
  /** The session whose waiting system events it takes besides those of its own. */
  eventsOf?: SessionKey;
};

export type SubmitResult = {
  runId: RunId;
  sessionKey: SessionKey;
  agentId: AgentId;
  /** True: this event was here before; nothing was done. */
  duplicate: boolean;
  state: InboxState;
  outcome: RunOutcome | null;
};

/** The part of a submission that is stored with the message. */
export function toPayload(submission: Submission, kind: "message" | "command"): Payload {
  const { text, context, images, provenance, target, tools, queueMode, model, thinking, timeoutMs } = submission;
  const { addressed, media, attached, replyTo, extraSystem, roomTools, skill, traceparent, sentAt, route, heartbeat, payer, flush } =
    submission;
  const payload = { kind, text, context, images, provenance, target, tools, queueMode, model, thinking, timeoutMs };
  return {
    ...payload,
    ...(addressed ? { addressed } : {}),
    ...(roomTools ? { roomTools } : {}),
    ...(replyTo ? { replyTo } : {}),
    ...(media ? { media } : {}),
    ...(media || attached?.length ? { attached: attached ?? [] } : {}),
    ...(extraSystem ? { extraSystem } : {}),
    ...(payer ? { payer } : {}),
    ...(skill ? { skill } : {}),
    ...(traceparent ? { traceparent } : {}),
    ...(sentAt === undefined ? {} : { sentAt }),
    ...(route ? { route } : {}),
    ...(heartbeat ? { heartbeat } : {}),
    ...(flush ? { flush } : {}),
  };
}

type MessageOrigin = Pick<Payload, "provenance" | "target">;

/** Whether two messages come from one person: in one direct conversation, or from one sender in a room. */
export function isSameSender(a: MessageOrigin, b: MessageOrigin | null | undefined): boolean {
  if (!b?.target || !a.target || conversationOf(a.target) !== conversationOf(b.target)) return false;
  return a.target.chat.kind === "direct" || (a.provenance.senderId !== undefined && a.provenance.senderId === b.provenance.senderId);
}

/** What a person sees of a message in the transcript: the words, and what came with them. */
export const toTranscriptText = ({ text, attached = [] }: Pick<Payload, "text" | "attached">): string =>
  [text, ...attached].filter(Boolean).join("\n\n");

/** The result for the source of a message. */
export const toSubmitResult = (row: InboxRow, duplicate: boolean): SubmitResult => ({
  runId: row.runId,
  sessionKey: row.sessionKey,
  agentId: row.agentId,
  duplicate,
  state: row.state,
  outcome: row.outcome,
});

/** A name for a session until someone gives it one: the person or the room on a channel, else the first line of its first message. */
export function sessionTitle({
  text,
  target,
  chatKind,
  provenance,
}: Pick<Submission, "text" | "target" | "chatKind" | "provenance">): string | null {
  if (target) {
    const name = chatKind === "direct" ? (provenance.senderName ?? provenance.senderId) : (provenance.roomName ?? target.chat.id);
    return truncateTitle(name ?? target.chat.id);
  }
  // Editors put the directory in which they were opened in front of what the person wrote.
  const line = text
    .trimStart()
    .replace(/^\[Working directory: [^\]\n]*\]\s*/, "")
    .split("\n", 1)[0]!
    .trim();
  return line === "" || line.startsWith("/") ? null : truncateTitle(line);
}

const truncateTitle = (name: string): string => (name.length > 60 ? `${name.slice(0, 59)}…` : name);
