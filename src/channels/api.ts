import { LIMITS } from "../core/limits.ts";
import { reasonOf } from "../core/errors.ts";
import { MultipartForm, openHttp, type HttpResponse } from "./http.ts";
import { parseJsonOrText } from "../core/json.ts";

export { MultipartForm, NotSentError } from "./http.ts";

/** An answer of a platform's HTTP API, whatever its status. */
export type ApiResponse = {
  status: number;
  headers: HttpResponse["headers"];
  /** Parsed JSON; the text when it is none; null when it is empty. */ body: unknown;
};

export type ApiRequest = {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  url: string;
  headers?: Readonly<Record<string, string>>;
  /** Sent as JSON unless it is a form, a URLSearchParams, or bytes. */
  body?: unknown;
  /** The HTTP proxy of this account; without it those of the environment count. */
  proxy?: string | null;
  signal: AbortSignal;
  /** The whole exchange has to end by then, in ms. Default LIMITS.channelApiMs. */
  timeoutMs?: number;
};

/** The last cause of a failure in a few words. */
export function networkErrorReason(err: unknown): string {
  let at = err;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return reasonOf(at instanceof AggregateError && at.errors.length > 0 ? at.errors[0] : at);
}

/**
 * One request to a platform. Resolves for every HTTP status. Throws NotSentError when the platform has not seen it for certain; any
 * other error means that the outcome is unknown. Redirects are not followed, so that a credential never leaves its origin.
 */
export async function callApi(request: ApiRequest): Promise<ApiResponse> {
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(request.timeoutMs ?? LIMITS.channelApiMs)]);
  const { payload, type } = await encodeBody(request.body);
  const answer = await openHttp({
    method: request.method ?? (request.body === undefined ? "GET" : "POST"),
    url: request.url,
    headers: { ...(type !== undefined && { "content-type": type }), ...request.headers },
    body: payload,
    proxy: request.proxy ?? null,
    signal,
  });
  const bytes = await readBytes(answer, LIMITS.channelAnswerBytes);
  return { status: answer.status, headers: answer.headers, body: parseBody(bytes) };
}

async function encodeBody(body: unknown): Promise<{ payload?: Uint8Array; type?: string }> {
  if (body === undefined) return {};
  if (body instanceof MultipartForm) return { payload: body.bytes, type: body.type };
  if (body instanceof URLSearchParams)
    return { payload: Buffer.from(body.toString()), type: "application/x-www-form-urlencoded;charset=UTF-8" };
  if (body instanceof Uint8Array) return { payload: body, type: "application/octet-stream" };
  // Asked by its name: the class itself is a part of what `fetch` loads.
  if (Object.prototype.toString.call(body) === "[object FormData]") {
    const response = new Response(body as FormData);
    return { payload: await response.bytes(), type: response.headers.get("content-type")! };
  }
  return { payload: Buffer.from(JSON.stringify(body)), type: "application/json" };
}

function parseBody(bytes: Uint8Array): unknown {
  return bytes.length === 0 ? null : parseJsonOrText(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8"));
}

/** The body of an answer; rejects as soon as it is longer than `maxBytes`, and stops reading. Also takes what `fetch` gives. */
export async function readBytes(
  response: { headers: HttpResponse["headers"]; body: AsyncIterable<Uint8Array> | null },
  maxBytes: number,
): Promise<Uint8Array> {
  const announced = Number(response.headers.get("content-length") ?? 0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop ends the reading.
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > maxBytes || announced > maxBytes) throw new Error(`the file is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Milliseconds of a Retry-After header (seconds, also fractions); null without one. */
export function retryAfterMs(headers: HttpResponse["headers"]): number | null {
  const seconds = Number(headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.ceil(seconds * 1_000) : null;
}
