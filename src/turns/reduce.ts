import { modelName, type AgentEvent, type Block, type Usage } from "../agents/runtime.ts";
import type { Outcome } from "../store/inbox.ts";
import type { MessageBody, StoredBlock } from "../store/messages.ts";

/** Everything known about a running turn. Rebuilt from nothing: a turn that dies is resumed or closed, never continued. */
export type TurnState = {
  /** Finished text of earlier messages of this turn. */
  said: string;
  /** Text of the message that is being written. */
  draft: string;
  thinking: string;
  /** Names of the tools that run, by call id. */
  tools: Readonly<Record<string, string>>;
  /** Complete messages that are not stored yet, in order. */
  rows: readonly MessageBody[];
  model: string | null;
  contextWindow: number;
  usage: Usage;
  /** Tokens of the last model call: what the context holds. */
  contextTokens: number;
  stopReason: string;
};

export const emptyUsage: Usage = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, totalTokens: 0, costUsd: 0 };
export const emptyTurn: TurnState = {
  said: "",
  draft: "",
  thinking: "",
  tools: {},
  rows: [],
  model: null,
  contextWindow: 0,
  usage: emptyUsage,
  contextTokens: 0,
  stopReason: "stop",
};

/** All that a person has been shown: finished messages, then the draft. */
export const visibleText = (state: TurnState): string => join(state.said, state.draft);
const join = (a: string, b: string): string => (a && b ? `${a}\n\n${b}` : a || b);

/** One event in, the next state out. Pure. */
export function reduce(state: TurnState, event: AgentEvent): TurnState {
  switch (event.type) {
    case "started":
      return { ...state, model: modelName(event.model), contextWindow: event.contextWindow };
    case "text":
      return { ...state, draft: state.draft + event.delta };
    case "thinking":
      return { ...state, thinking: state.thinking + event.delta };
    case "tool":
      return reduceTool(state, event);
    case "message":
      return reduceMessage(state, event);
    case "retry":
      // The failed attempt is not part of the conversation: the next one answers.
      return { ...state, rows: state.rows.filter((row) => !(row.role === "assistant" && row.stopReason === "error")) };
    case "compaction":
    case "steered":
    case "end":
      return state;
  }
}

function reduceTool(state: TurnState, event: Extract<AgentEvent, { type: "tool" }>): TurnState {
  if (event.phase === "start") return { ...state, tools: { ...state.tools, [event.id]: event.name } };
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
  const text = textOfBlocks(event.blocks);
  const row: MessageBody = {
    role: "assistant",
    content: event.blocks.map((block): StoredBlock => block),
    provider: event.model.provider,
    model: event.model.id,
    usage: toWireUsage(event.usage),
    stopReason: event.stopReason,
  };
  const empty = event.blocks.length === 0;
  return {
    ...state,
    said: join(state.said, text),
    draft: "",
    thinking: "",
    rows: empty ? state.rows : [...state.rows, row],
    usage: addUsage(state.usage, event.usage),
    contextTokens: event.usage.totalTokens || state.contextTokens,
    stopReason: event.stopReason,
  };
}

const textOfBlocks = (blocks: readonly Block[]): string =>
  blocks.flatMap((block) => (block.type === "text" && block.text ? [block.text] : [])).join("\n\n");

const addUsage = (a: Usage, b: Usage): Usage => ({
  input: a.input + b.input,
  output: a.output + b.output,
  cacheRead: a.cacheRead + b.cacheRead,
  cacheWrite: a.cacheWrite + b.cacheWrite,
  totalTokens: a.totalTokens + b.totalTokens,
  costUsd: a.costUsd + b.costUsd,
});

/** Usage as protocol v4 writes it. */
export const toWireUsage = (usage: Usage): Record<string, unknown> => ({
  input: usage.input,
  output: usage.output,
  cacheRead: usage.cacheRead,
  cacheWrite: usage.cacheWrite,
  totalTokens: usage.totalTokens,
  cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, total: usage.costUsd },
});

export type TurnEnd = { state: TurnState; outcome: Outcome };

/** The last event: what is stored, and what the clients are told. A draft that was cut off is kept as a message of its own. */
export function finish(state: TurnState, end: Extract<AgentEvent, { type: "end" }>, now: number): TurnEnd {
  const cut = state.draft !== "" || state.thinking !== "";
  const failed = end.reason === "error";
  const stopReason = end.reason === "stop" ? state.stopReason : end.reason;
  const rows = [...state.rows];
  const alreadyTold = rows.some((row) => row.role === "assistant" && row.stopReason === end.reason);
  if ((cut || end.reason !== "stop") && !alreadyTold) rows.push(lastRow(state, stopReason, end.error?.message));
  const text = visibleText(state);
  const outcome: Outcome = {
    status: failed ? "error" : end.reason === "aborted" ? "aborted" : "ok",
    text,
    stopReason,
    endedAt: now,
    usage: toWireUsage(state.usage),
    ...(state.model ? { model: state.model } : {}),
    ...(failed
      ? { error: { kind: end.error?.kind ?? "unknown", message: end.error?.message ?? "the agent failed without a reason" } }
      : {}),
  };
  return { state: { ...state, said: text, draft: "", rows }, outcome };
}

function lastRow(state: TurnState, stopReason: string, errorMessage: string | undefined): MessageBody {
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
