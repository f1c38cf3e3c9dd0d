import { LIMITS } from "../../core/limits.ts";
import type { AgentEvent, Block, ErrorKind, ModelRef, Usage } from "../runtime.ts";
import type { PiRecord } from "./process.ts";

/** What one record of Pi means for the turn, besides the events that it becomes. */
export type Mapped = {
  events: AgentEvent[];
  /** A user message has entered the context: the prompt itself first, then each steered message. */
  userMessage?: true;
  /** How the last assistant message ended. */
  outcome?: Outcome;
  /** Pi waits before it tries the same model again. */
  retry?: { attempt: number; error: TurnError };
  settled?: true;
};

export type TurnError = { kind: ErrorKind; message: string; httpStatus?: number };
export type Outcome = { stopReason: string; error?: TurnError };

/** What the mapping remembers from record to record. */
export type MapState = { toolStartedAt: Map<string, number> };
export const createMapState = (): MapState => ({ toolStartedAt: new Map() });

type Json = Record<string, unknown>;
const object = (value: unknown): Json => (typeof value === "object" && value !== null ? (value as Json) : {});
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const number = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);
const array = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

const MAPPERS: Record<string, (record: PiRecord, state: MapState, now: number) => Mapped> = {
  message_start: (record) => (object(record["message"])["role"] === "user" ? { events: [], userMessage: true } : { events: [] }),
  message_update: (record) => ({ events: toDelta(object(record["assistantMessageEvent"])) }),
  message_end: (record) => toMessage(object(record["message"])),
  tool_execution_start: toToolStart,
  tool_execution_update: toToolUpdate,
  tool_execution_end: toToolEnd,
  auto_retry_start: toRetry,
  compaction_start: (record) => ({ events: [{ type: "compaction", phase: "start", reason: text(record["reason"]) }] }),
  compaction_end: (record) => ({ events: [{ type: "compaction", phase: "end", reason: text(record["reason"]) }] }),
  agent_settled: () => ({ events: [], settled: true }),
};

/** Translates one record. Records without a meaning for the caller (also `agent_end`, which repeats everything) give no event. */
export function toMapped(record: PiRecord, state: MapState, now: number): Mapped {
  return MAPPERS[record.type]?.(record, state, now) ?? { events: [] };
}

function toDelta(event: Json): AgentEvent[] {
  const delta = text(event["delta"]);
  if (delta === "") return [];
  if (event["type"] === "text_delta") return [{ type: "text", delta }];
  if (event["type"] === "thinking_delta") return [{ type: "thinking", delta }];
  return [];
}

function toBlock(value: unknown): Block[] {
  const block = object(value);
  if (block["type"] === "text") return [{ type: "text", text: text(block["text"]) }];
  if (block["type"] === "thinking") return [{ type: "thinking", thinking: text(block["thinking"]) }];
  if (block["type"] !== "toolCall") return [];
  return [{ type: "toolCall", id: text(block["id"]), name: text(block["name"]), arguments: block["arguments"] }];
}

export function toUsage(value: unknown): Usage {
  const usage = object(value);
  return {
    input: number(usage["input"]),
    output: number(usage["output"]),
    cacheRead: number(usage["cacheRead"]),
    cacheWrite: number(usage["cacheWrite"]),
    totalTokens: number(usage["totalTokens"]),
    costUsd: number(object(usage["cost"])["total"]),
  };
}

/** A failed message that says and does nothing is no message; its error is the outcome. */
function toMessage(message: Json): Mapped {
  if (message["role"] !== "assistant") return { events: [] };
  const stopReason = text(message["stopReason"]);
  const blocks = array(message["content"]).flatMap(toBlock);
  const model: ModelRef = { provider: text(message["provider"]), id: text(message["model"]) };
  const failed = stopReason === "error";
  const outcome: Outcome = failed ? { stopReason, error: toTurnError(text(message["errorMessage"])) } : { stopReason };
  const empty = blocks.every((block) => block.type === "thinking" || (block.type === "text" && block.text === ""));
  if (empty && (failed || stopReason === "aborted")) return { events: [], outcome };
  return { events: [{ type: "message", blocks, model, usage: toUsage(message["usage"]), stopReason }], outcome };
}

const cutMark = (chars: number): string => `\n[cut: ${chars} characters in all]`;

/** The text of a tool's result, with its pictures named and its length limited. */
export function toResultText(result: unknown): string {
  const parts = array(object(result)["content"]).map((value) => {
    const part = object(value);
    return part["type"] === "image" ? "[image]" : text(part["text"]);
  });
  const whole = parts.join("\n");
  return whole.length <= LIMITS.toolResultChars ? whole : whole.slice(0, LIMITS.toolResultChars) + cutMark(whole.length);
}

