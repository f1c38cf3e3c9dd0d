import type { Provider } from "../agents/models.ts";
import { openHttp } from "../channels/http.ts";
import { reasonOf } from "../core/errors.ts";
import { fieldsOf, tryParseJson } from "../core/json.ts";
import { LIMITS } from "../core/limits.ts";
import { clip } from "../core/text.ts";

/** As protocol v4 names it. */
export type ProbeStatus = "ok" | "auth" | "rate_limit" | "billing" | "timeout" | "format" | "unknown" | "no_model";
export type Probe = { status: ProbeStatus; latencyMs?: number; error?: string; fix?: string };

/** What decides how a provider is asked. */
export type ProbedProvider = Pick<Provider, "baseUrl" | "api" | "headers">;

type KeyHeader = "bearer" | "x-api-key" | "x-goog-api-key";
type Question = { url: string; header: KeyHeader };

/** A request of each provider that costs nothing and that only a valid key gets an answer to. Providers without one are not here. */
const FREE_QUESTIONS: Readonly<Record<string, Question>> = {
  anthropic: { url: "https://api.anthropic.com/v1/models?limit=1", header: "x-api-key" },
  openai: { url: "https://api.openai.com/v1/models", header: "bearer" },
  google: { url: "https://generativelanguage.googleapis.com/v1beta/models?pageSize=1", header: "x-goog-api-key" },
  openrouter: { url: "https://openrouter.ai/api/v1/key", header: "bearer" },
  groq: { url: "https://api.groq.com/openai/v1/models", header: "bearer" },
  xai: { url: "https://api.x.ai/v1/models", header: "bearer" },
  mistral: { url: "https://api.mistral.ai/v1/models", header: "bearer" },
  deepseek: { url: "https://api.deepseek.com/models", header: "bearer" },
  cerebras: { url: "https://api.cerebras.ai/v1/models", header: "bearer" },
  moonshotai: { url: "https://api.moonshot.ai/v1/models", header: "bearer" },
  huggingface: { url: "https://huggingface.co/api/whoami-v2", header: "bearer" },
  together: { url: "https://api.together.xyz/v1/models", header: "bearer" },
};

export const hasFreeQuestion = (provider: string): boolean => Object.hasOwn(FREE_QUESTIONS, provider);

function questionOf(name: string, provider: ProbedProvider | undefined): Question | null {
  if (provider?.baseUrl === undefined) return FREE_QUESTIONS[name] ?? null;
  const header =
    provider.api === "anthropic-messages" ? "x-api-key" : provider.api === "google-generative-ai" ? "x-goog-api-key" : "bearer";
  const base = provider.baseUrl.replace(/\/+$/, "");
  return { url: `${base}${header === "x-api-key" && !base.endsWith("/v1") ? "/v1" : ""}/models`, header };
}

/** Asks a provider for the list of its models, which costs nothing. Never throws; never says anything of the key. */
export async function probeProvider(
  name: string,
  {
    provider,
    key,
    timeoutMs,
    elapsed,
  }: { provider: ProbedProvider | undefined; key: string | null; timeoutMs: number; elapsed: () => number },
): Promise<Probe> {
  const question = questionOf(name, provider);
  if (question === null)
    return { status: "unknown", error: `${name} has no request that costs nothing, so the key cannot be tested before it is used` };
  const began = elapsed();
  try {
    const response = await openHttp({
      url: question.url,
      headers: { ...headersOf(provider), ...keyHeader(question.header, key) },
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await readStart(response.body);
    const latencyMs = Math.max(0, Math.round(elapsed() - began));
    return { latencyMs, ...judge(name, response.status, text) };
  } catch (err) {
    const isLate = err instanceof Error && err.name === "TimeoutError";
    return {
      status: "timeout",
      error: isLate ? `${name} did not answer within ${timeoutMs} ms` : `${name} could not be reached: ${clip(reasonOf(err), 200)}`,
      fix:
        provider?.baseUrl === undefined
          ? "Check the network of the gateway's machine."
          : "Check models.providers and whether the server runs.",
    };
  }
}

const headersOf = (provider: ProbedProvider | undefined): Record<string, string> =>
  Object.fromEntries(Object.entries(provider?.headers ?? {}).map(([name, value]) => [name, value.reveal()]));

function keyHeader(header: KeyHeader, key: string | null): Record<string, string> {
  if (key === null) return {};
  if (header === "bearer") return { authorization: `Bearer ${key}` };
  return { [header]: key, ...(header === "x-api-key" && { "anthropic-version": "2023-06-01" }) };
}

/** The beginning of an answer; the rest of a long list is not read. */
async function readStart(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= LIMITS.modelProbeBytes) break;
  }
  return Buffer.concat(chunks).toString("utf8");
}

function judge(name: string, httpStatus: number, text: string): Probe {
  if (httpStatus === 200)
    return /^\s*[{[]/.test(text) ? { status: "ok" } : { status: "format", error: `${name} answered with something other than JSON` };
  const error = `${name} answered ${httpStatus}${messageOf(text)}`;
  if (httpStatus === 401 || httpStatus === 403 || (httpStatus === 400 && /api.?key/i.test(text)))
    return { status: "auth", error, fix: "Copy the key again from the provider's page, and check that it has not expired." };
  if (httpStatus === 402) return { status: "billing", error, fix: "Check the credit and the limits at the provider." };
  if (httpStatus === 429) return { status: "rate_limit", error, fix: "Wait, or raise the limit at the provider." };
  if (httpStatus === 404) return { status: "format", error, fix: "Check the address: it usually ends with /v1." };
  return { status: "unknown", error };
}

/** What the provider says, in one line. */
function messageOf(text: string): string {
  const { error, message } = fieldsOf(tryParseJson(text));
  const said = typeof error === "string" ? error : (fieldsOf(error)["message"] ?? message);
  return typeof said === "string" && said !== "" ? `: ${clip(said.replaceAll(/\s+/g, " "), 200)}` : "";
}
