/**
 * The model of the tests: a deterministic server that speaks OpenAI's chat completions on a loopback port.
 *
 * What it answers is written in the last user message, so a test needs no second channel to script it:
 *
 *     anything else          You said: <text>
 *     slow:<ms> <text>       the echo, word by word, <ms> apart
 *     long:<n>               n deltas "word0 word1 ..."
 *     think: <text>          a thinking block, then the echo
 *     tool:bash:<command>    one call of the tool `exec`; then answers "Tool said: <result>"
 *     tool:read:<path>       the same with `read`
 *     tool:<name>:<json>     the same with any tool and its arguments
 *     error:<status>         that HTTP status, with a body as OpenAI sends it
 *     overflow:              400 "maximum context length"
 *     refuse:                finish_reason content_filter
 *     empty:                 a stop without any text
 *     hang                   headers and one delta, then silence until the client leaves
 *     stall                  accepts the request and never answers
 *     cut                    one delta, then the socket is dropped
 *
 * `/v1/embeddings` and Ollama's `/api/embed` give vectors of the words: texts that share words are alike, and so are those with words of one
 * group of SAME_MEANING. A text with "error:<status>" gets that status.
 *
 * A directive counts at the start of the text or of any of its lines, and the last one wins.
 * By hand: `node test/model-server.ts --port 18790`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export type ChatPart = { type: string; text?: string; image_url?: { url: string } };
export type ChatMessage = {
  role: string;
  content?: string | ChatPart[] | null;
  tool_calls?: { id: string; function: { name: string; arguments: string } }[];
  tool_call_id?: string;
};

/** One recorded request of `/v1/chat/completions`. */
export type RecordedRequest = {
  model: string;
  messages: ChatMessage[];
  /** Names of the tools that were offered. */
  tools: string[];
  stream: boolean;
  /** Milliseconds since the epoch. */
  at: number;
  headers: Record<string, string | string[] | undefined>;
  /** What followed the "?" of the address. */
  query: string;
  body: Record<string, unknown>;
};

export type ReplyStep =
  | { text: string }
  | { thinking: string }
  | { tool: string; args: unknown }
  /** A delta as it is, whatever it holds. */
  | { delta: Record<string, unknown> }
  | { waitMs: number }
  | { until: Promise<unknown> }
  | { do: "hang" | "cut" };

/** What one request gets: an HTTP error, or steps that are streamed in order. */
export type ModelReply =
  | { status: number; message: string; headers?: Record<string, string> }
  /** A body of any kind. */
  | { status: number; body: string; type: string }
  | { stall: true }
  | { steps: ReplyStep[]; finish?: string; usage?: unknown };

/** Undefined falls through to the directive in the text. */
export type ModelBehavior = (request: RecordedRequest, index: number) => ModelReply | undefined;

export type ModelServerOptions = {
  port?: number;
  /** Ids that `/v1/models` lists. */
  models?: readonly string[];
  behaviour?: ModelBehavior;
  /** When set, a request without `Authorization: Bearer <key>` gets 401. */
  key?: string;
  /** Answers as this product where a prober looks for it, too. */
  product?: "ollama" | "lmstudio" | "llamacpp" | "vllm";
};

/** One recorded request for vectors. */
export type RecordedEmbedding = { model: string; texts: string[]; headers: Record<string, string | string[] | undefined> };

export type ModelServer = {
  /** `http://127.0.0.1:<port>`; the API is at `${url}/v1`. */
  url: string;
  port: number;
  /** All completion requests since the start or the last `clear()`, oldest first. */
  requests(): RecordedRequest[];
  /** All requests for vectors since the start or the last `clear()`. */
  embeddings(): RecordedEmbedding[];
  /** Every request for vectors gets this status; null: vectors again. */
  failEmbeddings(status: number | null): void;
  /** Every path that was asked for, with its method: `GET /v1/models`. */
  paths(): string[];
  clear(): void;
  setBehaviour(behaviour: ModelBehavior | undefined): void;
  /** Resolves when `count` requests have been recorded since the start or the last `clear()`. */
  waitFor(count: number): Promise<void>;
  close(): Promise<void>;
};

/** The text of a message, its text parts joined. */
export function textOf(message: ChatMessage | undefined): string {
  const content = message?.content;
  if (typeof content === "string") return content;
  return (content ?? []).map((part) => part.text ?? "").join("");
}

