import { modelName, type AgentEvent, type ContentBlock, type TokenUsage } from "../agents/runtime.ts";
import { LIMITS } from "../core/limits.ts";
import { clip } from "../core/text.ts";
import type { RunOutcome } from "../store/inbox.ts";
import type { MessageBody, StoredBlock } from "../store/messages.ts";
import { presentEnd, toPresentableBlocks, type PresentedEnd } from "./presentation.ts";
import { initialReasoning, separateReasoningDelta, type ReasoningState } from "./reasoning.ts";

/** Everything known about a running turn. Rebuilt from nothing: a turn that dies is resumed or closed, never continued. */
export type TurnState = {
  /** Finished text of earlier messages of this turn. */
  finishedText: string;
  /** Text of the message that is being written, or of one that has failed and may be asked for again. */
  draft: string;
  thinking: string;
  /** Where in the draft a model's thinking begins and ends. */
  reasoning: ReasoningState;
  /** Counts the times that shown text was taken back or replaced: then it is not the old text with more at its end. */
  revision: number;
  /** The state before the last message, while that message may still be requested again. */
  rollback: { said: string; rows: number } | null;
  /** Attempts of the model that failed and were repeated. */
  retries: number;
  toolCalls: number;
  /** The model has thought, in this message or in an earlier one. */
  hasThinking: boolean;
  /** What exceeds its limit; the turn must be stopped. */
  tooLong: "answer" | "thinking" | null;
  /** Names of the tools that run, by call id. */
  tools: Readonly<Record<string, string>>;
  /** Complete messages that are not stored yet, in order. */
  rows: readonly MessageBody[];
  model: string | null;
  contextWindow: number;
  usage: TokenUsage;
  /** Tokens of the last model call: what the context holds. */
  contextTokens: number;
  stopReason: string;
};

export const emptyUsage: TokenUsage = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, totalTokens: 0, costUsd: 0 };
export const initialTurnState: TurnState = {
  finishedText: "",
  draft: "",
  thinking: "",
  reasoning: initialReasoning,
  revision: 0,
  rollback: null,
  retries: 0,
  toolCalls: 0,
  hasThinking: false,
  tooLong: null,
  tools: {},
  rows: [],
  model: null,
  contextWindow: 0,
  usage: emptyUsage,
  contextTokens: 0,
  stopReason: "stop",
};

/** All that a person has been shown: finished messages, then the draft. */
export const visibleText = (state: TurnState): string => join(state.finishedText, state.draft);
const join = (a: string, b: string): string => (a && b ? `${a}\n\n${b}` : a || b);

/** One event in, the next state out. Pure. */
export function reduce(state: TurnState, event: AgentEvent): TurnState {
  switch (event.type) {
    case "started":
      return { ...state, model: modelName(event.model), contextWindow: event.contextWindow };
    case "text":
      return reduceText(state, event.delta);
    case "thinking":
      return appendThinking(state, event.delta);
    case "tool":
      return reduceTool(state, event);
    case "message":
      return reduceMessage(state, event);
    case "retry":
      return rollBackAttempt(state);
    case "steered":
      return { ...state, rollback: null };
    case "request":
    case "call":
    case "compaction":
    case "waiting":
    case "end":
      return state;
  }
}

function reduceText(state: TurnState, delta: string): TurnState {
  const { state: reasoning, text, thinking, retract } = separateReasoningDelta(state.reasoning, delta);
  const before = retract ? appendThinking({ ...state, draft: "", revision: state.revision + 1 }, state.draft) : state;
  const next = thinking === "" ? before : appendThinking(before, thinking);
  const room = Math.max(0, LIMITS.answerChars - next.finishedText.length - next.draft.length);
  return {
    ...next,
    reasoning,
    draft: next.draft + clip(text, room),
    ...(text.length > room ? { tooLong: "answer" as const } : {}),
  };
}

