import type { CallCost, ModelCall, ModelPrice, ModelRef, ModelTerms, TurnFailure } from "../agents/runtime.ts";
import { LIMITS } from "../core/limits.ts";
import type { Metrics } from "../core/metrics.ts";
import type { MessageBody } from "../store/messages.ts";
import type { Usage, UsageAmounts, UsageCall, UsageCause, UsageMessages, UsageSubject } from "../store/usage.ts";
import type { RunRow } from "./submission.ts";

/** The most that one request may take: tokens, and their price. */
export type WorstCase = {
  tokens: number;
  /** Billionths of a US dollar; null: the price is not known. */ cost: number | null;
  model: ModelRef;
  /** What is asked: a message, or the call of a tool whose result is read. Budgets find loops by it. */
  text?: string;
};

/** What the budgets hold back for the requests of one turn. */
export type BudgetHold = {
  /** Resolves to null when the request may be made, and to why it may not. Waits for requests of others whose cost is not known yet. */
  reserve(worst: WorstCase, signal: AbortSignal): Promise<TurnFailure | null>;
  /** A request has ended: what it took replaces what was held back for it. */
  settle(call: UsageCall): void;
  /** Nothing more is asked. */
  release(): void;
};

/** What limits the requests of turns to models. */
export type TurnBudgets = {
  /** Null: no budget is about it. */
  open(subject: UsageSubject): BudgetHold | null;
};

export type TurnUsageDeps = {
  usage: Pick<Usage, "add">;
  /** The price that the configuration gives a model; null: none. */
  priceOf: (model: ModelRef) => ModelPrice | null;
  metrics: Pick<Metrics, "count">;
  /** Absent where nothing is limited. */
  budgets?: TurnBudgets;
};

/** Tokens of the instructions and tools of a conversation of which nothing is known yet. */
const BASE_TOKENS = 8_000;
/** A token has about four characters of English, and more than two of most languages. */
const CHARS_PER_TOKEN = 2;
const IMAGE_TOKENS = 2_000;
/** Longest answer of a model that does not say how long its answers may be. */
const ANSWER_TOKENS = 16_384;

/** Sources of messages that start by themselves. */
const CAUSES: Readonly<Record<string, UsageCause>> = {
  cron: "cron",
  heartbeat: "heartbeat",
  hook: "hook",
  subagent: "subagent",
  flush: "flush",
};

/** For whom a turn asks a model. Pure. */
export function subjectOf({ agentId, channel, payload }: RunRow): UsageSubject {
  const { provenance, target } = payload ?? {};
  const sender = provenance?.senderId ?? provenance?.client?.id ?? "unknown";
  return {
    agentId: payload?.payer ?? agentId,
    channel: target?.channel ?? provenance?.channel ?? "webchat",
    sender,
    cause: CAUSES[channel] ?? "message",
  };
}

const NANO = 1e9;
const PER_MILLION = 1e6;
const toNano = (dollars: number): number => Math.min(Math.round(dollars * NANO), Number.MAX_SAFE_INTEGER);

/** Tokens and cost of a request; a price of the configuration wins over the catalog of the runtime. Pure. */
export function toAmounts(
  { usage, cost }: Pick<ModelCall, "usage" | "cost">,
  price: ModelPrice | null,
): UsageAmounts & { isPriced: boolean } {
  const { input, output, cacheRead, cacheWrite } = usage;
  const own: CallCost | null = price && {
    input: (input * price.input) / PER_MILLION,
    output: (output * price.output) / PER_MILLION,
    cacheRead: (cacheRead * price.cacheRead) / PER_MILLION,
    cacheWrite: (cacheWrite * price.cacheWrite) / PER_MILLION,
  };
  const dollars = own ?? cost;
  return {
    input,
    output,
    cacheRead,
    cacheWrite,
    inputCost: toNano(dollars?.input ?? 0),
    outputCost: toNano(dollars?.output ?? 0),
    cacheReadCost: toNano(dollars?.cacheRead ?? 0),
    cacheWriteCost: toNano(dollars?.cacheWrite ?? 0),
    isPriced: dollars !== null,
  };
}

/** The most that a request may take whose input has at most `inputTokens`. Pure. */
export function worstCase({ model, contextWindow, maxTokens, price }: ModelTerms, inputTokens: number): WorstCase {
  const input = Math.min(inputTokens, contextWindow || inputTokens);
  const output = maxTokens || ANSWER_TOKENS;
  const dollars = price && (input * Math.max(price.input, price.cacheWrite) + output * price.output) / PER_MILLION;
  return { tokens: input + output, cost: dollars === null ? null : toNano(dollars), model };
}

/** What a turn will send to a model at most: the conversation, and the message. Pure. */
export const promptTokens = (contextTokens: number, { text, images }: { text: string; images: readonly unknown[] }): number =>
  Math.max(contextTokens, BASE_TOKENS) + Math.ceil(text.length / CHARS_PER_TOKEN) + images.length * IMAGE_TOKENS;

