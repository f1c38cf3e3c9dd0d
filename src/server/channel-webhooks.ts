import { GatewayError, reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Exchange } from "./exchange.ts";
import type { HttpRoute } from "./http-route.ts";
import type { ServerDeps } from "./deps.ts";

/** `/channels/<channel>` for the account `default`, `/channels/<channel>/<account>` for another one. */
const PATH = /^\/channels\/([a-z][a-z0-9-]{0,31})(?:\/([A-Za-z0-9_.-]{1,64}))?$/;

/** How soon a platform may come back after a request that was not stored. */
const RETRY_MS = 5_000;

/** Whatever kept a request from being stored (a full disk, a defect of the channel): the platform has to keep it and come again. */
function retryLater(deps: ServerDeps, channel: string, account: string, err: unknown): GatewayError {
  if (err instanceof GatewayError && (err.code !== "UNAVAILABLE" || err.retryAfterMs !== undefined)) return err;
  deps.log.error("a pushed request was not stored", { channel, account, cause: reasonOf(err) });
  return new GatewayError("UNAVAILABLE", "the request was not stored; send it again", { retryAfterMs: RETRY_MS, cause: err });
}

/** The addresses at which chat platforms push to us. The body stays as it came, since signatures are made over its bytes. */
export function webhookRoutes(deps: ServerDeps): HttpRoute[] {
  const run = async (exchange: Exchange): Promise<void> => {
    const found = PATH.exec(exchange.path);
    if (!found || !deps.receiveWebhook) throw new GatewayError("NOT_FOUND", "there is nothing here");
    const [, channel = "", account = "default"] = found;
    const { method = "GET", url = "" } = exchange.request;
    const headers = Object.fromEntries(
      Object.entries(exchange.request.headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, [value].flat()[0]!]])),
    );
    const missing = deps.missingWebhookHeader(channel, account, headers);
    if (missing !== null && method === "POST") return exchange.sendError(401, "bad_signature", `the request carries no ${missing} header`);
    const body = method === "POST" ? await exchange.body(LIMITS.hookBodyBytes) : Buffer.alloc(0);
    const query = url.includes("?") ? url.slice(url.indexOf("?") + 1) : "";
    const answer = await deps
      .receiveWebhook(channel, account, { method, path: exchange.path, query, headers, body })
      .catch((err: unknown) => Promise.reject(retryLater(deps, channel, account, err)));
    const type = answer.headers?.["content-type"] ?? "application/json; charset=utf-8";
    exchange.bytes(answer.status, type, Buffer.from(answer.body ?? ""), answer.headers);
  };
  return (["POST", "GET"] as const).map((method) => ({ method, path: "/channels/*", auth: "signed", run }));
}