function appendThinking(state: TurnState, delta: string): TurnState {
  const room = Math.max(0, LIMITS.thinkingChars - state.thinking.length);
  return { ...state, thinking: state.thinking + clip(delta, room), ...(delta.length > room ? { tooLong: "thinking" as const } : {}) };
}

/** The failed attempt is not part of the conversation: the next one answers. All that it has said is taken back. */
function rollBackAttempt(state: TurnState): TurnState {
  const { rollback: undo } = state;
  const shown = visibleText(state);
  const next: TurnState = {
    ...state,
    finishedText: undo ? undo.said : state.finishedText,
    rows: undo ? state.rows.slice(0, undo.rows) : state.rows,
    draft: "",
    thinking: "",
    reasoning: initialReasoning,
    rollback: null,
    retries: state.retries + 1,
  };
  return shown === visibleText(next) ? next : { ...next, revision: state.revision + 1 };
}

function reduceTool(state: TurnState, event: Extract<AgentEvent, { type: "tool" }>): TurnState {
  if (event.phase === "start")
    return { ...state, rollback: null, toolCalls: state.toolCalls + 1, tools: { ...state.tools, [event.id]: event.name } };
  if (event.phase === "update") return state;
  const { [event.id]: _done, ...tools } = state.tools;
  const row: MessageBody = {
    role: "toolResult",
    toolCallId: event.id,
    toolName: event.name,
    content: [{ type: "text", text: event.result }],
    isError: event.isError,
    durationMs: event.durationMs,
  };
  return { ...state, tools, rows: [...state.rows, row] };
}

function reduceMessage(state: TurnState, event: Extract<AgentEvent, { type: "message" }>): TurnState {
  const blocks = toPresentableBlocks(event.blocks);
  const room = Math.max(0, LIMITS.answerChars - state.finishedText.length);
  const text = textOfBlocks(blocks);
  const kept = clip(text, room);
  const row: MessageBody = {
    role: "assistant",
    content: blocks.map((block): StoredBlock => block),
    provider: event.model.provider,
    model: event.model.id,
    usage: toWireUsage(event.usage),
    stopReason: event.stopReason,
  };
  // A failed message is a draft until it is known whether it is asked for again.
  const failed = event.stopReason === "error";
  const next: TurnState = {
    ...state,
    finishedText: failed ? state.finishedText : join(state.finishedText, kept),
    draft: failed ? kept : "",
    thinking: "",
    reasoning: initialReasoning,
    rollback: { said: state.finishedText, rows: state.rows.length },
    rows: blocks.length === 0 ? state.rows : [...state.rows, row],
    usage: addUsage(state.usage, event.usage),
    contextTokens: event.usage.totalTokens || state.contextTokens,
    stopReason: event.stopReason,
    hasThinking: state.hasThinking || blocks.some((block) => block.type === "thinking"),
    ...(text.length > room ? { tooLong: "answer" as const } : {}),
  };
  return visibleText(next).startsWith(visibleText(state)) ? next : { ...next, revision: state.revision + 1 };
}

const textOfBlocks = (blocks: readonly ContentBlock[]): string =>
  blocks.flatMap((block) => (block.type === "text" && block.text ? [block.text] : [])).join("\n\n");

const addUsage = (a: TokenUsage, b: TokenUsage): TokenUsage => ({
  input: a.input + b.input,
  output: a.output + b.output,
  cacheRead: a.cacheRead + b.cacheRead,
  cacheWrite: a.cacheWrite + b.cacheWrite,
  totalTokens: a.totalTokens + b.totalTokens,
  costUsd: a.costUsd + b.costUsd,
});

/** Usage as protocol v4 writes it. */
export const toWireUsage = (usage: TokenUsage): Record<string, unknown> => ({
  input: usage.input,
  output: usage.output,
  cacheRead: usage.cacheRead,
  cacheWrite: usage.cacheWrite,
  totalTokens: usage.totalTokens,
  cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: usage.costUsd },
});

