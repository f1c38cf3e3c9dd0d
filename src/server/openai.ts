import { randomUUID } from "node:crypto";
import type { Verified } from "../auth/authenticator.ts";
import { ERRORS } from "../core/error-codes.ts";
import { GatewayError, reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { refuseUnservedHeaders, type Exchange } from "./exchange.ts";
import type { HttpRoute } from "./http-route.ts";
import { readJsonBody } from "./json-body.ts";
import { CHAT_FIELDS, checkFields, RESPONSES_FIELDS } from "./openai-fields.ts";
import { toInput } from "./openai-input.ts";
import type { CompletionEvent, CompletionRun, CompletionUsage, FinalCompletion, OpenAiBackend } from "./openai-backend.ts";
import { collectCompletion, SseStream, streamCompletionText, toOpenAiError } from "./openai-stream.ts";
import { collectResponse, streamResponse } from "./openai-responses.ts";
import type { ServerDeps } from "./deps.ts";

/** `/v1` in OpenAI's shapes. */
export class OpenAiRoutes {
  readonly routes: readonly HttpRoute[];
  readonly #backend: OpenAiBackend;
  readonly #deps: ServerDeps;
  #running = 0;

  constructor(deps: ServerDeps) {
    this.#deps = deps;
    this.#backend = deps.openai!;
    const post = (path: string, answer: typeof this.chat): HttpRoute => ({
      method: "POST",
      path,
      auth: "operator.write",
      run: (exchange, caller) => this.#runWithinLimit(exchange, () => answer.call(this, exchange, caller!)),
    });
    const served = deps.openai?.routes;
    this.routes = served
      ? [
          { method: "GET", path: "/v1/models", auth: "operator.read", run: (exchange) => this.#models(exchange) },
          { method: "GET", path: "/v1/models/*", auth: "operator.read", run: (exchange) => this.#model(exchange) },
          ...(served.chatCompletions ? [post("/v1/chat/completions", this.chat)] : []),
          ...(served.responses ? [post("/v1/responses", this.respond)] : []),
        ]
      : [];
  }

  async chat(exchange: Exchange, caller: Verified): Promise<void> {
    const body = await readJsonBody(exchange, LIMITS.httpBodyBytes);
    checkFields(body, CHAT_FIELDS);
    const includeUsage = wantsUsage(body);
    const run = this.#prepare(exchange, caller, body, "messages");
    const id = `chatcmpl_${randomUUID()}`;
    const base = { id, created: Math.floor(this.#deps.clock.now() / 1_000), model: String(body["model"]) };
    const events = this.#backend.run(run);
    if (!run.stream) {
      const final = await collectCompletion(events);
      exchange.json(200, {
        ...base,
        object: "chat.completion",
        choices: [{ index: 0, message: toAssistant(final), finish_reason: final.finishReason }],
        usage: toUsage(final.usage),
      });
      return;
    }
    await this.#streamChat(exchange, events, base, includeUsage);
  }

  async respond(exchange: Exchange, caller: Verified): Promise<void> {
    const body = await readJsonBody(exchange, LIMITS.httpBodyBytes);
    checkFields(body, RESPONSES_FIELDS);
    const run = this.#prepare(exchange, caller, body, "input");
    const base = { id: `resp_${randomUUID()}`, createdAt: Math.floor(this.#deps.clock.now() / 1_000), model: String(body["model"]) };
    const events = this.#backend.run(run);
    if (!run.stream) return exchange.json(200, collectResponse(base, await collectCompletion(events)));
    await streamResponse(exchange, events, base, (err) => this.#toGatewayError(err));
  }

  async #streamChat(
    exchange: Exchange,
    events: AsyncIterable<CompletionEvent>,
    base: { id: string; created: number; model: string },
    includeUsage: boolean,
  ): Promise<void> {
    const stream = new SseStream(exchange);
    const chunk = (delta: Record<string, unknown>, finish: string | null): unknown => ({
      ...base,
      object: "chat.completion.chunk",
      choices: [{ index: 0, delta, finish_reason: finish }],
    });
    const send = async (text: string): Promise<void> => {
      if (text !== "") await stream.send(chunk({ content: text }, null));
    };
    try {
      await stream.send(chunk({ role: "assistant" }, null));
      const final = await streamCompletionText(events, send);
      if (final.refusal !== undefined) await stream.send(chunk({ refusal: final.refusal }, null));
      await stream.send(chunk({}, final.finishReason));
      if (includeUsage) await stream.send({ ...base, object: "chat.completion.chunk", choices: [], usage: toUsage(final.usage) });
      await stream.send("[DONE]");
    } catch (err) {
      await stream.send({ error: toOpenAiError(this.#toGatewayError(err)) });
      await stream.send("[DONE]");
    } finally {
      stream.end();
    }
  }

  #prepare(exchange: Exchange, caller: Verified, body: Record<string, unknown>, field: "messages" | "input"): CompletionRun {
    refuseUnservedHeaders(exchange);
    const agentId = this.#agentOf(body["model"], exchange.header("x-openclaw-agent-id"));
    const user = body["user"];
    if (user !== undefined && user !== null && (typeof user !== "string" || user.length > 256))
      throw new GatewayError("INVALID_REQUEST", "`user` must be a string of at most 256 characters");
    const key = exchange.header("idempotency-key");
    if (key !== undefined && (key === "" || key.length > 256)) throw new GatewayError("INVALID_REQUEST", "invalid idempotency-key");
    const sessionKey = exchange.header("x-openclaw-session-key") ?? null;
    if (sessionKey !== null && (sessionKey === "" || sessionKey.length > 512))
      throw new GatewayError("INVALID_REQUEST", "invalid x-openclaw-session-key");
    const model = exchange.header("x-openclaw-model") ?? null;
    if (model !== null && (model === "" || model.length > 256)) throw new GatewayError("INVALID_REQUEST", "invalid x-openclaw-model");
    return {
      ...toInput(body, field),
      agentId,
      sessionKey,
      model,
      user: typeof user !== "string" || user === "" ? null : user,
      stream: body["stream"] === true,
      idempotencyKey: key ?? randomUUID(),
      caller: { scopes: caller.scopes, credential: caller.credential },
      signal: exchange.signal,
    };
  }

  /** The agent that `model` names; the header wins. Throws for names that are no agent of ours. */
  #agentOf(model: unknown, header: string | undefined): string | null {
    const named = typeof model === "string" ? /^openclaw(?:[/:](.+))?$/.exec(model) : null;
    if (!named && header === undefined)
      throw new GatewayError("INVALID_REQUEST", "unknown `model`: it must be `openclaw` or `openclaw/<agent>`", {
        fix: "See the ones that there are: GET /v1/models",
      });
    const id = header ?? named?.[1];
    if (id === undefined || id === "default") return null;
    if (!this.#backend.agents().includes(id)) throw new GatewayError("NOT_FOUND", `there is no agent ${JSON.stringify(id.slice(0, 64))}`);
    return id;
  }

  #models(exchange: Exchange): void {
    exchange.json(200, { object: "list", data: this.#modelIds().map(toModel) });
  }

  #model(exchange: Exchange): void {
    const id = exchange.path.slice("/v1/models/".length).replaceAll("%2F", "/").replaceAll("%2f", "/");
    const missing = `the model ${JSON.stringify(id.slice(0, 200))} was not found; GET /v1/models lists those that can be used`;
    if (!this.#modelIds().includes(id)) return exchange.sendError(404, "not_found", missing);
    exchange.json(200, toModel(id));
  }

  #modelIds(): string[] {
    return ["openclaw", "openclaw/default", ...this.#backend.agents().map((agent) => `openclaw/${agent}`)];
  }

  /** Runs one completion within the limit of them, and answers what it throws in OpenAI's shape. */
  async #runWithinLimit(exchange: Exchange, answer: () => Promise<void>): Promise<void> {
    if (this.#running >= LIMITS.httpCompletions) {
      const busy = new GatewayError("RATE_LIMITED", "too many completions are running");
      exchange.json(429, { error: toOpenAiError(busy) }, { "retry-after": "5" });
      return;
    }
    this.#running++;
    try {
      await answer();
    } catch (err) {
      const expected = this.#toGatewayError(err);
      const headers: Record<string, string> =
        expected.retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(expected.retryAfterMs / 1_000)) };
      exchange.json(ERRORS[expected.code].http, { error: toOpenAiError(expected) }, headers);
    } finally {
      this.#running--;
    }
  }

  #toGatewayError(err: unknown): GatewayError {
    if (err instanceof GatewayError) return err;
    this.#deps.log.error("a completion failed unexpectedly", { cause: reasonOf(err), stack: err instanceof Error ? err.stack : undefined });
    return new GatewayError("UNAVAILABLE", "internal error", { retryable: false });
  }
}

const toModel = (id: string): unknown => ({ id, object: "model", created: 0, owned_by: "openclaw", permission: [] });

const toUsage = (usage: CompletionUsage): unknown => ({
  prompt_tokens: usage.inputTokens,
  completion_tokens: usage.outputTokens,
  total_tokens: usage.inputTokens + usage.outputTokens,
  ...(usage.cachedTokens === undefined ? {} : { prompt_tokens_details: { cached_tokens: usage.cachedTokens } }),
});

const toAssistant = ({ text, refusal }: FinalCompletion): unknown => ({
  role: "assistant",
  content: refusal !== undefined && text === "" ? null : text,
  ...(refusal === undefined ? {} : { refusal }),
});

const invalidOptions = (text: string): GatewayError => new GatewayError("INVALID_REQUEST", text, { details: { param: "stream_options" } });

/** `stream_options.include_usage`; throws for an option that would have no effect. */
function wantsUsage(body: Record<string, unknown>): boolean {
  const options = body["stream_options"];
  if (options === undefined || options === null) return false;
  if (typeof options !== "object") throw invalidOptions("`stream_options` must be an object");
  const stray = Object.keys(options).find((name) => name !== "include_usage" && name !== "include_obfuscation");
  if (stray !== undefined) throw invalidOptions(`unsupported field: \`stream_options.${stray.slice(0, 64)}\``);
  const wanted = (options as { include_usage?: unknown }).include_usage;
  if (wanted !== undefined && typeof wanted !== "boolean") throw invalidOptions("`stream_options.include_usage` must be true or false");
  return wanted === true;
}