function toToolStart(record: PiRecord, state: MapState, now: number): Mapped {
  const id = text(record["toolCallId"]);
  state.toolStartedAt.set(id, now);
  return { events: [{ type: "tool", phase: "start", id, name: text(record["toolName"]), args: record["args"] }] };
}

function toToolUpdate(record: PiRecord): Mapped {
  const partial = toResultText(record["partialResult"]);
  if (partial === "") return { events: [] };
  return { events: [{ type: "tool", phase: "update", id: text(record["toolCallId"]), name: text(record["toolName"]), partial }] };
}

function toToolEnd(record: PiRecord, state: MapState, now: number): Mapped {
  const id = text(record["toolCallId"]);
  const startedAt = state.toolStartedAt.get(id) ?? now;
  state.toolStartedAt.delete(id);
  const result = toResultText(record["result"]);
  const name = text(record["toolName"]);
  const isError = record["isError"] === true;
  return { events: [{ type: "tool", phase: "end", id, name, result, isError, durationMs: Math.max(0, now - startedAt) }] };
}

function toRetry(record: PiRecord): Mapped {
  const error = toTurnError(text(record["errorMessage"]));
  const attempt = number(record["attempt"]);
  const maxAttempts = number(record["maxAttempts"]);
  const delayMs = number(record["delayMs"]);
  return { events: [{ type: "retry", attempt, maxAttempts, delayMs, reason: error.message }], retry: { attempt, error } };
}

/** What a message says about itself, most specific first. */
const WORDS: readonly (readonly [ErrorKind, RegExp])[] = [
  [
    "context_length",
    /context[ _-]?(length|window|size)|maximum context|prompt (is )?too long|too many tokens|reduce the length|request_too_large|maximum prompt length|token count .* exceeds/i,
  ],
  ["billing", /insufficient[ _](quota|credit|balance|funds)|billing|payment required|out of credits|quota exceeded|credit balance/i],
  ["rate_limit", /rate.?limit|too many requests|overloaded|resource.?exhausted|high demand/i],
  [
    "auth",
    /no api key|invalid.*(api.?key|token|credential)|incorrect api key|unauthorized|authentication|forbidden|permission denied|model not found|not authorized/i,
  ],
  ["refusal", /content.?filter|\brefusal\b|safety|blocked by|policy violation/i],
  [
    "network",
    /fetch failed|network|socket|terminated|econn|enotfound|eai_again|etimedout|connection|ended without|stream ended|other side closed|service unavailable|bad gateway|server error/i,
  ],
  ["timeout", /timed? ?out|timeout|deadline/i],
];

const STATUS: Record<number, ErrorKind> = {
  401: "auth",
  402: "billing",
  403: "auth",
  404: "auth",
  408: "timeout",
  413: "context_length",
  429: "rate_limit",
};

/** The status is only believed where providers put it: at the start, or behind a word that announces it. */
function statusOf(message: string): number | undefined {
  const match =
    /^\W*(?:error\W+)?([45]\d\d)\b/i.exec(message) ?? /\b(?:status|http|code|error)\W{0,4}(?:code\W{0,3})?([45]\d\d)\b/i.exec(message);
  return match ? Number(match[1]) : undefined;
}

/** A person reads the sentence of an error body (`401: {"message":"..."}`), not the JSON around it. */
function saidIn(message: string): string {
  const [, before, body] = /^([^{]{0,80})(\{[^]*\})$/.exec(message) ?? [];
  if (body === undefined) return message;
  try {
    const { message: own, error } = JSON.parse(body) as { message?: unknown; error?: { message?: unknown } };
    const said = typeof own === "string" ? own : error?.message;
    return typeof said === "string" && said.trim() !== "" ? `${before}${said.trim()}` : message;
  } catch {
    return message; // not JSON after all: it is shown as it came
  }
}

/** Sorts a provider's error text into a kind; keeps the text, on few lines and limited. */
export function toTurnError(message: string): TurnError {
  const status = statusOf(message);
  const kind = kindOf(message, status);
  const shown = (saidIn(message.trim()) || "The model ended with an error and gave no reason.").slice(0, 1_000);
  return { kind, message: shown, ...(status === undefined ? {} : { httpStatus: status }) };
}

function kindOf(message: string, status: number | undefined): ErrorKind {
  const said = WORDS.find(([, words]) => words.test(message))?.[0];
  if (said === "context_length" || said === "billing") return said;
  if (status !== undefined && STATUS[status]) return STATUS[status];
  if (status !== undefined && status >= 500) return said === "rate_limit" ? said : "network";
  return said ?? "unknown";
}

/** Another model may do better with these; with the rest it would not, or must not be tried. */
export function worthAnotherModel(kind: ErrorKind): boolean {
  return kind === "auth" || kind === "billing" || kind === "rate_limit" || kind === "network" || kind === "timeout";
}
