import { randomUUID } from "node:crypto";
import { Agent as HttpAgent, request as requestHttp, type ClientRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import type { Socket } from "node:net";
import { VERSION } from "../core/version.ts";
import { LIMITS } from "../core/limits.ts";
import { reasonOf } from "../core/errors.ts";
import { proxyFor, readProxySettings } from "../core/proxy.ts";
import { containListeners } from "./containment.ts";

/**
 * HTTP to platforms over Node's own streams. `fetch` would load a second client into every process with a channel, which is more memory and
 * start-up time than all the rest of a channel.
 */

/** The request certainly did not reach the platform (no address, refused, no TLS): it may be repeated. */
export class NotSentError extends Error {
  override readonly name = "NotSentError";
}

export type HttpRequest = {
  method?: string;
  url: string | URL;
  headers?: Readonly<Record<string, string>>;
  body?: Uint8Array | undefined;
  /** The HTTP proxy of this account; without it those of the environment count (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`). */
  proxy?: string | null;
  /** Ends the request and the reading of its answer. */
  signal: AbortSignal;
};

/** An answer whose body has not been read yet: read it, or `cancel`. */
export type HttpResponse = {
  status: number;
  headers: { get(name: string): string | null };
  body: AsyncIterable<Uint8Array>;
  cancel(): void;
};

/** A connection that is not used for so long is closed by us, before the platform does it while we write. */
const IDLE_MS = 4_000;
const environment = readProxySettings(process.env);
const agents = new Map<string, HttpAgent>();

/**
 * The agent for a scheme and a proxy; agents are shared, so that connections are. Requests over https open a tunnel through the proxy
 * (CONNECT); plain http is forwarded by it. Throws when the proxy that is set cannot be used.
 */
export function agentFor(scheme: "http" | "https", proxy: string | null): HttpAgent {
  const route = proxyFor(scheme, proxy, environment);
  const key = `${scheme} ${route?.url.href ?? ""} ${route?.noProxy ?? ""}`;
  let agent = agents.get(key);
  if (!agent) {
    const options = {
      keepAlive: true,
      timeout: IDLE_MS,
      ...(route && { proxyEnv: { [`${scheme.toUpperCase()}_PROXY`]: route.url.href, NO_PROXY: route.noProxy } }),
    };
    agent = scheme === "https" ? new HttpsAgent(options) : new HttpAgent(options);
    agents.set(key, agent);
  }
  return agent;
}

/**
 * Sends one request and resolves with the head of its answer, whatever the status. Redirects are not followed, so that a credential
 * never leaves its origin. Throws NotSentError when certainly nothing was written; after any other error the outcome is unknown.
 */
export function openHttp({ method = "GET", url, headers, body, proxy = null, signal }: HttpRequest): Promise<HttpResponse> {
  const address = new URL(url);
  const secure = address.protocol === "https:";
  if (!secure && address.protocol !== "http:")
    return Promise.reject(new NotSentError(`${address.protocol} is not supported: use http: or https:`));
  let agent: HttpAgent;
  try {
    agent = agentFor(secure ? "https" : "http", proxy);
  } catch (err) {
    return Promise.reject(new NotSentError(reasonOf(err)));
  }
  const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
  const request = containListeners(
    (secure ? requestHttps : requestHttp)(address, {
      method,
      agent,
      headers: {
        "user-agent": `openclaw-gateway/${VERSION}`,
        accept: "*/*",
        ...headers,
        ...((body || method !== "GET") && { "content-length": String(body?.length ?? 0) }),
      },
    }),
    (err) => {
      reject(err);
      request.destroy();
    },
  );
  let connected = false;
  let answer: IncomingMessage | null = null;
  watchConnection(request, secure, () => (connected = true));
  const onAbort = (): void => {
    const reason = signal.reason instanceof Error ? signal.reason : new Error(reasonOf(signal.reason));
    answer?.destroy(reason);
    request.destroy(reason);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  request.once("close", () => signal.removeEventListener("abort", onAbort));
  request.on("error", (err) => reject(connected ? err : new NotSentError(reasonOf(err), { cause: err })));
  request.once("response", (response) => {
    answer = response;
    resolve(toResponse(response));
  });
  if (signal.aborted) onAbort();
  else request.end(body);
  return promise;
}

/** Reports when the connection is established, and ends it after a timeout. The tunnel through a proxy is part of the connection. */
function watchConnection(request: ClientRequest, secure: boolean, onConnected: () => void): void {
  const late = setTimeout(() => request.destroy(new Error("the connection was not established in time")), LIMITS.channelConnectMs);
  const done = (): void => clearTimeout(late);
  request.once("close", done);
  request.once("socket", (socket: Socket) => {
    const connected = (): void => {
      done();
      onConnected();
    };
    if (request.reusedSocket || !socket.connecting) return connected();
    socket.once(secure ? "secureConnect" : "connect", connected);
    socket.once("close", done);
  });
}

function toResponse(response: IncomingMessage): HttpResponse {
  return {
    status: response.statusCode ?? 0,
    headers: {
      get(name) {
        const value = response.headers[name.toLowerCase()];
        return value === undefined ? null : Array.isArray(value) ? value.join(", ") : value;
      },
    },
    body: response as AsyncIterable<Uint8Array>,
    cancel: () => void response.destroy(),
  };
}

/** One field of a form: a text, or a file. */
export type FormField = { name: string; value: string } | { name: string; file: { name: string; mimeType: string; bytes: Uint8Array } };

const quoteParameter = (text: string): string => `"${text.replaceAll("\r", "%0D").replaceAll("\n", "%0A").replaceAll('"', "%22")}"`;

/** A form with files as the body of a request: multipart/form-data (RFC 7578). */
export class MultipartForm {
  readonly type: string;
  readonly bytes: Uint8Array;

  constructor(fields: readonly FormField[]) {
    const boundary = `form-${randomUUID()}`;
    const chunks = fields.flatMap((field): Uint8Array[] => {
      const head = `--${boundary}\r\ncontent-disposition: form-data; name=${quoteParameter(field.name)}`;
      if ("value" in field) return [Buffer.from(`${head}\r\n\r\n${field.value}\r\n`)];
      const { name, mimeType, bytes } = field.file;
      const type = /^[\w.+-]+\/[\w.+-]+$/.test(mimeType) ? mimeType : "application/octet-stream";
      return [Buffer.from(`${head}; filename=${quoteParameter(name)}\r\ncontent-type: ${type}\r\n\r\n`), bytes, Buffer.from("\r\n")];
    });
    this.type = `multipart/form-data; boundary=${boundary}`;
    this.bytes = Buffer.concat([...chunks, Buffer.from(`--${boundary}--\r\n`)]);
  }
}