/** `role: text` of each message except the system prompt: what the model was shown, easy to compare. */
export function contextOf(request: RecordedRequest): string[] {
  return request.messages
    .filter((message) => message.role !== "system" && message.role !== "developer")
    .map((message) => `${message.role}: ${textOf(message) || (message.tool_calls?.map((call) => call.function.name).join() ?? "")}`);
}

/** The system prompt of a request. */
export function systemOf(request: RecordedRequest): string {
  return request.messages
    .filter((message) => message.role === "system" || message.role === "developer")
    .map(textOf)
    .join("\n");
}

const DIRECTIVE = /^(slow:\d+|long:\d+|think:|tool:\w+:|error:\d{3}|overflow:|refuse:|empty:|hang$|stall$|cut$)([^\n]*)/gm;

const words = (text: string): string[] => text.match(/\s*\S+/g) ?? [];

const OVERFLOW = "This model's maximum context length is 8192 tokens. Please reduce the length of the messages.";

const VECTOR_NUMBERS = 64;
/** Words that mean the same to the embedding model. */
const SAME_MEANING: readonly (readonly string[])[] = [
  ["car", "automobile", "vehicle", "auto"],
  ["doctor", "physician", "dentist"],
  ["money", "invoice", "bill", "rent"],
];

/** A vector of the words of a text. */
export function vectorOf(text: string, numbers: number): number[] {
  const vector = Array.from({ length: numbers }, () => 0);
  for (const word of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
    const meant = SAME_MEANING.find((group) => group.includes(word))?.[0] ?? word;
    let hash = 7;
    for (const char of meant) hash = (hash * 31 + char.codePointAt(0)!) % 1_000_003;
    vector[hash % numbers]! += 1;
  }
  return vector;
}

/** The reply that a user text asks for. */
export function replyTo(text: string): ModelReply {
  const match = [...text.matchAll(DIRECTIVE)].at(-1);
  const echo = `You said: ${text}`;
  if (!match) return { steps: [{ text: "You said: " }, ...words(text).map((word) => ({ text: word }))] };
  const head = match[1]!;
  const rest = match[2]!.trim();
  const number = Number(head.split(":")[1]);
  if (head.startsWith("slow:")) return { steps: words(echo).flatMap((word) => [{ text: word }, { waitMs: number }]) };
  if (head.startsWith("long:")) return { steps: Array.from({ length: number }, (_, i) => ({ text: `word${i} ` })) };
  if (head === "think:") return { steps: [{ thinking: `Thinking about ${rest}` }, { text: `You said: ${rest}` }] };
  if (head.startsWith("tool:")) return { steps: [toToolStep(head.split(":")[1]!, rest)], finish: "tool_calls" };
  if (head.startsWith("error:")) return { status: number, message: `scripted error ${number}` };
  if (head === "overflow:") return { status: 400, message: OVERFLOW };
  if (head === "refuse:") return { steps: [], finish: "content_filter" };
  if (head === "empty:") return { steps: [] };
  if (head === "stall") return { stall: true };
  return { steps: [{ text: "partial " }, { do: head === "hang" ? "hang" : "cut" }] };
}

function toToolStep(name: string, rest: string): ReplyStep {
  if (name === "bash") return { tool: "exec", args: { command: rest } };
  if (name === "read") return { tool: name, args: { path: rest } };
  return { tool: name, args: JSON.parse(rest) };
}

function toReply(request: RecordedRequest): ModelReply {
  const last = request.messages.at(-1);
  if (last?.role === "tool") return { steps: [{ text: `Tool said: ${textOf(last)}` }] };
  return replyTo(textOf(request.messages.findLast((message) => message.role === "user")));
}

