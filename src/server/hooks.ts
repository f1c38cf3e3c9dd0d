import { LIMITS } from "../core/limits.ts";
import type { Exchange } from "./exchange.ts";
import type { HttpRoute } from "./http-route.ts";
import { parseJsonBody } from "./json-body.ts";

/** A request to a hook. `path`: what follows the path of hooks. The first of each header and parameter. */
export type HookHttpRequest = {
  path: string;
  headers: Readonly<Record<string, string>>;
  query: Readonly<Record<string, string>>;
  peer: string;
};
export type HookHttpAnswer = { status: number; body: Readonly<Record<string, unknown>> | string; retryAfterMs?: number };

/** Who decides about requests to hooks. */
export type HookBackend = {
  /** First part of the addresses, without a slash at its end. */
  path: string;
  /** Decided before the body is read; null: it may be read. */
  screen: (request: HookHttpRequest) => Promise<HookHttpAnswer | null>;
  receive: (
    request: HookHttpRequest,
    body: Uint8Array,
    parse: () => Promise<Record<string, unknown>>,
    signal: AbortSignal,
  ) => Promise<HookHttpAnswer>;
};

/** The addresses at which other programs start runs. The body stays as it came, since signatures are made over its bytes. */
export function hookRoutes(hooks: HookBackend): HttpRoute[] {
  return [{ method: "POST", path: `${hooks.path}/*`, auth: "signed", run: (exchange) => run(hooks, exchange) }];
}

async function run(hooks: HookBackend, exchange: Exchange): Promise<void> {
  const request: HookHttpRequest = {
    path: exchange.path.slice(hooks.path.length + 1),
    headers: Object.fromEntries(
      Object.entries(exchange.request.headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, [value].flat()[0]!]])),
    ),
    query: Object.fromEntries(exchange.query),
    peer: exchange.peer,
  };
  const refused = await hooks.screen(request);
  if (refused !== null) return answer(exchange, refused);
  const body = await exchange.body(LIMITS.hookRequestBytes);
  answer(exchange, await hooks.receive(request, body, () => parseJsonBody(body), exchange.signal));
}

function answer(exchange: Exchange, { status, body, retryAfterMs }: HookHttpAnswer): void {
  const headers = retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(retryAfterMs / 1_000)) };
  if (typeof body === "string") exchange.text(status, body, headers);
  else exchange.json(status, body, headers);
}
