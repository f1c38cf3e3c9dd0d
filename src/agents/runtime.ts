import type { AgentId, RunId, SessionKey } from "../core/ids.ts";
import type { ThinkingLevel } from "../core/thinking.ts";

/** `provider/id`, split. */
export type ModelRef = { provider: string; id: string };
export const modelName = (model: ModelRef): string => `${model.provider}/${model.id}`;

/** Pi's built-in tools. A turn gets exactly the granted ones; the empty list means none. */
export type ToolName = "read" | "write" | "edit" | "bash";

export type ImageInput = { mimeType: string; /** base64 */ data: string };

/** The part of a stored message that a runtime needs to rebuild its context. */
export type ContextMessage = { role: "user" | "assistant"; text: string; at: number };

/** All input of one turn. The runtime keeps no other state between turns that cannot be rebuilt from it. */
export type Turn = {
  runId: RunId;
  sessionKey: SessionKey;
  /** Changes at `/new` and `/reset`: a new one starts with an empty context. Letters, digits and `-` only. */
  sessionId: string;
  agentId: AgentId;
  text: string;
  images: readonly ImageInput[];
  /** The selected model, then its fallbacks. Never empty: the setup guide is a model, too. */
  models: readonly ModelRef[];
  thinking: ThinkingLevel;
  tools: readonly ToolName[];
  /** Absolute path; the agent's files and the working directory of its tools. */
  workspace: string;
  /** Added to the system prompt (sender, channel); facts from the server, never text of a sender. */
  conversationContext: string;
  /**
   * Position of the runtime's context after the last stored turn. Opaque to the caller, created by
   * the runtime in `end.checkpoint`. A context that is ahead of it (a crash) is truncated to it; one that is behind or
   * lost is rebuilt from `history()`.
   */
  checkpoint: string | null;
  /** Earlier messages of the session, oldest first, without those of this turn. */
  history: () => readonly ContextMessage[];
  /**
   * Called before each tool call runs; the runtime waits for the answer. The caller stores the call first, so that a crash
   * never repeats it. A rejection or an abort means: do not run it.
   */
  beforeTool: (call: { id: string; name: string; args: unknown }) => Promise<{ allow: true } | { allow: false; reason: string }>;
};

export type TokenUsage = { input: number; output: number; cacheRead: number; cacheWrite: number; totalTokens: number; costUsd: number };

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
  /** Invalid response: an unexpected format, or empty. */
  | "bad_answer"
  /** The answer, the reasoning or a tool call exceeded its limit. */
  | "too_long"
  /** The model did not stop calling tools. */
  | "tool_loop"
  | "crashed"
  | "unknown";

/** Why a turn failed. */
export type TurnFailure = {
  kind: ErrorKind;
  message: string;
  httpStatus?: number;
  /** Delay that the provider requested. */
  retryAfterMs?: number;
  /** `provider`: `message` is text of a provider or its client library, for logs and operators, not for people in a chat. */
  origin?: "provider";
};

/** One piece of an assistant message, in order. */
export type ContentBlock =
  | { type: "text"; text: string }
  | { type: "thinking"; thinking: string }
  | { type: "toolCall"; id: string; name: string; arguments: unknown };

/** Events of a runtime, in order. `end` is always the last event; failure and abort are values of it, never exceptions. */
export type AgentEvent =
  /** The runtime accepted the prompt; `model` answers. Emitted again when a fallback takes over. */
  | { type: "started"; model: ModelRef; contextWindow: number }
  | { type: "text"; delta: string }
  | { type: "thinking"; delta: string }
  | { type: "tool"; phase: "start"; id: string; name: string; args: unknown }
  | { type: "tool"; phase: "update"; id: string; name: string; partial: string }
  | { type: "tool"; phase: "end"; id: string; name: string; result: string; isError: boolean; durationMs: number }
  /** A complete, final assistant message. A turn with tools has several. */
  | { type: "message"; blocks: readonly ContentBlock[]; model: ModelRef; usage: TokenUsage; stopReason: string }
  /** The last message failed and is retried: its partial text is discarded. */
  | { type: "retry"; attempt: number; maxAttempts: number; delayMs: number; reason: string; kind?: ErrorKind }
  /** The turn is waiting; `untilMs` if the remaining time is known (milliseconds). */
  | { type: "waiting"; for: "model" | "provider" | "process"; forMs: number; untilMs?: number }
  | { type: "compaction"; phase: "start" | "end"; reason: string }
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
  /** The cause if not ready; one sentence. */
  cause?: string;
  processes: number;
  busy: number;
  restarts: number;
};

/** Runs agents: a local child process, a remote worker or another gateway. */
export interface AgentRuntime {
  /** Starts warming up; returns immediately. Called after the socket listens. */
  start(): void;
  /**
   * Runs one turn. Never throws and ends with exactly one `end`. At most one turn per session at a time (ensured by the caller's
   * lane). Aborting `signal` yields `end` within 10 s, with the partial text in earlier events.
   */
  prompt(turn: Turn, signal: AbortSignal): AsyncIterable<AgentEvent>;
  /**
   * Steers a message into the running turn of `sessionKey`. Resolves to true once the message has entered the context (its
   * `steered` event has then been emitted), and to false once it is certain that it never will: no turn runs, the turn ended
   * or was aborted first, or the runtime crashed. False means: queue it; the runtime no longer has it. Resolves
   * no later than the turn's `end`, which can take minutes, so do not await it in the loop that reads the turn's events.
   */
  steer(sessionKey: SessionKey, message: { runId: RunId; text: string; images: readonly ImageInput[] }): Promise<boolean>;
  /**
   * Compacts the context of an idle session; resolves to the new checkpoint. Throws GatewayError on failure, with
   * `details.code` NOTHING_TO_COMPACT if the context is already short.
   */
  compact(
    turn: Omit<Turn, "runId" | "text" | "images" | "beforeTool">,
    instructions: string | undefined,
  ): Promise<{ checkpoint: string | null; tokensBefore: number; summary: string }>;
  /** Removes the runtime's data of one session (files, processes). Unknown ids are ignored. */
  forget(agentId: AgentId, sessionId: string): Promise<void>;
  status(): RuntimeStatus;
  /** Ends every child within 2 s. Running turns end as aborted. */
  stop(): Promise<void>;
}
