import { fieldsOf, asArray, isObject, type JsonObject } from "../../core/json.ts";
import { LIMITS } from "../../core/limits.ts";
import { toWellFormed } from "../../core/text.ts";
import { toMeantCall } from "../../tools/tool.ts";
import type { AgentEvent, ContentBlock, ErrorKind, ModelCall, ModelRef, TurnFailure } from "../runtime.ts";
import { classifyProviderError } from "./provider-error.ts";
import { toArguments, toCallCost, toCount, toContentText, toStringField, toUsage, type ReportProblem } from "./fields.ts";
import type { PiRecord } from "./process.ts";

export { classifyProviderError, shouldTryFallback } from "./provider-error.ts";

/** The effect of one record of Pi on the turn, besides its events. */
export type MappedRecord = {
  events: AgentEvent[];
  /** A user message has entered the context: the prompt itself first, then each steered message. */
  userMessage?: true;
  /** A request to a model has ended; without `model` it was asked for a summary by the model of the turn. */
  call?: Omit<ModelCall, "model"> & { model?: ModelRef };
  /** How the last assistant message ended. */
  outcome?: MessageOutcome;
  /** Pi waits before it tries the same model again. */
  retry?: { attempt: number; error: TurnError };
  settled?: true;
  /** Called for fields that were dropped or truncated because they cannot be stored or shown. */
  problems?: readonly string[];
  /** Pi's own context differs from the events: it must be rebuilt. */
  contextDiffers?: true;
};

export type TurnError = TurnFailure;
export type MessageOutcome = { stopReason: string; error?: TurnError };

/** State of the mapping between records. */
export type MappingState = {
  /** The tool calls that run, by id: what the model means to call, and when it began. */
  toolCalls: Map<string, { name: string; startedAt: number }>;
  /** The first half of a surrogate pair whose second half comes with the next delta. */
  pendingSurrogate: { text: string; thinking: string };
  /** The text of a message whose deltas were lists of parts, which Pi joins to "[object Object]"; null for all others. */
  repaired: { text: string; thinking: string } | null;
  /** The text of the running message, and the block that it was last added to. */
  streamed: string;
  block: unknown;
  /** When the model was asked, and when the first piece of its answer came. */
  askedAt: number | null;
  firstPieceAt: number | null;
};
export const createMappingState = (): MappingState => ({
  toolCalls: new Map(),
  pendingSurrogate: { text: "", thinking: "" },
  repaired: null,
  streamed: "",
  block: undefined,
  askedAt: null,
  firstPieceAt: null,
});

const ID_CHARS = 256;
const WORD_CHARS = 64;

type MappingContext = { state: MappingState; now: number; note: ReportProblem };

const MAPPERS: Readonly<Record<string, (record: PiRecord, context: MappingContext) => MappedRecord>> = {
  turn_start: (_record, context) => markAsked(context),
  message_start: (record, { state, now }) => {
    state.askedAt ??= now;
    Object.assign(state, { pendingSurrogate: { text: "", thinking: "" }, repaired: null, streamed: "", block: undefined });
    return fieldsOf(record["message"])["role"] === "user" ? { events: [], userMessage: true } : { events: [] };
  },
  message_update: (record, context) => {
    const update = fieldsOf(record["assistantMessageEvent"]);
    if (update["type"] !== "start") context.state.firstPieceAt ??= context.now;
    return { events: toDelta(update, context) };
  },
  message_end: (record, context) => toMessage(fieldsOf(record["message"]), context),
  tool_execution_start: toToolStart,
  tool_execution_update: toToolUpdate,
  tool_execution_end: toToolEnd,
  auto_retry_start: toRetry,
  compaction_start: (record, context) => ({
    ...markAsked(context),
    events: [{ type: "compaction", phase: "start", reason: toReason(record["reason"], context.note) }],
  }),
  compaction_end: toCompactionEnd,
  agent_settled: () => ({ events: [], settled: true }),
};

function markAsked({ state, now }: MappingContext): MappedRecord {
  Object.assign(state, { askedAt: now, firstPieceAt: null });
  return { events: [] };
}

/** The request that has just ended. The next one begins with the next `turn_start`, or now. */
function takeCall(usage: unknown, status: ModelCall["status"], { state, now, note }: MappingContext): Omit<ModelCall, "model" | "purpose"> {
  const { askedAt, firstPieceAt } = state;
  Object.assign(state, { askedAt: now, firstPieceAt: null });
  const since = (at: number): number => Math.max(0, Math.round(at - (askedAt ?? now)));
  return {
    usage: toUsage(usage, note),
    cost: toCallCost(usage),
    status,
    durationMs: since(now),
    firstTokenMs: firstPieceAt === null ? null : since(firstPieceAt),
  };
}

const toReason = (value: unknown, note: ReportProblem): string => toStringField(value, WORD_CHARS, "a reason", note);
const toId = (value: unknown, what: string, note: ReportProblem): string => toStringField(value, ID_CHARS, what, note);