async function readBody(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function sendJson(res: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  res.writeHead(status, { "content-type": "application/json", ...headers });
  res.end(JSON.stringify(body));
}

function toRecord(req: IncomingMessage, text: string): RecordedRequest {
  const body = JSON.parse(text) as Record<string, unknown>;
  const tools = (body["tools"] ?? []) as { function: { name: string } }[];
  return {
    model: String(body["model"]),
    messages: body["messages"] as ChatMessage[],
    tools: tools.map((tool) => tool.function.name),
    stream: body["stream"] === true,
    at: Date.now(),
    headers: req.headers,
    query: (req.url ?? "").split("?")[1] ?? "",
    body,
  };
}

function usageOf(request: RecordedRequest, steps: readonly ReplyStep[]): Record<string, number> {
  const chars = request.messages.reduce((sum, message) => sum + textOf(message).length, 0);
  const prompt = Math.ceil(chars / 4);
  const completion = steps.filter((step) => "text" in step || "thinking" in step || "tool" in step).length;
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

function toDelta(step: ReplyStep, index: number): Record<string, unknown> | undefined {
  if ("text" in step) return { content: step.text };
  if ("delta" in step) return step.delta;
  if ("thinking" in step) return { reasoning_content: step.thinking };
  if (!("tool" in step)) return undefined;
  const call = { index, id: `call_${index}`, type: "function", function: { name: step.tool, arguments: JSON.stringify(step.args) } };
  return { tool_calls: [call] };
}

/** Plays the steps; resolves to false when the client has left or the socket was dropped on purpose. */
async function play(steps: readonly ReplyStep[], res: ServerResponse, emit: (delta: Record<string, unknown>) => void): Promise<boolean> {
  let calls = 0;
  const gone = new AbortController();
  res.on("close", () => gone.abort());
  const left = new Promise<void>((resolve) => gone.signal.addEventListener("abort", () => resolve()));
  for (const step of steps) {
    if (gone.signal.aborted) return false;
    if ("waitMs" in step) await Promise.race([sleep(step.waitMs), left]);
    else if ("until" in step) await Promise.race([step.until, left]);
    else if ("do" in step) {
      // What was written so far is flushed first, so that the client has seen the beginning of the answer.
      if (step.do === "cut") res.write(": cut\n\n", () => res.socket?.destroy());
      await left;
      return false;
    } else {
      const delta = toDelta(step, calls);
      if ("tool" in step) calls++;
      if (delta) emit(delta);
    }
  }
  return !gone.signal.aborted;
}

async function streamReply(
  request: RecordedRequest,
  reply: Extract<ModelReply, { steps: ReplyStep[] }>,
  res: ServerResponse,
  id: string,
): Promise<void> {
  const chunk = (choices: unknown[], more: Record<string, unknown> = {}): void => {
    const body = { id, object: "chat.completion.chunk", created: 0, model: request.model, choices, ...more };
    res.write(`data: ${JSON.stringify(body)}\n\n`);
  };
  res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  chunk([{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }]);
  const whole = await play(reply.steps, res, (delta) => chunk([{ index: 0, delta, finish_reason: null }]));
  if (!whole) return;
  chunk([{ index: 0, delta: {}, finish_reason: reply.finish ?? finishOf(reply.steps) }]);
  chunk([], { usage: reply.usage ?? usageOf(request, reply.steps) });
  res.end("data: [DONE]\n\n");
}

const finishOf = (steps: readonly ReplyStep[]): string => (steps.some((step) => "tool" in step) ? "tool_calls" : "stop");

async function sendWhole(
  request: RecordedRequest,
  reply: Extract<ModelReply, { steps: ReplyStep[] }>,
  res: ServerResponse,
  id: string,
): Promise<void> {
  let content = "";
  const calls: unknown[] = [];
  const whole = await play(reply.steps, res, (delta) => {
    if (typeof delta["content"] === "string") content += delta["content"];
    if (delta["tool_calls"]) calls.push(...(delta["tool_calls"] as unknown[]));
  });
  if (!whole) return;
  const message = { role: "assistant", content, ...(calls.length > 0 ? { tool_calls: calls } : {}) };
  const choices = [{ index: 0, message, finish_reason: reply.finish ?? finishOf(reply.steps) }];
  sendJson(res, 200, { id, object: "chat.completion", created: 0, model: request.model, choices, usage: usageOf(request, reply.steps) });
}

/** The answers by which a prober tells the products apart. Undefined: not a path of that product. */
function productAnswer(product: ModelServerOptions["product"], path: string, models: readonly string[]): unknown {
  if (product === "ollama") {
    if (path === "/api/version") return { version: "0.20.0" };
    if (path === "/api/tags")
      return { models: models.map((name) => ({ name, model: name, size: 1, digest: "0", details: { family: "test" } })) };
    if (path === "/api/show") return { capabilities: ["completion", "tools"], model_info: { "test.context_length": 32_768 } };
  }
  if (product === "lmstudio" && path === "/api/v0/models") {
    return { object: "list", data: models.map((id) => ({ id, type: "llm", state: "loaded", max_context_length: 32_768 })) };
  }
  if (product === "llamacpp" && path === "/props") {
    return { default_generation_settings: { n_ctx: 16_384 }, total_slots: 1, model_path: "/models/test.gguf", build_info: "b1" };
  }
  if (product === "vllm" && path === "/version") return { version: "0.11.0" };
  return undefined;
}

/** Starts the server on a loopback port (0: any free one). */
export async function startModelServer(options: ModelServerOptions = {}): Promise<ModelServer> {
  const models = options.models ?? ["test-model", "other-model"];
  let behaviour = options.behaviour;
  let records: RecordedRequest[] = [];
  let paths: string[] = [];
  let embeddings: RecordedEmbedding[] = [];
  let embeddingStatus: number | null = null;
  let total = 0;
  const waiters = new Set<() => void>();

  async function complete(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const record = toRecord(req, await readBody(req));
    records.push(record);
    const index = total++;
    for (const wake of waiters) wake();
    const reply = behaviour?.(record, index) ?? toReply(record);
    if ("stall" in reply) return;
    if ("body" in reply) {
      res.writeHead(reply.status, { "content-type": reply.type });
      return void res.end(reply.body);
    }
    if ("status" in reply) {
      const error = { message: reply.message, type: "scripted", code: null, param: null };
      return sendJson(res, reply.status, { error }, reply.headers);
    }
    const id = `chatcmpl-${index}`;
    await (record.stream ? streamReply(record, reply, res, id) : sendWhole(record, reply, res, id));
  }

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const path = (req.url ?? "/").split("?")[0]!;
    paths.push(`${req.method} ${path}`);
    if (options.key !== undefined && req.headers.authorization !== `Bearer ${options.key}`) {
      return sendJson(res, 401, {
        error: { message: "Incorrect API key provided", type: "invalid_request_error", code: "invalid_api_key" },
      });
    }
    if (req.method === "POST" && path === "/v1/chat/completions") return complete(req, res);
    if (req.method === "POST" && path === "/v1/embeddings") return embed(req, res, false);
    if (req.method === "POST" && path === "/api/embed") return embed(req, res, true);
    const owner = { ollama: "library", lmstudio: "organization_owner", llamacpp: "llamacpp", vllm: "vllm" }[options.product ?? "ollama"];
    if (path === "/v1/models")
      return sendJson(res, 200, { object: "list", data: models.map((id) => ({ id, object: "model", owned_by: owner })) });
    const answer = productAnswer(options.product, path, models);
    sendJson(res, answer === undefined ? 404 : 200, answer ?? { error: { message: `no such path: ${path}` } });
  }

  async function embed(req: IncomingMessage, res: ServerResponse, isOllama: boolean): Promise<void> {
    const body = JSON.parse(await readBody(req)) as { model: string; input: string | string[]; dimensions?: number };
    const texts = [body.input].flat();
    embeddings.push({ model: body.model, texts, headers: req.headers });
    const status = embeddingStatus ?? Number(/error:(\d{3})/.exec(texts.join(" "))?.[1] ?? 200);
    if (status !== 200) return sendJson(res, status, { error: { message: `scripted error ${status}` } });
    const vectors = texts.map((text) => vectorOf(text, body.dimensions ?? VECTOR_NUMBERS));
    const tokens = Math.ceil(texts.join("").length / 4);
    if (isOllama) return sendJson(res, 200, { model: body.model, embeddings: vectors, prompt_eval_count: tokens });
    // In another order: each entry names its place.
    const data = vectors.map((embedding, index) => ({ object: "embedding", index, embedding })).toReversed();
    sendJson(res, 200, { object: "list", model: body.model, data, usage: { prompt_tokens: tokens, total_tokens: tokens } });
  }

  const server = createServer((req, res) => {
    handle(req, res).catch((err: unknown) => {
      if (!res.headersSent) sendJson(res, 500, { error: { message: String(err) } });
      else res.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    requests: () => [...records],
    paths: () => [...paths],
    embeddings: () => [...embeddings],
    failEmbeddings: (status) => void (embeddingStatus = status),
    clear: () => {
      records = [];
      embeddings = [];
      paths = [];
    },
    setBehaviour: (next) => {
      behaviour = next;
    },
    waitFor: (count) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (records.length < count) return;
          waiters.delete(check);
          resolve();
        };
        waiters.add(check);
        check();
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

if (import.meta.main) {
  const at = process.argv.indexOf("--port");
  const started = await startModelServer({ port: at === -1 ? 0 : Number(process.argv[at + 1]) });
  console.log(`model server at ${started.url}/v1 (models: test-model, other-model)`);
}
