import { GatewayError } from "../core/errors.ts";
import type { Exchange } from "./exchange.ts";
import type { HttpRoute } from "./http-route.ts";

/** One page of the history of a session, as `GET /sessions/{key}/history` answers it. */
export type SessionHistoryQuery = {
  /** Session key as the caller wrote it. */
  key: string;
  limit: number;
  /** Only messages with a lower sequence number; undefined: the newest. */
  beforeSeq: number | undefined;
};

/** Reads a page as JSON text; null: the session does not exist. */
export type SessionHistoryReader = (query: SessionHistoryQuery) => string | null;

const PATH = /^\/sessions\/([^/]+)\/history$/;
const MAX_LIMIT = 1_000;

/** The history of a session over HTTP, for programs that open no WebSocket. Same scope as `chat.history`. */
export function sessionHistoryRoute(read: SessionHistoryReader): HttpRoute {
  return { method: "GET", path: "/sessions/*", auth: "operator.read", run: (exchange) => answer(read, exchange) };
}

function answer(read: SessionHistoryReader, exchange: Exchange): void {
  const key = keyOf(exchange.path);
  if (/text\/event-stream/i.test(exchange.header("accept") ?? ""))
    throw new GatewayError("INVALID_REQUEST", "the history is not served as an event stream", {
      fix: "Ask for application/json, or follow the session over the WebSocket.",
    });
  const { query } = exchange;
  const limit = Math.min(positiveInteger(query, "limit", /^(\d+)$/) ?? MAX_LIMIT, MAX_LIMIT);
  const page = read({ key, limit, beforeSeq: positiveInteger(query, "cursor", /^(?:seq:)?(\d+)$/) });
  if (page === null) {
    exchange.json(404, { ok: false, error: { type: "not_found", message: `Session not found: ${key.slice(0, 200)}` } });
    return;
  }
  exchange.bytes(200, "application/json; charset=utf-8", Buffer.from(page));
}

function keyOf(path: string): string {
  const encoded = PATH.exec(path)?.[1];
  if (encoded === undefined) throw new GatewayError("NOT_FOUND", "there is nothing here");
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw new GatewayError("INVALID_REQUEST", "the session key in the path is not valid percent-encoding");
  }
}

function positiveInteger(query: URLSearchParams, name: string, form: RegExp): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const value = Number(form.exec(text.trim())?.[1]);
  if (!Number.isSafeInteger(value) || value < 1) throw new GatewayError("INVALID_REQUEST", `${name} must be a positive integer`);
  return value;
}