/** Translates one record. Records without a meaning for the caller (also `agent_end`, which repeats everything) give no event. */
export function mapRecord(record: PiRecord, state: MappingState, now: number): MappedRecord {
  if (!Object.hasOwn(MAPPERS, record.type)) return { events: [] };
  const problems: string[] = [];
  const mapped = MAPPERS[record.type]!(record, { state, now, note: (problem) => problems.push(problem) });
  return problems.length === 0 ? mapped : { ...mapped, problems };
}

/** Prepends a half character from the previous delta, and holds back one at the end. */
function joinSurrogates(delta: string, kind: "text" | "thinking", state: MappingState): string {
  const joined = state.pendingSurrogate[kind] + delta;
  const last = joined.charCodeAt(joined.length - 1);
  const cut = last >= 0xd800 && last <= 0xdbff;
  state.pendingSurrogate[kind] = cut ? joined.slice(-1) : "";
  return toWellFormed(cut ? joined.slice(0, -1) : joined);
}

function toDelta(event: JsonObject, { state, note }: MappingContext): AgentEvent[] {
  const isText = event["type"] === "text_delta";
  if (!isText && event["type"] !== "thinking_delta") return [];
  const { delta } = event;
  if (delta === "" || delta === undefined || delta === null) return [];
  const parts = toContentText(delta);
  if (!parts) {
    note("a delta is neither a text nor a list of parts");
    if (isText) state.repaired ??= { text: state.streamed, thinking: "" };
    return [];
  }
  if (isText && typeof delta !== "string") state.repaired ??= { text: state.streamed, thinking: "" };
  // Blocks of text are paragraphs, as they are in the complete message.
  const isNext = isText && state.streamed !== "" && event["contentIndex"] !== state.block;
  if (isText) state.block = event["contentIndex"];
  const text = (isNext ? "\n\n" : "") + joinSurrogates(isText ? parts.text : "", "text", state);
  const thinking = joinSurrogates(isText ? parts.thinking : parts.text + parts.thinking, "thinking", state);
  state.streamed += text;
  if (isText && state.repaired) {
    state.repaired.text += text;
    state.repaired.thinking += thinking;
  }
  return [...(thinking ? [{ type: "thinking" as const, delta: thinking }] : []), ...(text ? [{ type: "text" as const, delta: text }] : [])];
}

function toBlock(value: unknown, note: ReportProblem): ContentBlock[] {
  const block = fieldsOf(value);
  if (block["type"] === "text") return [{ type: "text", text: toStringField(block["text"], LIMITS.answerChars, "an answer", note) }];
  if (block["type"] === "thinking")
    return [{ type: "thinking", thinking: toStringField(block["thinking"], LIMITS.thinkingChars, "the thinking of a model", note) }];
  if (block["type"] !== "toolCall") return [];
  const name = toId(block["name"], "the name of a tool", note);
  const args = toArguments(block["arguments"], `the arguments of a call of ${name}`, note);
  const meant = toMeantCall({ name, args });
  return [{ type: "toolCall", id: toId(block["id"], "the id of a tool call", note), name: meant.name, arguments: meant.args }];
}

/** Replaces the text blocks of a message whose deltas were lists of parts with the joined parts. */
function toBlocks(content: unknown, { state, note }: MappingContext): { blocks: ContentBlock[]; contextDiffers: boolean } {
  const blocks = asArray(content).flatMap((value) => toBlock(value, note));
  const { repaired } = state;
  if (!repaired) return { blocks, contextDiffers: false };
  const rest = blocks.filter((block) => block.type !== "text");
  const thinking: ContentBlock[] = repaired.thinking ? toBlock({ type: "thinking", thinking: repaired.thinking }, note) : [];
  const text: ContentBlock[] = repaired.text ? toBlock({ type: "text", text: repaired.text }, note) : [];
  const said = [...thinking, ...rest.filter((block) => block.type === "thinking"), ...text];
  return { blocks: [...said, ...rest.filter((block) => block.type === "toolCall")], contextDiffers: true };
}

/** Words of servers for the end of a complete answer, which Pi takes for a failure. */
const OWN_WORDS_FOR_THE_END =
  /^Provider finish_reason: (eos|eos_token|end_turn|end_of_turn|stop_sequence|complete|completed|done|finished)$/i;

