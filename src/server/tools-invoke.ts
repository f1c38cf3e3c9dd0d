import type { Verified } from "../auth/authenticator.ts";
import { GatewayError } from "../core/errors.ts";
import { asObject } from "../core/json.ts";
import { LIMITS } from "../core/limits.ts";
import { refuseUnservedHeaders, type Exchange } from "./exchange.ts";
import type { HttpRoute } from "./http-route.ts";
import { readJsonBody } from "./json-body.ts";

/** What `tools.invoke` answers. */
export type ToolAnswer = { ok: boolean; output?: unknown; error?: { code: string; message: string; details?: object } };

/** Runs a tool for a caller, who may go away meanwhile. `params` are unchecked. */
export type ToolInvoker = (params: unknown, caller: { scopes: ReadonlySet<string>; signal: AbortSignal }) => Promise<ToolAnswer>;

/** Fields of the body that are params of `tools.invoke` under the same name. */
const SAME_NAME = ["args", "sessionKey", "agentId", "idempotencyKey"] as const;
const STATUS: Readonly<Record<string, number>> = { denied: 403, unknown: 404, failed: 500 };

/** `POST /tools/invoke`: one call of a tool by a program that opens no WebSocket. Same scope and same gate as `tools.invoke`. */
export function toolsInvokeRoute(invoke: ToolInvoker): HttpRoute {
  return {
    method: "POST",
    path: "/tools/invoke",
    auth: "operator.write",
    run: async (exchange, caller) => answer(invoke, exchange, caller!),
  };
}

async function answer(invoke: ToolInvoker, exchange: Exchange, caller: Verified): Promise<void> {
  refuseUnservedHeaders(exchange);
  const params = toParams(await readJsonBody(exchange, LIMITS.toolRequestBytes));
  const { ok, output, error } = await invoke(params, { scopes: caller.scopes, signal: exchange.signal });
  if (ok) return exchange.json(200, { ok, result: output });
  const { code, message, details } = error!;
  exchange.json(STATUS[code] ?? 500, {
    ok,
    error: { type: code, message, ...details },
    ...(output === undefined ? {} : { result: output }),
  });
}

/** The body names the tool as `tool` or `name`, and may have the `action` of the arguments beside them. */
function toParams(body: Record<string, unknown>): Record<string, unknown> {
  const { tool, name = tool, action, ...rest } = body;
  if (tool !== undefined && name !== tool)
    throw new GatewayError("INVALID_REQUEST", "`tool` and `name` are two names of the same field, and differ");
  const unknown = Object.keys(rest).find((key) => !SAME_NAME.some((each) => each === key));
  if (unknown !== undefined) throw new GatewayError("INVALID_REQUEST", `unknown field ${JSON.stringify(unknown.slice(0, 64))}`);
  const args = rest["args"] === undefined ? {} : asObject(rest["args"]);
  // Anything but an object is refused with the other params.
  return action === undefined || args === null ? { name, ...rest } : { name, ...rest, args: { ...args, action } };
}
