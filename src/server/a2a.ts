import { GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import { readLargeFrame } from "../protocol/scan.ts";
import type { Exchange } from "./exchange.ts";
import type { HttpRoute } from "./http-route.ts";
import { SseStream } from "./openai-stream.ts";

/** What is read of a request for A2A; see `src/peers/a2a`. */
export type A2aHttpRequest = { peer: string; authorization: string | undefined; versionHeader: string | undefined; origin: string };
export type A2aHttpAnswer = { status: number; body: unknown; retryAfterMs?: number };

/** Who decides about requests for A2A. */
export type A2aBackend = {
  card: (request: A2aHttpRequest) => Promise<A2aHttpAnswer>;
  /** Decided before the body is read; null: it may be read. */
  screen: (request: A2aHttpRequest) => Promise<A2aHttpAnswer | null>;
  call: (request: A2aHttpRequest, body: unknown, signal: AbortSignal) => Promise<A2aHttpAnswer | { stream: AsyncIterable<unknown> }>;
};

/** The addresses of A2A, those of OpenClaw. */
export function a2aRoutes(a2a: A2aBackend): HttpRoute[] {
  const card = async (exchange: Exchange): Promise<void> => answer(exchange, await a2a.card(requestOf(exchange)));
  return [
    { method: "GET", path: "/.well-known/agent-card.json", auth: "signed", run: card },
    { method: "GET", path: "/.well-known/agent.json", auth: "signed", run: card },
    { method: "POST", path: "/a2a/v1", auth: "signed", run: (exchange) => run(a2a, exchange) },
  ];
}

async function run(a2a: A2aBackend, exchange: Exchange): Promise<void> {
  const request = requestOf(exchange);
  const refused = await a2a.screen(request);
  if (refused !== null) return answer(exchange, refused);
  const answered = await a2a.call(request, await readBody(exchange), exchange.signal);
  if (!("stream" in answered)) return answer(exchange, answered);
  const stream = new SseStream(exchange);
  try {
    for await (const each of answered.stream) await stream.send(each);
  } finally {
    stream.end();
  }
}

/** The body, which may be a batch. Rejects with GatewayError. */
async function readBody(exchange: Exchange): Promise<unknown> {
  try {
    return await readLargeFrame(await exchange.body(LIMITS.hookBodyBytes), () => new Promise((resolve) => setImmediate(resolve)));
  } catch (err) {
    if (err instanceof GatewayError && err.details?.["code"] === "FRAME_NOT_JSON")
      throw new GatewayError("INVALID_REQUEST", "the body is not JSON");
    throw err;
  }
}

function requestOf(exchange: Exchange): A2aHttpRequest {
  const isEncrypted = "encrypted" in exchange.request.socket || exchange.header("x-forwarded-proto") === "https";
  return {
    peer: exchange.peer,
    authorization: exchange.header("authorization"),
    versionHeader: exchange.header("a2a-version"),
    origin: `${isEncrypted ? "https" : "http"}://${exchange.header("host") ?? "localhost"}`,
  };
}

function answer(exchange: Exchange, { status, body, retryAfterMs }: A2aHttpAnswer): void {
  const retry = retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(retryAfterMs / 1_000)) };
  const challenge = status === 401 ? { "www-authenticate": "Bearer" } : {};
  exchange.json(status, body, { ...retry, ...challenge });
}
