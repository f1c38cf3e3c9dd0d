import type { IncomingMessage, ServerResponse } from "node:http";
import { ERRORS } from "../core/error-codes.ts";
import { GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { BudgetShare } from "./budget.ts";

export const PRODUCT = "openclaw-gateway";
/** Lets this project's programs recognize a gateway. It is public and proves nothing. */
export const PRODUCT_HEADER = "x-gateway-product";

const PAGE_POLICY =
  "default-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const COMMON_HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), microphone=(self), geolocation=()",
  "content-security-policy": PAGE_POLICY,
  [PRODUCT_HEADER]: PRODUCT,
};

/** The URL of a request as if the gateway lay at the root. A URL outside of the base path is left as it is. */
export function stripBasePath(url: string, basePath: string): string {
  if (basePath === "" || !url.startsWith(basePath)) return url;
  const rest = url.slice(basePath.length);
  return rest.startsWith("/") ? rest : rest === "" || rest.startsWith("?") ? `/${rest}` : url;
}

/** One HTTP request and its answer. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Path without query, still percent-encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Aborts when the client has gone before the answer was complete. */
  readonly signal: AbortSignal;
  /** Where the bytes of the body are counted while they are held. Set before a route runs. */
  budgetShare: BudgetShare | null = null;
  /** The address that the limits of peers are about. Set before a route runs. */
  peer = "";
  /** The caller has shown a good credential. */
  authenticated = false;
  readonly #disconnected = new AbortController();
  /** The connection is in no state to carry another request. */
  #mustClose = false;

  constructor(request: IncomingMessage, response: ServerResponse, basePath = "") {
    const url = stripBasePath(request.url ?? "/", basePath);
    const mark = url.indexOf("?");
    this.request = request;
    this.response = response;
    this.path = mark < 0 ? url : url.slice(0, mark);
    this.query = new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1));
    this.signal = this.#disconnected.signal;
    response.on("close", () => {
      if (!response.writableFinished) this.#disconnected.abort();
      this.budgetShare?.release();
    });
    for (const [name, value] of Object.entries(COMMON_HEADERS)) response.setHeader(name, value);
  }

  /** Header text; the first when it was sent more than once. */
  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void {
    this.bytes(status, "application/json; charset=utf-8", Buffer.from(JSON.stringify(body)), headers);
  }

  text(status: number, body: string, headers: Readonly<Record<string, string>> = {}): void {
    this.bytes(status, "text/plain; charset=utf-8", Buffer.from(body), headers);
  }

  bytes(status: number, type: string, body: Buffer, headers: Readonly<Record<string, string>> = {}): void {
    if (this.response.headersSent) return;
    // An unused body without a credential is not read to its end: the connection closes with the answer.
    const last = this.#mustClose || (!this.authenticated && hasBody(this.request) && !this.request.complete);
    this.response.writeHead(status, {
      "cache-control": "no-store",
      ...headers,
      "content-type": type,
      "content-length": body.length,
      ...(last ? { connection: "close" } : {}),
    });
    this.response.end(this.request.method === "HEAD" ? undefined : body);
  }

  /** A failure in the shape that OpenAI's clients read as well. */
  sendError(status: number, type: string, message: string, extra: { fix?: string; retryAfterMs?: number } = {}): void {
    const headers = extra.retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(extra.retryAfterMs / 1_000)) };
    this.json(status, { error: { message, type, ...(extra.fix ? { fix: extra.fix } : {}) } }, headers);
  }

  sendGatewayError(err: GatewayError, type: string): void {
    const retry = err.retryAfterMs === undefined ? {} : { retryAfterMs: err.retryAfterMs };
    this.sendError(ERRORS[err.code].http, type, err.message, err.fix === undefined ? retry : { ...retry, fix: err.fix });
  }

  /** The credential of the caller has ended: what runs for it is aborted, and the connection ends at once. */
  revoke(): void {
    this.#mustClose = true;
    this.#disconnected.abort();
    if (this.response.headersSent) this.response.destroy();
    else this.sendError(401, "unauthorized", "the credential has ended");
  }

  /**
   * The request body. Rejects with GatewayError TOO_LARGE, INVALID_REQUEST when it comes too slowly or is cut, UNAVAILABLE when too
   * much is held already. After that the connection closes, unless a proved caller only has to send the rest for nothing.
   */
  body(limitBytes: number): Promise<Buffer> {
    const { request } = this;
    const tooLarge = new GatewayError("TOO_LARGE", `the request body is larger than ${limitBytes} bytes`);
    if (Number(request.headers["content-length"] ?? 0) > limitBytes) return Promise.reject(tooLarge);
    if (request.destroyed) return Promise.reject(new GatewayError("INVALID_REQUEST", "the request body was cut"));
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      let over = false;
      const slow = setTimeout(() => {
        this.#mustClose = true;
        stop(new GatewayError("INVALID_REQUEST", "the request body came too slowly"));
      }, LIMITS.httpBodyMs);
      const stop = (err: GatewayError): void => {
        if (over) return;
        over = true;
        clearTimeout(slow);
        chunks.length = 0;
        this.budgetShare?.release();
        request.pause();
        reject(err);
      };
      request.on("data", (chunk: Buffer) => {
        if (over) return;
        size += chunk.length;
        if (size > limitBytes) stop(tooLarge);
        else if (this.budgetShare?.reserve(chunk.length) === false) stop(bodyMemoryFull());
        else chunks.push(chunk);
      });
      request.on("end", () => {
        if (over) return;
        over = true;
        clearTimeout(slow);
        resolve(Buffer.concat(chunks));
      });
      request.on("close", () => stop(new GatewayError("INVALID_REQUEST", "the request body was cut")));
    });
  }
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

const bodyMemoryFull = (): GatewayError =>
  new GatewayError("UNAVAILABLE", "too many request bodies are held right now; send it again", { retryAfterMs: 5_000 });

/** They would say from which chat a request comes, which no route here uses. */
const UNSERVED_HEADERS = ["x-openclaw-message-channel", "x-openclaw-account-id", "x-openclaw-message-to", "x-openclaw-thread-id"];

/** Throws GatewayError for a header whose effect would be missing. */
export function refuseUnservedHeaders(exchange: Exchange): void {
  const header = UNSERVED_HEADERS.find((name) => exchange.header(name) !== undefined);
  if (header !== undefined) throw new GatewayError("INVALID_REQUEST", `the header ${header} has no effect here`, { fix: "Leave it out." });
}
