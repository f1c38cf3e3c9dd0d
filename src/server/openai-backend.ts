import type { GatewayError } from "../core/errors.ts";
import type { CompletionInput } from "./openai-input.ts";

/** `inputTokens` are all that went in; `cachedTokens` are those of them that came from the provider's cache. */
export type CompletionUsage = { inputTokens: number; outputTokens: number; cachedTokens?: number };
export type FinishReason = "stop" | "length" | "content_filter";

/** What one completion tells while it runs. `final` or `error` is the last one; a run that ends without either has failed. */
export type CompletionEvent =
  /** Text that comes after what was sent before. */
  | { type: "delta"; text: string }
  /** Replaces all earlier text: an attempt failed and is repeated. */
  | { type: "replaced"; text: string }
  /** The agent uses one of its own tools; clients of this API only see that it takes time. */
  | { type: "tool"; name: string }
  /** `text` is the whole answer. */
  | {
      type: "final";
      text: string;
      usage: CompletionUsage;
      finishReason: FinishReason;
      /** Why the provider refused, in a sentence. */ refusal?: string;
    }
  | { type: "error"; error: GatewayError };

export type FinalCompletion = Extract<CompletionEvent, { type: "final" }>;

export type CompletionRun = CompletionInput & {
  /** Agent that answers; null: the default one. */
  agentId: string | null;
  /** Session to continue, as the caller named it; null: `user` decides, and without one the session is new. */
  sessionKey: string | null;
  /** Stable name of the end user; the same name continues the same session. */
  user: string | null;
  /** Model in place of the agent's, for this run; null: none. */
  model: string | null;
  stream: boolean;
  /** The same key gives the same run. */
  idempotencyKey: string;
  caller: { scopes: ReadonlySet<string>; credential: string };
  /** Aborts when the client has gone. */
  signal: AbortSignal;
};

/** How completions reach the agents. They enter the same lanes as every other message. */
export type OpenAiBackend = {
  /** Which of the routes are served. */
  routes: { chatCompletions: boolean; responses: boolean };
  /** Ids of the agents that can be asked; the first is the default. */
  agents(): readonly string[];
  /** Throws GatewayError when it cannot start; later failures are events. */
  run(run: CompletionRun): AsyncIterable<CompletionEvent>;
};