export type TurnEnd = { state: TurnState; outcome: RunOutcome; presented: PresentedEnd };

/** The last event: what is stored and what clients receive. A draft that was cut off is kept as a message of its own. `maySayNothing`: no one waits for an answer. */
export function finishTurn(before: TurnState, raw: Extract<AgentEvent, { type: "end" }>, now: number, maySayNothing = false): TurnEnd {
  const state = settleDraft(before);
  const { model, stopReason: stoppedFor, toolCalls } = state;
  const facts = {
    text: visibleText(state),
    thinking: state.hasThinking || state.thinking !== "",
    tools: toolCalls,
    stopReason: stoppedFor,
    model,
    maySayNothing,
  };
  const presented = presentEnd(raw, facts);
  const { end, notice } = presented;
  const failed = end.reason === "error";
  const stopReason = end.reason === "stop" ? state.stopReason : end.reason;
  // The row of a failed message is kept where the turn ends with its failure; in every other case the draft says the same.
  const rows = state.rows.filter(
    (row, at) => failed || at !== state.rollback?.rows || row.role !== "assistant" || row.stopReason !== "error",
  );
  const alreadyTold = rows.findIndex((row) => row.role === "assistant" && row.stopReason === end.reason);
  const cut = state.draft !== "" || state.thinking !== "";
  const errorMessage = end.error?.message;
  if (alreadyTold !== -1) rows[alreadyTold] = { ...(rows[alreadyTold] as AssistantBody), ...(errorMessage ? { errorMessage } : {}) };
  else if (cut || end.reason !== "stop") rows.push(finalMessage(state, stopReason, errorMessage));
  if (notice) rows.push({ role: "assistant", content: [{ type: "text", text: notice }], stopReason: "stop", origin: "notice" });
  const text = join(facts.text, notice ?? "");
  const outcome: RunOutcome = {
    status: failed ? "error" : end.reason === "aborted" ? "aborted" : "ok",
    text,
    stopReason,
    endedAt: now,
    usage: toWireUsage(state.usage),
    ...(model ? { model } : {}),
    ...(notice ? { notice } : {}),
    ...(failed
      ? {
          error: {
            kind: end.error?.kind ?? "unknown",
            message: errorMessage ?? "the agent failed without a reason",
            ...detailField(presented),
          },
        }
      : {}),
  };
  return { state: { ...state, finishedText: facts.text, draft: "", rows, rollback: null }, outcome, presented };
}

type AssistantBody = Extract<MessageBody, { role: "assistant" }>;

const detailField = ({ detail }: PresentedEnd): { detail?: NonNullable<PresentedEnd["detail"]> } => (detail ? { detail } : {});

/** What was held back of the draft because it might have become a tag. */
function settleDraft(state: TurnState): TurnState {
  const { text, thinking, retract } = separateReasoningDelta(state.reasoning, "", true);
  const before = retract ? appendThinking({ ...state, draft: "" }, state.draft) : state;
  return { ...appendThinking(before, thinking), draft: before.draft + text, reasoning: initialReasoning };
}

function finalMessage(state: TurnState, stopReason: string, errorMessage: string | undefined): MessageBody {
  const content: StoredBlock[] = [];
  if (state.thinking) content.push({ type: "thinking", thinking: state.thinking });
  if (state.draft) content.push({ type: "text", text: state.draft });
  const [provider, id] = splitModel(state.model);
  return {
    role: "assistant",
    content,
    stopReason,
    usage: toWireUsage(emptyUsage),
    ...(provider ? { provider, model: id } : {}),
    ...(errorMessage ? { errorMessage } : {}),
  };
}

function splitModel(name: string | null): [string, string] | [null, null] {
  const slash = name?.indexOf("/") ?? -1;
  return name && slash > 0 ? [name.slice(0, slash), name.slice(slash + 1)] : [null, null];
}