/** The requests of one turn to models: what they took, and what budgets say before each of them. */
export class UsageRecorder {
  readonly #deps: TurnUsageDeps;
  readonly #row: RunRow;
  readonly #subject: UsageSubject;
  readonly #hold: BudgetHold | null;
  readonly #calls: UsageCall[] = [];
  #stored = 0;
  /** Of the model that answers. */
  #terms: ModelTerms | null = null;
  #contextTokens = 0;

  constructor(deps: TurnUsageDeps, row: RunRow) {
    this.#deps = deps;
    this.#row = row;
    this.#subject = subjectOf(row);
    this.#hold = deps.budgets?.open(this.#subject) ?? null;
  }

  /** Whether the price of each model that was asked is known. */
  get isPriced(): boolean {
    return this.#calls.every((call) => call.isPriced);
  }

  get isLimited(): boolean {
    return this.#hold !== null;
  }

  /** The first request of a model in this turn. Resolves to why it may not be made; null: it may. */
  reserveFirst(terms: ModelTerms, { text, tokens }: { text: string; tokens: number }, signal: AbortSignal): Promise<TurnFailure | null> {
    const price = this.#deps.priceOf(terms.model) ?? terms.price;
    this.#terms = { ...terms, price };
    this.#contextTokens = tokens;
    return this.#reserve(tokens, text, signal);
  }

  /** A further request, after results of tools or of a message that was handed in. `text`: the call of a tool. */
  reserveNext(text: string, signal: AbortSignal): Promise<TurnFailure | null> {
    return this.#reserve(this.#contextTokens + LIMITS.toolResultChars / CHARS_PER_TOKEN, text, signal);
  }

  async #reserve(inputTokens: number, text: string, signal: AbortSignal): Promise<TurnFailure | null> {
    if (this.#hold === null || this.#terms === null) return null;
    return this.#hold.reserve({ ...worstCase(this.#terms, inputTokens), text }, signal);
  }

  /** A request has ended. */
  onCall(call: ModelCall, at: number): void {
    const { model, purpose } = call;
    const { runId, sessionKey } = this.#row;
    const subject = purpose === "summary" ? { ...this.#subject, cause: "summary" as const } : this.#subject;
    const entry = toUsageCall(call, { subject, at, sessionKey, sessionId: "", runId }, this.#deps.priceOf(model));
    this.#calls.push(entry);
    countRequest(this.#deps.metrics, entry);
    if (purpose === "answer") this.#contextTokens = Math.max(this.#contextTokens, call.usage.totalTokens);
    this.#hold?.settle(entry);
  }

  /** The cost of an answer in US dollars, by the price of the configuration where it has one. */
  costOf(model: ModelRef, usage: ModelCall["usage"]): number {
    const price = this.#deps.priceOf(model);
    if (price === null) return usage.costUsd;
    const { inputCost, outputCost, cacheReadCost, cacheWriteCost } = toAmounts({ usage, cost: null }, price);
    return (inputCost + outputCost + cacheReadCost + cacheWriteCost) / NANO;
  }

  /** Adds what is not stored yet; `rows`: all messages of the turn, at its end. Inside a `store.write`, which may be repeated; then `markStored`. */
  add(sessionId: string, ended?: { rows: readonly MessageBody[]; userMessages: number }): number {
    const calls = this.#calls.slice(this.#stored).map((call) => ({ ...call, sessionId }));
    this.#deps.usage.add(calls, ended && toMessages(ended));
    return this.#calls.length;
  }

  markStored(count: number): void {
    this.#stored = Math.max(this.#stored, count);
  }

  release(): void {
    this.#hold?.release();
  }
}

function toMessages({ rows, userMessages }: { rows: readonly MessageBody[]; userMessages: number }): UsageMessages {
  const results = rows.filter((row) => row.role === "toolResult");
  return {
    user: userMessages,
    assistant: rows.filter((row) => row.role === "assistant" && row.origin === undefined).length,
    toolResults: results.length,
    tools: results.map(({ toolName }) => toolName),
  };
}

/** Requests that a turn makes indirectly, such as those of a tool, and those outside of a turn. */
export function toUsageCall(
  call: ModelCall,
  { subject, at, ...ids }: { subject: UsageSubject; at: number } & Pick<UsageCall, "sessionKey" | "sessionId" | "runId">,
  price: ModelPrice | null,
): UsageCall {
  const { model, status, durationMs, firstTokenMs } = call;
  return { ...subject, ...toAmounts(call, price), ...ids, at, provider: model.provider, model: model.id, status, durationMs, firstTokenMs };
}

export function countRequest(metrics: Pick<Metrics, "count">, { status, cause, input, output, cacheRead, cacheWrite }: UsageCall): void {
  metrics.count("gateway_usage_requests_total", { status, cause });
  for (const [kind, tokens] of Object.entries({ input, output, cache_read: cacheRead, cache_write: cacheWrite }))
    if (tokens > 0) metrics.count("gateway_usage_tokens_total", { kind }, tokens);
}
