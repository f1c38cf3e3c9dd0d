import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { connectPinned } from "../../client/pinned-connection.ts";
import { tryParseJson } from "../../core/json.ts";
import { proxyFor, readProxySettings } from "../../core/proxy.ts";
import { parseFingerprint } from "../../core/tls-pin.ts";
import type { Secret } from "../../core/secret.ts";
import { A2A_LIMITS } from "./limits.ts";

export type A2aTarget = { url: string; token: Secret | undefined; tlsFingerprint: string | undefined };
export type AgentAnswer = { status: number; body: unknown };

/**
 * Sends one request to another agent. Redirects are not followed, so that the token stays at its address, and nothing is sent to one that
 * shows another certificate than the pinned one.
 */
export async function sendToAgent(
  target: A2aTarget,
  { method, url, body, signal }: { method: "GET" | "POST"; url: string; body?: string; signal: AbortSignal },
): Promise<AgentAnswer> {
  const isTls = /^https:/i.test(url);
  const agent = agentFor(target, isTls);
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = (isTls ? httpsRequest : httpRequest)(url, {
        method,
        agent,
        headers: {
          accept: "application/json",
          "a2a-version": "1.0",
          ...(target.token && { authorization: `Bearer ${target.token.reveal()}` }),
          ...(body !== undefined && { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
        },
        signal: AbortSignal.any([signal, AbortSignal.timeout(A2A_LIMITS.requestMs)]),
      });
      request.on("response", resolve);
      request.on("error", (err) => reject(toReadableError(err)));
      request.end(body);
    });
    return { status: response.statusCode ?? 0, body: tryParseJson(await readText(response)) };
  } finally {
    agent.destroy();
  }
}

function agentFor({ tlsFingerprint }: A2aTarget, isTls: boolean): HttpAgent {
  const pin = tlsFingerprint === undefined ? null : parseFingerprint(tlsFingerprint);
  if (pin === null && tlsFingerprint !== undefined) throw new Error("tlsFingerprint is not a SHA-256 fingerprint; nothing is sent");
  if (pin !== null && !isTls) throw new Error("tlsFingerprint is set, and only an https:// address shows a certificate; nothing is sent");
  if (pin !== null) {
    const agent = new HttpsAgent({ keepAlive: false });
    Object.assign(agent, { createConnection: connectPinned(pin) });
    return agent;
  }
  const scheme = isTls ? "https" : "http";
  const route = proxyFor(scheme, null, readProxySettings(process.env));
  const options = route && { proxyEnv: { [`${scheme.toUpperCase()}_PROXY`]: route.url.href, NO_PROXY: route.noProxy } };
  return isTls ? new HttpsAgent({ keepAlive: false, ...options }) : new HttpAgent({ keepAlive: false, ...options });
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > A2A_LIMITS.answerBytes) throw new Error(`the answer is longer than ${A2A_LIMITS.answerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function toReadableError(err: Error): Error {
  return err.name === "TimeoutError" || err.name === "AbortError"
    ? new Error(`no answer within ${A2A_LIMITS.requestMs / 1_000} s`, { cause: err })
    : err;
}
