import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Secret } from "../../core/secret.ts";
import { OTEL_LIMITS } from "./limits.ts";

export type PostTarget = { url: string; headers: Readonly<Record<string, Secret>>; timeoutMs: number };
export type PostAnswer = { status: number; /** What the server asked to wait. */ retryAfterMs: number | null; body: Buffer };
export type Post = (target: PostTarget, contentType: string, body: Buffer) => Promise<PostAnswer>;

/** Posts to collectors over connections that stay open between requests. */
export function createPost(): { post: Post; close: () => void } {
  const agents = { http: new HttpAgent({ keepAlive: true, maxSockets: 3 }), https: new HttpsAgent({ keepAlive: true, maxSockets: 3 }) };
  const post: Post = ({ url, headers, timeoutMs }, contentType, body) =>
    new Promise((resolve, reject) => {
      const isTls = url.startsWith("https:");
      const send = isTls ? httpsRequest : httpRequest;
      const request = send(url, {
        method: "POST",
        agent: isTls ? agents.https : agents.http,
        headers: {
          ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.reveal()])),
          "content-type": contentType,
          "content-length": body.length,
        },
        // The whole request: a collector that sends one byte a second holds no longer.
        signal: AbortSignal.timeout(timeoutMs),
      });
      request.on("response", (response) => readAnswer(response).then(resolve, reject));
      request.on("error", (err) => reject(toReadableError(err, timeoutMs)));
      request.end(body);
    });
  const close = (): void => {
    agents.http.destroy();
    agents.https.destroy();
  };
  return { post, close };
}

async function readAnswer(response: IncomingMessage): Promise<PostAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= OTEL_LIMITS.answerBytes) chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, retryAfterMs: toRetryAfter(response.headers["retry-after"]), body: Buffer.concat(chunks) };
}

function toRetryAfter(value: string | undefined): number | null {
  if (value === undefined) return null;
  const ms = /^\s*\d+\s*$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), OTEL_LIMITS.retryAfterMs) : null;
}

function toReadableError(err: Error, timeoutMs: number): Error {
  return err.name === "TimeoutError" || (err as { code?: string }).code === "ABORT_ERR"
    ? new Error(`no answer within ${timeoutMs / 1_000} s`, { cause: err })
    : err;
}
