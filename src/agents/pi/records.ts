import type { ToolContent, ToolDescription, ToolResult } from "../../tools/tool.ts";
import type { GuideFacts } from "./guide.ts";

/** Title of the request with which a stock Pi process asks for the grant of a run; the gateway answers it and cancels unknown ones. */
export const TURN_REQUEST = "openclaw:turn";

/** Title of the request with which a stock Pi process asks for a tool call; `placeholder` carries a `ToolQuestion` as JSON. */
export const TOOL_REQUEST = "openclaw:tool";

/** Prefix of a notice that a provider requested a wait: ` <ms> waits` or ` <ms> fails`. */
export const WAIT_NOTICE = "openclaw:wait";

/** Prefix of a notice that a request to a provider begins: ` <span id>`. */
export const REQUEST_NOTICE = "openclaw:request";

/** What one run may do, from the gateway. `providerWaitMs`: how long a provider may make this run wait, in all. */
export type TurnGrant = {
  system: string;
  tools: readonly ToolDescription[];
  facts?: GuideFacts;
  providerWaitMs?: number;
  /** Less of the context window stays free. */
  defersCompaction?: boolean;
  /** The trace that requests to providers continue. */
  trace?: { traceId: string; sampled: boolean };
};

/** A tool call that the gateway is to run. */
export type ToolRequest = { id: string; name: string; args: unknown };

/** Sent by a stock process: a call, or the question for what follows the last update of a call. */
export type ToolQuestion = ToolRequest | { id: string; next: true };

/** The gateway's answer: an intermediate result, after which more follows, or the result. */
export type ToolReply = { update: readonly ToolContent[] } | ToolResult;

/** Records of the shared host, beside Pi's own; `s` is the number of the session. */
export const HOST = {
  /** gateway -> host */
  open: "open_session",
  close: "close_session",
  ping: "ping",
  toolUpdate: "tool_update",
  toolResult: "tool_result",
  /** host -> gateway */
  toolRequest: "tool_request",
  providerWait: "provider_wait",
  modelRequest: "model_request",
  promptFailed: "prompt_failed",
  answerTooLong: "answer_too_long",
} as const;

/** What a host answers to a ping. */
export type HostVitals = { residentBytes: number };
