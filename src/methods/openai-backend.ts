import { createHash } from "node:crypto";
import type { ImageInput } from "../agents/runtime.ts";
import type { ErrorCode } from "../core/error-codes.ts";
import { GatewayError } from "../core/errors.ts";
import { asId, type RunId } from "../core/ids.ts";
import type { TurnEvents } from "../turns/events.ts";
import { operatorSubmission, resolveKey, type ChatDeps } from "./chat-context.ts";
import { checkModel, qualifiedModelName } from "./session-patch.ts";

/** One completion of the OpenAI-compatible routes. */
export type CompletionRequest = {
  /** Null: the default agent. */
  agentId: string | null;
  /** Session to continue, as the caller named it; null: `user` decides, and without one the session is new. */
  sessionKey: string | null;
  user: string | null;
  /** Model in place of the agent's, for this run; null: none. */
  model: string | null;
  /** Earlier messages and instructions of the request, as one text; null when there are none. */
  context: string | null;
  text: string;
  images: readonly ImageInput[];
  idempotencyKey: string;
  caller: { scopes: ReadonlySet<string> };
  /** Aborts the run: the caller has gone. */
  signal: AbortSignal;
};

export type BackendCompletionEvent =
  | { type: "delta"; text: string }
  | { type: "replaced"; text: string }
  | { type: "tool"; name: string }
  | {
      type: "final";
      text: string;
      usage: { inputTokens: number; outputTokens: number; cachedTokens?: number };
      finishReason: "stop" | "length" | "content_filter";
      refusal?: string;
    }
  | { type: "error"; error: GatewayError };

export type CompletionDeps = ChatDeps;

/** Runs one completion through the same lanes as a chat. The last event is `final` or `error`. Throws when it cannot be admitted. */
export async function* runCompletion(deps: CompletionDeps, request: CompletionRequest): AsyncGenerator<BackendCompletionEvent> {
  const name = request.sessionKey ?? (request.user === null ? sessionForRequest(request.idempotencyKey) : `openai-user:${request.user}`);
  const { key, agentId } = resolveKey(deps, name, request.agentId ?? undefined);
  const model = qualifiedModelName(deps, request.model ?? undefined) ?? undefined;
  checkModel(deps, model);
  const runId = asId<RunId>(request.idempotencyKey);
  const events = new CompletionEventQueue();
  const stops = [
    deps.bus.on(
      "turn.text",
      (event) => event.runId === runId && events.push({ type: event.replace ? "replaced" : "delta", text: event.delta }),
    ),
    deps.bus.on(
      "turn.tool",
      (event) => event.runId === runId && event.phase === "start" && events.push({ type: "tool", name: event.name }),
    ),
    deps.bus.on("turn.ended", (event) => event.runId === runId && events.push(toFinalEvent(event.outcome))),
  ];
  const abort = (): void => void deps.turns.lanes.abort(key, runId);
  request.signal.addEventListener("abort", abort, { once: true });
  try {
    const submission = operatorSubmission(deps, {
      source: "http",
      key,
      agentId,
      text: request.text,
      images: request.images,
      model,
      idempotencyKey: runId,
      caller: { client: { id: "openai-api", mode: "backend", version: "1" }, device: null, scopes: request.caller.scopes },
      queueMode: "followup",
      literal: true,
    });
    const admitted = await deps.turns.admission.submit({ ...submission, context: request.context });
    if (admitted.outcome) {
      yield toFinalEvent(admitted.outcome);
      return;
    }
    for (;;) {
      const event = await events.next();
      yield event;
      if (event.type === "final" || event.type === "error") return;
    }
  } finally {
    request.signal.removeEventListener("abort", abort);
    for (const stop of stops) stop();
  }
}

/** A session of its own for the request, the same one when the request is repeated with its key. */
const sessionForRequest = (idempotencyKey: string): string =>
  `openai:${createHash("sha256").update(idempotencyKey).digest("hex").slice(0, 32)}`;

type Outcome = TurnEvents["turn.ended"]["outcome"];

const CODES: Readonly<Record<string, ErrorCode>> = {
  rate_limit: "RATE_LIMITED",
  overloaded: "RATE_LIMITED",
  context_length: "TOO_LARGE",
  auth: "UNAVAILABLE",
};

function toFinalEvent(outcome: Outcome): BackendCompletionEvent {
  const { error } = outcome;
  // A program reads a refusal and a cut answer from the finish reason; a person reads the note that was added.
  if (outcome.status === "error" && error?.kind === "refusal")
    return { type: "final", text: outcome.text, usage: toUsage(outcome.usage), finishReason: "content_filter", refusal: error.message };
  if (outcome.status !== "ok") {
    const kind = error?.kind ?? "aborted";
    const message = error?.message ?? "the run was stopped";
    const retryAfterMs = error?.detail?.retryAfterMs;
    const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
    return { type: "error", error: new GatewayError(CODES[kind] ?? "UNAVAILABLE", message, { details: { kind }, ...wait }) };
  }
  return { type: "final", text: agentText(outcome), usage: toUsage(outcome.usage), finishReason: toFinishReason(outcome.stopReason) };
}

/** What the agent itself said; only an answer that is nothing but a note of the gateway is that note. */
function agentText({ text, notice }: Outcome): string {
  if (!notice || !text.endsWith(notice)) return text;
  return text.slice(0, -notice.length).trimEnd() || text;
}

function toFinishReason(stopReason: string): "stop" | "length" | "content_filter" {
  if (stopReason === "length" || stopReason === "max_tokens") return "length";
  return stopReason === "content_filter" || stopReason === "refusal" ? "content_filter" : "stop";
}

/** What went in is counted with what came from the cache and what was written to it, as OpenAI counts it. */
function toUsage(stored: unknown): { inputTokens: number; outputTokens: number; cachedTokens?: number } {
  const usage = (stored ?? {}) as { input?: number; output?: number; cacheRead?: number; cacheWrite?: number };
  const cachedTokens = usage.cacheRead ?? 0;
  return {
    inputTokens: (usage.input ?? 0) + cachedTokens + (usage.cacheWrite ?? 0),
    outputTokens: usage.output ?? 0,
    ...(cachedTokens > 0 ? { cachedTokens } : {}),
  };
}

/** Events that wait for the one reader. Bounded by what a turn says. */
class CompletionEventQueue {
  readonly #events: BackendCompletionEvent[] = [];
  #wake: (() => void) | null = null;

  push(event: BackendCompletionEvent): void {
    this.#events.push(event);
    this.#wake?.();
  }

  async next(): Promise<BackendCompletionEvent> {
    while (this.#events.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#events.shift()!;
  }
}
