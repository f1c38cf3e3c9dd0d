import { createHash } from "node:crypto";
import type { MemorySearchConfig } from "../../config/schema.ts";
import type { Variables } from "../../config/secret-refs.ts";
import type { EmbeddingProvider } from "../../config/schema/memory.ts";
import { Secret } from "../../core/secret.ts";

/** Where vectors come from. */
export type EmbeddingSettings = {
  provider: Exclude<EmbeddingProvider, "none">;
  model: string;
  baseUrl: string;
  apiKey: Secret;
  dimensions: number | undefined;
  /** Vectors of other settings cannot be compared with those of these. */
  fingerprint: string;
};

const BASE_URLS: Readonly<Record<string, string>> = { openai: "https://api.openai.com/v1", ollama: "http://127.0.0.1:11434" };
const MODELS: Readonly<Record<string, string>> = { openai: "text-embedding-3-small", ollama: "nomic-embed-text" };

/** The settings of the configuration; null: notes are found by words only. `problem`: why they cannot be used, and what to set. */
export function embeddingSettings(
  { provider, model, remote, outputDimensionality: dimensions }: MemorySearchConfig,
  variables: Variables,
): EmbeddingSettings | { problem: string } | null {
  if (provider === "none") return null;
  const name = model ?? MODELS[provider];
  if (name === undefined) return { problem: `the provider ${provider} has no model; set memory.search.model` };
  const address = remote.baseUrl ?? BASE_URLS[provider];
  if (address === undefined) return { problem: `the provider ${provider} has no address; set memory.search.remote.baseUrl` };
  const own = remote.apiKey?.isEmpty === false ? remote.apiKey : undefined;
  // A key of the environment is for the address that it was issued for.
  const fromEnvironment = provider === "openai" && remote.baseUrl === undefined ? variables("OPENAI_API_KEY") : undefined;
  const apiKey = own ?? new Secret(fromEnvironment ?? "");
  if (provider === "openai" && remote.baseUrl === undefined && apiKey.isEmpty)
    return { problem: "OpenAI has no key; set memory.search.remote.apiKey or the environment variable OPENAI_API_KEY" };
  const baseUrl = address.replace(/\/+$/, "");
  const what = JSON.stringify([provider, baseUrl, name, dimensions ?? null]);
  const fingerprint = createHash("sha256").update(what).digest("base64url").slice(0, 22);
  return { provider, model: name, baseUrl, apiKey, dimensions, fingerprint };
}
