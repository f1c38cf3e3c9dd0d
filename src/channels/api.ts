import { LIMITS } from "../core/limits.ts";
import { reasonOf } from "../core/errors.ts";

/** An answer of a platform's HTTP API, whatever its status. */
export type ApiAnswer = {
  status: number;
  headers: Headers;
  /** Parsed JSON; the text when it is none; null when it is empty. */ body: unknown;
};

/** The request certainly did not reach the platform (no address, refused, no TLS): it may be repeated. */
export class NotSentError extends Error {
  override readonly name = "NotSentError";
}

export type ApiRequest = {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  url: string;
  headers?: Readonly<Record<string, string>>;
  /** Sent as JSON unless it is a FormData, a URLSearchParams, or bytes. */
  body?: unknown;
  signal: AbortSignal;
  /** The whole exchange has to end by then, in ms. Default LIMITS.channelApiMs. */
  timeoutMs?: number;
};

/** Failures that happen before a byte of the request is written. */
const UNSENT = new Set([
  "ENOTFOUND",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
  "CERT_HAS_EXPIRED",
]);

function codeOf(err: unknown): string | undefined {
  for (let at = err; at instanceof Error; at = at.cause) {
    if (at instanceof AggregateError && at.errors.length > 0) return codeOf(at.errors[0]);
    const { code } = at as NodeJS.ErrnoException;
    if (typeof code === "string") return code;
  }
  return undefined;
}

/** The last cause of a failed fetch in a few words: "fetch failed" alone helps nobody. */
export function causeOf(err: unknown): string {
  let at = err;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return reasonOf(at instanceof AggregateError && at.errors.length > 0 ? at.errors[0] : at);
}

/**
 * One request to a platform. Resolves for every HTTP status. Throws NotSentError when the platform has not seen it for certain; any
 * other error means that nobody knows. Redirects are not followed, so that a credential never leaves its origin.
 */
export async function callApi(request: ApiRequest): Promise<ApiAnswer> {
  const deadline = AbortSignal.timeout(request.timeoutMs ?? LIMITS.channelApiMs);
  const { payload, type } = encode(request.body);
  let response: Response;
  try {
    response = await fetch(request.url, {
      method: request.method ?? (request.body === undefined ? "GET" : "POST"),
      headers: { ...(type && { "content-type": type }), ...request.headers },
      redirect: "manual",
      signal: AbortSignal.any([request.signal, deadline]),
      ...(payload !== undefined && { body: payload }),
    });
  } catch (err) {
    if (UNSENT.has(codeOf(err) ?? "")) throw new NotSentError(causeOf(err), { cause: err });
    throw new Error(causeOf(err), { cause: err });
  }
  const bytes = await readBytes(response, LIMITS.channelAnswerBytes);
  return { status: response.status, headers: response.headers, body: parse(bytes) };
}

function encode(body: unknown): { payload?: Exclude<RequestInit["body"], undefined>; type?: string } {
  if (body === undefined) return {};
  if (body instanceof FormData || body instanceof URLSearchParams) return { payload: body };
  if (body instanceof Uint8Array) return { payload: body as Uint8Array<ArrayBuffer>, type: "application/octet-stream" };
  return { payload: JSON.stringify(body), type: "application/json" };
}

function parse(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return null;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
  try {
    return JSON.parse(text);
  } catch (err) {
    if (err instanceof SyntaxError) return text;
    throw err;
  }
}

/** The body of a response; rejects as soon as it is longer than `maxBytes`, and stops reading. */
export async function readBytes(response: Response, maxBytes: number): Promise<Uint8Array> {
  const announced = Number(response.headers.get("content-length") ?? 0);
  const tooLong = (): Error => new Error(`the file is larger than ${maxBytes} bytes`);
  if (announced > maxBytes) {
    await response.body?.cancel();
    throw tooLong();
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Milliseconds of a Retry-After header (seconds, also fractions); null without one. */
export function retryAfterMs(headers: Headers): number | null {
  const seconds = Number(headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.ceil(seconds * 1_000) : null;
}