/** A failed message without content is dropped; its error is the outcome. */
function toMessage(message: JsonObject, context: MappingContext): MappedRecord {
  const { note } = context;
  if (message["role"] !== "assistant") return { events: [] };
  const { blocks, contextDiffers: isRepaired } = toBlocks(message["content"], context);
  const given = toStringField(message["stopReason"], WORD_CHARS, "a stop reason", note);
  const isComplete = given === "error" && blocks.length > 0 && OWN_WORDS_FOR_THE_END.test(toErrorText(message["errorMessage"], note));
  const stopReason = isComplete ? "stop" : given;
  // Pi leaves a failed message out of its context.
  const contextDiffers = isRepaired || isComplete;
  const model: ModelRef = { provider: toId(message["provider"], "a provider", note), id: toId(message["model"], "a model", note) };
  const failed = stopReason === "error";
  const outcome: MessageOutcome = failed
    ? { stopReason, error: classifyProviderError(toErrorText(message["errorMessage"], note)) }
    : { stopReason };
  const call = {
    ...takeCall(message["usage"], failed ? "error" : stopReason === "aborted" ? "aborted" : "ok", context),
    purpose: "answer" as const,
    model,
  };
  const empty = blocks.every((block) => block.type === "thinking" || (block.type === "text" && block.text === ""));
  if (empty && (failed || stopReason === "aborted")) return { events: [], outcome, call };
  return {
    events: [{ type: "message", blocks, model, usage: call.usage, stopReason }],
    outcome,
    call,
    ...(contextDiffers ? { contextDiffers } : {}),
  };
}

/** Longer than what is shown, so that a long text can still be classified. */
const toErrorText = (value: unknown, note: ReportProblem): string =>
  toStringField(value, 16 * LIMITS.errorDetailChars, "an error text", note);

const truncationMark = (chars: number): string => `\n[cut: ${chars} characters in all]`;

/** The text of a tool's result, with a placeholder for images and a limited length. */
export function toResultText(result: unknown): string {
  const parts = asArray(fieldsOf(result)["content"]).map((value) => {
    const part = fieldsOf(value);
    if (part["type"] === "image") return "[image]";
    return typeof part["text"] === "string" ? part["text"] : "";
  });
  const whole = parts.join("\n");
  return toWellFormed(
    whole.length <= LIMITS.toolResultChars ? whole : whole.slice(0, LIMITS.toolResultChars) + truncationMark(whole.length),
  );
}

function toToolStart(record: PiRecord, { state, now, note }: MappingContext): MappedRecord {
  const id = toId(record["toolCallId"], "the id of a tool call", note);
  const name = toId(record["toolName"], "the name of a tool", note);
  const call = toMeantCall({ id, name, args: toArguments(record["args"], `the arguments of a call of ${name}`, note) });
  state.toolCalls.set(id, { name: call.name, startedAt: now });
  return { events: [{ type: "tool", phase: "start", ...call }] };
}

function toToolUpdate(record: PiRecord, { state, note }: MappingContext): MappedRecord {
  const partial = toResultText(record["partialResult"]);
  if (partial === "") return { events: [] };
  const id = toId(record["toolCallId"], "the id of a tool call", note);
  const name = state.toolCalls.get(id)?.name ?? toId(record["toolName"], "the name of a tool", note);
  return { events: [{ type: "tool", phase: "update", id, name, partial }] };
}

function toToolEnd(record: PiRecord, { state, now, note }: MappingContext): MappedRecord {
  const id = toId(record["toolCallId"], "the id of a tool call", note);
  const { name, startedAt } = state.toolCalls.get(id) ?? { name: toId(record["toolName"], "the name of a tool", note), startedAt: now };
  state.toolCalls.delete(id);
  const result = toResultText(record["result"]);
  const isError = record["isError"] === true;
  return { events: [{ type: "tool", phase: "end", id, name, result, isError, durationMs: Math.max(0, Math.round(now - startedAt)) }] };
}

function toRetry(record: PiRecord, { note }: MappingContext): MappedRecord {
  const error = classifyProviderError(toErrorText(record["errorMessage"], note));
  const count = (name: string): number => toCount(record[name], Number.MAX_SAFE_INTEGER, name, note);
  const attempt = count("attempt");
  return {
    events: [
      { type: "retry", attempt, maxAttempts: count("maxAttempts"), delayMs: count("delayMs"), reason: error.message, kind: error.kind },
    ],
    retry: { attempt, error },
  };
}

/** A shared host sends no summary, but says that there is one. */
const isDone = (record: PiRecord): boolean => record["done"] === true || isObject(record["result"]);

/** After some compactions Pi asks the model again: the output of the interrupted message is withdrawn, as with every retry. */
function toCompactionEnd(record: PiRecord, context: MappingContext): MappedRecord {
  const end: AgentEvent = { type: "compaction", phase: "end", reason: toReason(record["reason"], context.note), isDone: isDone(record) };
  // The shared host sends the usage without the summary.
  const usage = record["usage"] ?? fieldsOf(record["result"])["usage"];
  const call = usage === undefined ? {} : { call: { ...takeCall(usage, "ok", context), purpose: "summary" as const } };
  if (record["willRetry"] !== true) return { events: [end], ...call };
  const kind: ErrorKind = "context_length";
  return {
    ...call,
    events: [end, { type: "retry", attempt: 1, maxAttempts: 1, delayMs: 0, reason: "the conversation was shortened", kind }],
  };
}
