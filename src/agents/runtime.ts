import type { AgentId, RunId, SessionKey } from "../core/ids.ts";
import type { ThinkingLevel } from "../core/thinking.ts";
import type { ToolName, ToolPermit } from "../tools/tool.ts";

/** `provider/id`, split. */
export type ModelRef = { provider: string; id: string };
export const modelName = (model: ModelRef): string => `${model.provider}/${model.id}`;

/** A turn gets exactly the granted tools; the empty list means none. */
export { effectOf, isCallable, type ToolCaller, type ToolName, type ToolPermit } from "../tools/tool.ts";

export type ImageInput = { mimeType: string; /** base64 */ data: string };

/** One stored message, as far as a runtime needs it to rebuild its context. */
export type ContextMessage = { role: "user" | "assistant"; text: string; at: number };

/** The input of one turn. All other state of the runtime can be rebuilt from it. */
export type Turn = {
  runId: RunId;
  sessionKey: SessionKey;
  /** Changes at `/new` and `/reset`: a new id starts with an empty context. Letters, digits and `-` only. */
  sessionId: string;
  agentId: AgentId;
  text: string;
  images: readonly ImageInput[];
  /** The selected model, then its fallbacks. Never empty: the setup guide is a model too. */
  models: readonly ModelRef[];
  thinking: ThinkingLevel;
  tools: readonly ToolName[];
  /** Absolute path; the agent's files and the working directory of its tools. */
  workspace: string;
  /** Added to the system prompt (who is talking, over which channel); facts from the gateway, never text of a sender. */
  conversationContext: string;
  /** Instead of the system prompt of the agent. */
  system?: string;
  /** Added to the system prompt: the list of the skills that the agent may read; empty for none. */
  skills?: string;
  /** Only owners read the conversation, so that the notes about them may be part of the system prompt. */
  isPrivate: boolean;
  /** Notes must be written before the conversation is shortened: until then less of the window stays free. */
  defersCompaction?: boolean;
  /** The trace that requests to providers continue; absent: none is named to them. */
  trace?: { traceId: string; sampled: boolean };
  /**
   * Position of the runtime's own context after the last turn that the gateway stored. Opaque to the caller, made by
   * the runtime in `end.checkpoint`. A context that is ahead of it (after a crash) is truncated to it; one that is behind or
   * lost is rebuilt from `history()`.
   */
  checkpoint: string | null;
  /** The earlier messages of this session, oldest first, without those of this turn. */
  history: () => readonly ContextMessage[];
  /** Asked before a model gets the prompt, where something limits what models may be asked; after a refusal the model is not asked. */
  beforeModel?: (terms: ModelTerms) => Promise<{ allow: true } | { allow: false; failure: TurnFailure }>;
  /**
   * Asked before each tool call runs; the runtime waits for the answer. The caller stores the call first, so that a crash
   * never replays it. After a rejection or an abort it must not run.
   */
  beforeTool: (call: {
    id: string;
    name: string;
    args: unknown;
  }) => Promise<{ allow: true; permit: ToolPermit } | { allow: false; reason: string }>;
  /**
   * Asked before an agent with tools of its own gets the prompt, by its name. The caller stores it first: what such an agent does is never
   * repeated after a crash. `permit`: for whom it acts. Absent: no such agent may run.
   */
  beforeAgent?: (name: string) => Promise<{ allow: true; permit: ToolPermit } | { allow: false; reason: string }>;
};

/** No context of the runtime matches this checkpoint: the next turn rebuilds it from `history()`. */
export const REBUILD_CHECKPOINT = "rebuild";

export type TokenUsage = { input: number; output: number; cacheRead: number; cacheWrite: number; totalTokens: number; costUsd: number };

/** Price in US dollars per million tokens. */
export type ModelPrice = { input: number; output: number; cacheRead: number; cacheWrite: number };

/** What is known of a model before it is asked. */
export type ModelTerms = {
  model: ModelRef;
  /** Tokens; 0 when unknown. */
  contextWindow: number;
  /** Tokens of an answer at most; 0 when unknown. */
  maxTokens: number;
  /** Null: the price is not known. */
  price: ModelPrice | null;
};

/** Cost in US dollars, by kind of tokens. */
export type CallCost = ModelPrice;

/** One request to a model that has ended. */
export type ModelCall = {
  purpose: "answer" | "summary";
  model: ModelRef;
  usage: TokenUsage;
  /** By the catalog of the runtime; null: it has no price of the model. */
  cost: CallCost | null;
  status: "ok" | "error" | "aborted";
  durationMs: number;
  /** From the request to the first piece of the answer; null: there was none. */
  firstTokenMs: number | null;
};

export type ErrorKind =
  | "auth"
  | "billing"
  | "rate_limit"
  | "overloaded"
  | "context_length"
  | "model_not_found"
  | "timeout"
  | "refusal"
  | "network"
  /** The stream ended before the answer was complete. */
  | "cut"
  /** The answer was empty or had another format. */
  | "bad_answer"
  /** The answer, the thinking or a tool call was longer than its limit. */
  | "too_long"
  /** The model did not stop calling tools. */
  | "tool_loop"
  /** A budget is used up. */
  | "budget"
  | "crashed"
  | "unknown";

/** Why a turn failed. */
export type TurnFailure = {
  kind: ErrorKind;
  message: string;
  httpStatus?: number;
  /** The wait that the provider requested. */
  retryAfterMs?: number;
  /** `provider`: `message` is what a provider or its client library said, which is for logs and operators, not for people in a chat. */
  origin?: "provider";
};

