/** The parts of protocol v4 that this page reads. Everything from the server is optional until it has been looked at. */

export type ProtocolError = {
  code: string;
  message: string;
  details?: Record<string, unknown>;
  retryable?: boolean;
  retryAfterMs?: number;
};

export type EventFrame = { type: "event"; event: string; payload?: unknown; seq?: number };
export type ResponseFrame = { type: "res"; id: string; ok: boolean; payload?: unknown; error?: ProtocolError };
export type ServerFrame = EventFrame | ResponseFrame;

export type HelloPayload = {
  protocol: number;
  server: { version: string; connId: string };
  features: { methods: readonly string[]; events: readonly string[] };
  snapshot: { sessionDefaults?: { defaultAgentId?: string; mainSessionKey?: string } };
  auth: { scopes?: readonly string[]; deviceToken?: string };
  policy: { tickIntervalMs?: number; maxPayload?: number; attachments?: { maxBytes?: number; maxImageBytes?: number } };
};

export type ContentPart = {
  type: string;
  text?: string;
  thinking?: string;
  id?: string;
  name?: string;
  arguments?: unknown;
  data?: string;
  mimeType?: string;
  url?: string;
  fileName?: string;
  sizeBytes?: number;
};

export type UsagePayload = { input?: number; output?: number; totalTokens?: number; cost?: { total?: number } };

/** One stored message, as `chat.history` and `session.message` give it. */
export type TranscriptRow = {
  role: string;
  content: string | readonly ContentPart[];
  timestamp?: number;
  provider?: string;
  model?: string;
  stopReason?: string;
  errorMessage?: string;
  errorKind?: string;
  errorDetail?: unknown;
  idempotencyKey?: string;
  toolCallId?: string;
  toolName?: string;
  isError?: boolean;
  durationMs?: number;
  details?: unknown;
  openclawAbort?: unknown;
  usage?: UsagePayload;
  __openclaw?: {
    id?: string;
    seq?: number;
    runId?: string;
    recordTimestampMs?: number;
    kind?: string;
    idempotencyKey?: string;
    senderIsOwner?: boolean;
    senderId?: string;
    senderName?: string;
    transport?: { channel?: string };
  };
};

export type AgentEventPayload = {
  runId: string;
  seq: number;
  stream: string;
  ts?: number;
  data?: Record<string, unknown>;
  sessionKey?: string;
};

export type ChatEventPayload = {
  runId: string;
  sessionKey: string;
  seq: number;
  state: "status" | "delta" | "final" | "aborted" | "error";
  phase?: string;
  deltaText?: string;
  replace?: boolean;
  message?: { content?: string | readonly ContentPart[] };
  stopReason?: string;
  errorMessage?: string;
  errorKind?: string;
  errorDetail?: unknown;
};

export type InFlightRun = { runId: string; text?: string; seq?: number; startedAt?: number; events?: readonly AgentEventPayload[] };

/** Answer of `chat.startup` and `chat.history`. */
export type HistoryPayload = {
  sessionKey: string;
  sessionId?: string;
  messages: readonly TranscriptRow[];
  hasMore?: boolean;
  nextOffset?: number | null;
  totalMessages?: number;
  sessionInfo?: SessionListRow;
  inFlightRun?: InFlightRun;
};

export type SessionListRow = {
  key: string;
  sessionId?: string;
  agentId?: string;
  classification?: string;
  isMain?: boolean;
  label?: string | null;
  displayName?: string | null;
  derivedTitle?: string | null;
  lastMessagePreview?: string | null;
  updatedAt?: number | null;
  createdAt?: number | null;
  archived?: boolean;
  pinned?: boolean;
  /** The group that a person has put it into. */
  category?: string | null;
  unread?: boolean;
  model?: string | null;
  modelProvider?: string | null;
  modelOverrideSource?: string | null;
  effectiveQueueMode?: string;
  queuedInputs?: number;
  channel?: string;
  chatType?: string;
  inputTokens?: number;
  outputTokens?: number;
  /** Tokens of the context, and how many of them fit. */
  totalTokens?: number;
  contextTokens?: number;
  estimatedCostUsd?: number;
  status?: string;
  hasActiveRun?: boolean;
  activeRunIds?: readonly string[];
};

export type SessionsDefaults = { model?: string | null; modelProvider?: string | null };
export type SessionsList = {
  sessions: readonly SessionListRow[];
  defaults?: SessionsDefaults;
  totalCount?: number;
  nextOffset?: number | null;
};

export type ModelRow = { id: string; name?: string; provider: string; contextWindow?: number; reasoning?: boolean; available?: boolean };
export type CommandRow = {
  name: string;
  description?: string;
  textAliases?: readonly string[];
  acceptsArgs?: boolean;
  args?: readonly { name: string; choices?: readonly { value: string }[] }[];
};

/** The parts of a message. Whatever is none is left out: a row of an unknown shape shows less, it does not fail. */
export function toContentParts(content: unknown): readonly ContentPart[] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  if (!Array.isArray(content)) return [];
  return content.filter((part): part is ContentPart => typeof part === "object" && part !== null && typeof part.type === "string");
}

/** Joins the text parts of a message; everything else is left out. */
export function contentText(content: string | readonly ContentPart[] | undefined): string {
  return toContentParts(content)
    .filter((part) => part.type === "text" && typeof part.text === "string")
    .map((part) => part.text)
    .join("\n\n");
}
