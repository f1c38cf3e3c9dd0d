import { Agent, request as plainRequest, type IncomingMessage } from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import { readFile } from "node:fs/promises";
import { pipeline, Readable, Transform } from "node:stream";
import { reasonOf } from "../core/errors.ts";
import { proxyFor, type ProxySettings } from "../core/proxy.ts";
import { MCP_LIMITS } from "./limits.ts";

export type HttpFetch = {
  /** As `fetch`, without following redirects, and with a limit of the bytes of one message. */
  fetch: (url: string | URL, init?: RequestInit) => Promise<Response>;
  /** Ends all connections. */
  close: () => void;
};

/** TLS settings for one origin; others that are asked, for a sign-in, have the usual ones. */
export type TlsSettings = { origin: string; options: { rejectUnauthorized: boolean; cert?: Buffer; key?: Buffer } };

type TlsConfig = { url?: string | undefined; sslVerify: boolean; clientCert?: string | undefined; clientKey?: string | undefined };

/** The TLS settings of a server, with its files read. Rejects with the file that cannot be read. */
export async function readTlsSettings({ url, sslVerify, clientCert, clientKey }: TlsConfig): Promise<TlsSettings | null> {
  const parsed = url === undefined ? null : URL.parse(url);
  if (parsed?.protocol !== "https:") return null;
  if (clientCert === undefined) return { origin: parsed.origin, options: { rejectUnauthorized: sslVerify } };
  const cert = await readOwnFile("clientCert", clientCert);
  const key = clientKey === undefined ? cert : await readOwnFile("clientKey", clientKey);
  return { origin: parsed.origin, options: { rejectUnauthorized: sslVerify, cert, key } };
}

async function readOwnFile(key: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (err) {
    throw new Error(`its ${key} cannot be read: ${reasonOf(err)}`, { cause: err });
  }
}

/** HTTP for one server: through the proxy of the environment, if there is one, over connections that are kept. */
export function createHttpFetch(proxies: ProxySettings, tls: TlsSettings | null): HttpFetch {
  const agents = new Map<string, Agent>();
  const agentFor = ({ protocol, origin }: URL): Agent => {
    const isOwn = tls !== null && origin === tls.origin;
    const name = isOwn ? origin : protocol;
    const known = agents.get(name);
    if (known) return known;
    const isSecure = protocol === "https:";
    const route = proxyFor(isSecure ? "https" : "http", null, proxies);
    const proxyEnv = route && { proxyEnv: { HTTP_PROXY: route.url.href, HTTPS_PROXY: route.url.href, NO_PROXY: route.noProxy } };
    const made = isSecure
      ? new TlsAgent({ keepAlive: true, ...proxyEnv, ...(isOwn && tls.options) })
      : new Agent({ keepAlive: true, ...proxyEnv });
    agents.set(name, made);
    return made;
  };
  return {
    fetch: async (target, init = {}) => {
      const url = new URL(target);
      if (url.protocol !== "http:" && url.protocol !== "https:") throw new Error("only http and https addresses are used");
      return toResponse(await send(url, init, agentFor(url)));
    },
    close: () => {
      for (const agent of agents.values()) agent.destroy();
    },
  };
}

function send(url: URL, { method = "GET", headers, body, signal }: RequestInit, agent: Agent): Promise<IncomingMessage> {
  if (body !== undefined && body !== null && typeof body !== "string" && !(body instanceof URLSearchParams))
    throw new TypeError("only texts are sent");
  const sent = { "accept-encoding": "identity", "user-agent": "openclaw-gateway", ...Object.fromEntries(new Headers(headers)) };
  return new Promise((resolve, reject) => {
    const make = url.protocol === "https:" ? tlsRequest : plainRequest;
    const request = make(url, { method, headers: sent, agent, ...(signal && { signal }) });
    request.on("response", resolve);
    request.on("error", reject);
    request.end(body?.toString());
  });
}

const NO_BODY: readonly number[] = [204, 205, 304];

function toResponse(message: IncomingMessage): Response {
  const { statusCode = 0, statusMessage = "", headers } = message;
  if (statusCode < 200 || statusCode > 599) throw new Error(`the server answered with the status ${statusCode}`);
  const list = Object.entries(headers).flatMap(([name, value]) => [value ?? []].flat().map((each) => [name, each] as [string, string]));
  const about = { status: statusCode, statusText: statusMessage, headers: list };
  if (NO_BODY.includes(statusCode)) {
    message.resume();
    return new Response(null, about);
  }
  // Who reads the body learns of its failures.
  const body = pipeline(message, limitMessages(headers["content-type"]), () => {});
  return new Response(Readable.toWeb(body) as ReadableStream<Uint8Array>, about);
}

/** Fails when one message is longer than the limit: the whole body, or in an event stream what is between two empty lines. */
function limitMessages(contentType = ""): Transform {
  const isStream = contentType.startsWith("text/event-stream");
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const end = isStream ? Math.max(chunk.lastIndexOf("\n\n"), chunk.lastIndexOf("\n\r\n")) : -1;
      bytes = end < 0 ? bytes + chunk.length : chunk.length - end;
      if (bytes > MCP_LIMITS.messageBytes) done(new Error(`the server sent a message of more than ${MCP_LIMITS.messageBytes} bytes`));
      else done(null, chunk);
    },
  });
}