/** One piece of an assistant message, in order. */
export type ContentBlock =
  | { type: "text"; text: string }
  | { type: "thinking"; thinking: string }
  | { type: "toolCall"; id: string; name: string; arguments: unknown };

/** The events of a turn, in order. `end` is always the last event; failure and abort are values of it, never exceptions. */
export type AgentEvent =
  /** The runtime accepted the prompt; `model` answers. Repeated when a fallback takes over. */
  | { type: "started"; model: ModelRef; contextWindow: number; /** Why the model before it failed. */ after?: ErrorKind }
  /** A request to the provider begins. `spanId`: the span that the request names as its parent. */
  | { type: "request"; spanId: string }
  | { type: "text"; delta: string }
  | { type: "thinking"; delta: string }
  | { type: "tool"; phase: "start"; id: string; name: string; args: unknown }
  | { type: "tool"; phase: "update"; id: string; name: string; partial: string }
  | { type: "tool"; phase: "end"; id: string; name: string; result: string; isError: boolean; durationMs: number }
  /** A request to a model has ended, also one that failed or that made a summary. It precedes its `message`. */
  | { type: "call"; call: ModelCall }
  /** A complete assistant message; it does not change any more. A turn with tools has several. */
  | { type: "message"; blocks: readonly ContentBlock[]; model: ModelRef; usage: TokenUsage; stopReason: string }
  /** The last message failed and is requested again: its output is withdrawn. */
  | { type: "retry"; attempt: number; maxAttempts: number; delayMs: number; reason: string; kind?: ErrorKind }
  /** The turn waits for something that takes long; `untilMs` where the end of the wait is known (milliseconds from now). */
  | { type: "waiting"; for: "model" | "provider" | "process"; forMs: number; untilMs?: number }
  /** The link to the gateway `name` is down; the message is kept for `untilMs`. */
  | { type: "waiting"; for: "peer"; forMs: number; untilMs: number; name: string }
  /** `isDone`: the conversation is shorter now. */
  | { type: "compaction"; phase: "start" | "end"; reason: string; isDone?: boolean }
  /** A steered message has entered the context of the running turn. */
  | { type: "steered"; runId: RunId }
  | {
      type: "end";
      reason: "stop" | "aborted" | "error";
      checkpoint: string | null;
      error?: TurnFailure;
    };

export type RuntimeStatus = {
  state: "starting" | "ready" | "degraded" | "stopped";
  /** Why, when not ready; one sentence. */
  cause?: string;
  /** False while no turn can run because processes keep failing. */
  canRun: boolean;
  processes: number;
  busy: number;
  restarts: number;
  /** The processes that serve several sessions each. */
  hosts?: readonly HostStatus[];
  /** Agents that are programs of others, one process for each conversation. */
  agents?: readonly AgentProcessStatus[];
};

/** An option of an agent that takes one of several values. */
export type AgentOption = { id: string; value: string; values: readonly string[] };

/** One process of an agent that is a program of another vendor. */
export type AgentProcessStatus = {
  /** By which people call it. */
  name: string;
  sessionKey: SessionKey;
  pid: number | null;
  state: "starting" | "ready" | "busy";
  /** What it says of itself; empty until it is ready. */
  version: string;
  /** The id of its own session; null until it has one. */
  agentSessionId: string | null;
  mode: string | null;
  model: string | null;
  /** What it can be set to. */
  modes: readonly string[];
  models: readonly string[];
  /** Its other options, with their values. */
  options: readonly AgentOption[];
  /** Its session survives the end of its process. */
  canReopen: boolean;
};

/** One process that serves several sessions. */
export type HostStatus = {
  kind: "shared";
  /** Whose sessions share it. */
  group: string;
  pid: number;
  state: "starting" | "ready" | "ended";
  sessions: number;
  running: number;
  residentBytes?: number;
};

/** Runs turns. It may be a local child, a remote worker or another gateway. */
export interface AgentRuntime {
  /** Starts to warm up; returns at once. Called after the socket listens. */
  start(): void;
  /**
   * One turn. Never throws; emits exactly one `end`. At most one turn per session at a time (the caller's
   * lane guarantees it). Aborting `signal` yields `end` within 10 s, with the partial text kept in earlier events.
   */
  prompt(turn: Turn, signal: AbortSignal): AsyncIterable<AgentEvent>;
  /**
   * Adds a message to the turn that runs in `sessionKey`. Resolves to true once the message has entered the context (its
   * `steered` event has then been emitted), and to false once it is certain that it never will: no turn runs, the turn ended
   * or was aborted first, or the runtime crashed. After false the caller queues it; the runtime no longer has it. Resolves
   * before the turn's `end` at the latest, which can be minutes away, so do not await it where the turn's events are read.
   */
  steer(sessionKey: SessionKey, message: { runId: RunId; text: string; images: readonly ImageInput[] }): Promise<boolean>;
  /**
   * Shortens the context of an idle session; resolves to the new checkpoint. Throws GatewayError when it cannot, with
   * `details.code` NOTHING_TO_COMPACT when the context is short already.
   */
  compact(
    turn: Omit<Turn, "runId" | "text" | "images" | "beforeTool">,
    instructions: string | undefined,
  ): Promise<{ checkpoint: string | null; tokensBefore: number; summary: string; call?: ModelCall }>;
  /** Removes what the runtime keeps of one session (files, processes). Unknown ids are fine. */
  forget(agentId: AgentId, sessionId: string): Promise<void>;
  status(): RuntimeStatus;
  /** Ends every child within 2 s. Running turns end as aborted. */
  stop(): Promise<void>;
}
