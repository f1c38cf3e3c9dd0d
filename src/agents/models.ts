import { once } from "node:events";
import { connect } from "node:net";
import { reasonOf } from "../core/errors.ts";
import { errnoOf } from "../core/files.ts";
import { fieldsOf, asArray, type JsonObject } from "../core/json.ts";
import { LIMITS } from "../core/limits.ts";
import { KEY_VARIABLES } from "../core/provider-keys.ts";
import type { Log } from "../core/log.ts";
import type { Secret } from "../core/secret.ts";
import { GUIDE_MODEL, GUIDE_NAME, GUIDE_PROVIDER } from "../core/guide-model.ts";
import { modelName, type ModelRef } from "./runtime.ts";

export type ProviderModel = {
  id: string;
  name?: string;
  /** Tokens. */
  contextWindow?: number;
  /** Tokens of the window that may be used, if fewer than all. */
  contextTokens?: number;
  maxTokens?: number;
  reasoning?: boolean;
  /** Kinds that the runtime does not support are left out. */
  input?: readonly ("text" | "image" | "video" | "audio")[];
  /** US dollars per million tokens; default 0. */
  cost?: { input?: number; output?: number; cacheRead?: number; cacheWrite?: number };
  /** Where this model differs from its provider. */
  api?: string;
  baseUrl?: string;
  headers?: Readonly<Record<string, Secret>>;
  compat?: Readonly<Record<string, unknown>>;
};

const DEFAULT_WINDOW = 128_000;

/** The context window in tokens, limited by the model and the configuration. */
export const contextWindowOf = (model: ProviderModel): number =>
  Math.min(model.contextWindow ?? DEFAULT_WINDOW, model.contextTokens ?? Infinity);

/** The kinds of input that the runtime supports. */
export const supportedInput = (model: ProviderModel): ("text" | "image")[] =>
  (model.input ?? ["text"]).filter((kind) => kind === "text" || kind === "image");

/** One entry of `models.providers`. Without `baseUrl` it only sets the key of a provider that Pi knows by name. */
export type Provider = {
  baseUrl?: string;
  /** How long a model of it may be silent. */
  timeoutSeconds?: number;
  /** `openai-completions` (default), `openai-responses`, `anthropic-messages`, `google-generative-ai`, `ollama`, ... */
  api?: string;
  apiKey?: Secret;
  headers?: Readonly<Record<string, Secret>>;
  /** Send the key as `Authorization: Bearer`, even if the API has another header for it. */
  authHeader?: boolean;
  compat?: Readonly<Record<string, unknown>>;
  models: readonly ProviderModel[];
};

export type ProviderTable = Readonly<Record<string, Provider>>;

/** The variables of the gateway's environment that providers get; no other variable reaches them. */
export const PROVIDER_VARIABLES: readonly string[] = [
  ...Object.values(KEY_VARIABLES),
  ..."ANTHROPIC_AUTH_TOKEN ANTHROPIC_OAUTH_TOKEN ANTHROPIC_BASE_URL OPENAI_BASE_URL OPENAI_ORG_ID OPENAI_PROJECT_ID".split(" "),
  ..."AZURE_OPENAI_API_KEY AZURE_OPENAI_BASE_URL AZURE_OPENAI_RESOURCE_NAME AZURE_OPENAI_API_VERSION".split(" "),
  ..."AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_PROFILE AWS_REGION AWS_DEFAULT_REGION AWS_BEARER_TOKEN_BEDROCK".split(
    " ",
  ),
  ..."GOOGLE_CLOUD_API_KEY GOOGLE_CLOUD_PROJECT GOOGLE_CLOUD_LOCATION GOOGLE_APPLICATION_CREDENTIALS".split(" "),
  ..."CLOUDFLARE_API_KEY CLOUDFLARE_ACCOUNT_ID CLOUDFLARE_GATEWAY_ID COPILOT_GITHUB_TOKEN".split(" "),
];

/** The scripted provider that answers while no model is configured. */
export const GUIDE: ModelRef = { provider: GUIDE_PROVIDER, id: GUIDE_MODEL };

type KnownModel = Required<Pick<ProviderModel, "id" | "name" | "contextWindow" | "reasoning" | "input">>;

/**
 * The default model of each provider whose key may be in the environment. Capable and of moderate price, never the most
 * expensive. Ids are those of Pi 0.87.1. The order is the order of preference.
 */
export const DEFAULT_MODELS: Readonly<Record<string, KnownModel>> = {
  anthropic: { id: "claude-sonnet-5", name: "Claude Sonnet 5", contextWindow: 1_000_000, reasoning: true, input: ["text", "image"] },
  openai: { id: "gpt-5.4-mini", name: "GPT-5.4 mini", contextWindow: 400_000, reasoning: true, input: ["text", "image"] },
  google: { id: "gemini-3.8-flash", name: "Gemini 3.8 Flash", contextWindow: 1_048_576, reasoning: true, input: ["text", "image"] },
  openrouter: {
    id: "anthropic/claude-sonnet-5",
    name: "Claude Sonnet 5",
    contextWindow: 1_000_000,
    reasoning: true,
    input: ["text", "image"],
  },
  xai: { id: "grok-4.3", name: "Grok 4.3", contextWindow: 1_000_000, reasoning: true, input: ["text", "image"] },
  mistral: { id: "mistral-large-latest", name: "Mistral Large", contextWindow: 262_144, reasoning: false, input: ["text", "image"] },
  deepseek: { id: "deepseek-flash", name: "DeepSeek Flash", contextWindow: 1_000_000, reasoning: true, input: ["text", "image"] },
  groq: { id: "openai/gpt-oss-120b", name: "GPT-OSS 120B", contextWindow: 131_072, reasoning: true, input: ["text"] },
  cerebras: { id: "gpt-oss-120b", name: "GPT-OSS 120B", contextWindow: 131_072, reasoning: true, input: ["text"] },
  zai: { id: "glm-5.3", name: "GLM 5.3", contextWindow: 1_000_000, reasoning: true, input: ["text"] },
  moonshotai: { id: "kimi-k2.6", name: "Kimi K2.6", contextWindow: 262_144, reasoning: true, input: ["text", "image"] },
  "kimi-coding": { id: "kimi-for-coding", name: "Kimi for Coding", contextWindow: 1_048_576, reasoning: true, input: ["text", "image"] },
  minimax: { id: "MiniMax-M3", name: "MiniMax M3", contextWindow: 1_048_576, reasoning: true, input: ["text", "image"] },
  "vercel-ai-gateway": {
    id: "anthropic/claude-sonnet-5",
    name: "Claude Sonnet 5",
    contextWindow: 1_000_000,
    reasoning: true,
    input: ["text", "image"],
  },
  together: { id: "moonshotai/Kimi-K2.6", name: "Kimi K2.6", contextWindow: 262_144, reasoning: true, input: ["text", "image"] },
  fireworks: { id: "accounts/fireworks/models/glm-5p3", name: "GLM 5.3", contextWindow: 1_048_573, reasoning: true, input: ["text"] },
  nvidia: { id: "moonshotai/kimi-k2.6", name: "Kimi K2.6", contextWindow: 262_144, reasoning: true, input: ["text", "image"] },
};

/** A model server on this machine that was identified. */
export type LocalServer = { product: string; label: string; provider: Provider };

export type ModelInputs = {
  /** `provider/id` as configured, the preferred one first; empty without configuration. */
  configured: readonly string[];
  providers: ProviderTable;
  env: NodeJS.ProcessEnv;
  local: readonly LocalServer[];
  /** Further models that users may choose. */
  listed?: readonly string[];
};

export type ModelSelection = {
  primary: ModelRef;
  fallbacks: readonly ModelRef[];
  source: "config" | "environment" | "local" | "guide";
  /** One sentence for the user: which model answers, and why. */
  note: string;
};

export type CatalogEntry = {
  id: string;
  name: string;
  provider: string;
  /** Tokens. */
  contextWindow: number;
  reasoning: boolean;
  input: readonly ("text" | "image")[];
  /** Whether it can be used. */
  available: boolean;
};

/** The minimum for the system prompt and a short conversation. */
const SMALLEST_WINDOW = 8_192;

/** `provider/id`; the id may contain slashes. Undefined without a provider part. */
export function parseModelName(name: string): ModelRef | undefined {
  const at = name.indexOf("/");
  if (at <= 0 || at === name.length - 1) return undefined;
  return { provider: name.slice(0, at), id: name.slice(at + 1) };
}

/** A bare id is looked up among the configured providers, then among the known ones. */
function toRef(name: string, inputs: ModelInputs): ModelRef | undefined {
  const ref = parseModelName(name);
  const knows = (id: string): boolean =>
    Object.hasOwn(inputs.providers, id) || Object.hasOwn(KEY_VARIABLES, id) || inputs.local.some((server) => server.product === id);
  if (ref && knows(ref.provider)) return ref;
  const owner = Object.entries(toProviderTable(inputs)).find(([, provider]) => provider.models.some((model) => model.id === name));
  return owner ? { provider: owner[0], id: name } : ref;
}

const environmentKey = (provider: string, env: NodeJS.ProcessEnv): string | undefined => {
  const name = Object.hasOwn(KEY_VARIABLES, provider) ? KEY_VARIABLES[provider] : undefined;
  return name !== undefined && env[name] ? name : undefined;
};

/** The provider table of the runtime: the configured providers and the local servers that were found. */
export function toProviderTable(inputs: Pick<ModelInputs, "providers" | "local">): ProviderTable {
  const found = inputs.local.map(({ product, provider }) => [product, provider] as const);
  return { ...Object.fromEntries(found), ...inputs.providers };
}

/** Largest context first among the usable ones, since small windows forget. */
function localModelRefs(local: readonly LocalServer[]): ModelRef[] {
  return local.flatMap(({ product, provider }) =>
    provider.models.filter((model) => contextWindowOf(model) >= SMALLEST_WINDOW).map((model) => ({ provider: product, id: model.id })),
  );
}

/** Selects the model. Precedence: configuration, a key in the environment, a server on this machine, the setup guide. Pure. */
export function selectModels(inputs: ModelInputs): ModelSelection {
  const [primary, ...fallbacks] = inputs.configured.flatMap((name) => toRef(name, inputs) ?? []);
  if (primary) return { primary, fallbacks, source: "config", note: `${modelName(primary)} answers, as configured.` };
  const keyed = Object.entries(DEFAULT_MODELS).flatMap(([provider, model]) => {
    const hasKey = inputs.providers[provider]?.apiKey !== undefined || environmentKey(provider, inputs.env) !== undefined;
    return hasKey ? [{ provider, id: model.id }] : [];
  });
  if (keyed[0]) return toKeyedSelection(keyed[0], inputs);
  const custom = Object.entries(inputs.providers).flatMap(([provider, { baseUrl, models }]) =>
    baseUrl ? models.map((model) => ({ provider, id: model.id })) : [],
  );
  if (custom[0]) {
    const note = `${modelName(custom[0])} answers, the first model under models.providers, because agents.defaults.model is not set.`;
    return { primary: custom[0], fallbacks: [], source: "config", note };
  }
  const local = localModelRefs(inputs.local);
  if (local[0]) {
    const server = inputs.local.find((each) => each.product === local[0]!.provider)!;
    const note = `${modelName(local[0])} answers; ${server.label} was found on this machine and no other model is configured.`;
    return { primary: local[0], fallbacks: [], source: "local", note };
  }
  return {
    primary: GUIDE,
    fallbacks: [],
    source: "guide",
    note: 'No AI model is connected, so a scripted setup guide answers; write "help" to it, or run `openclaw models` on the gateway\'s machine.',
  };
}

function toKeyedSelection(primary: ModelRef, inputs: ModelInputs): ModelSelection {
  const variable = environmentKey(primary.provider, inputs.env);
  const configured = inputs.providers[primary.provider]?.apiKey !== undefined;
  const why = configured ? `models.providers.${primary.provider} has a key` : `${variable} is set in the gateway's environment`;
  return {
    primary,
    // A key in the environment is not consent to pay a second provider when the first one fails.
    fallbacks: [],
    source: configured ? "config" : "environment",
    note: `${modelName(primary)} answers, because ${why} and agents.defaults.model is not set.`,
  };
}

/** Every model that can be selected, for lists and pickers; the guide is last. Pure. */
export function buildModelCatalog(inputs: ModelInputs): CatalogEntry[] {
  const entries = new Map<string, CatalogEntry>();
  const add = (provider: string, model: ProviderModel, available: boolean): void => {
    const key = `${provider}/${model.id}`;
    if (entries.get(key)?.available) return;
    entries.set(key, {
      id: model.id,
      name: model.name ?? model.id,
      provider,
      contextWindow: contextWindowOf(model),
      reasoning: model.reasoning ?? false,
      input: supportedInput(model),
      available,
    });
  };
  const hasKey = (id: string): boolean => inputs.providers[id]?.apiKey !== undefined || environmentKey(id, inputs.env) !== undefined;
  for (const [id, provider] of Object.entries(toProviderTable(inputs))) {
    for (const model of provider.models) add(id, model, provider.baseUrl !== undefined || hasKey(id));
  }
  for (const name of [...inputs.configured, ...(inputs.listed ?? [])]) {
    const ref = toRef(name, inputs);
    const known = ref && DEFAULT_MODELS[ref.provider]?.id === ref.id ? DEFAULT_MODELS[ref.provider] : undefined;
    if (ref && Object.hasOwn(KEY_VARIABLES, ref.provider)) add(ref.provider, known ?? { id: ref.id }, hasKey(ref.provider));
  }
  for (const [id, model] of Object.entries(DEFAULT_MODELS)) if (hasKey(id)) add(id, model, true);
  add(GUIDE.provider, { id: GUIDE.id, name: GUIDE_NAME, contextWindow: 1_000_000 }, true);
  return [...entries.values()];
}

/** The default port of a product, and how its server is distinguished from others on that port. */
export type LocalServerProbe = {
  product: string;
  label: string;
  port: number;
  /** Path whose answer identifies the product. */
  identify: string;
  /** Undefined: another product. */
  read: (answer: unknown, list: () => Promise<unknown>) => Promise<ProviderModel[] | undefined>;
};

const asContextWindow = (value: unknown): { contextWindow?: number } =>
  typeof value === "number" && value > 0 ? { contextWindow: value } : {};
/** Items that are not objects count as empty objects, so that they fail the check of their fields. */
const objectsIn = (value: unknown): JsonObject[] => asArray(value).map(fieldsOf);
const stringsOf = (list: readonly JsonObject[], key: string): string[] =>
  list.map((item) => item[key]).filter((id) => typeof id === "string");
const isEmbedding = (id: string): boolean => /embed|rerank|whisper|bge-|minilm/i.test(id);

/** The local model servers that are detected. */
export const PROBES: readonly LocalServerProbe[] = [
  {
    product: "ollama",
    label: "Ollama",
    port: 11_434,
    identify: "/api/tags",
    read: async (answer) => {
      const list = objectsIn(fieldsOf(answer)["models"]);
      if (!Array.isArray(fieldsOf(answer)["models"]) || list.some((item) => typeof item["digest"] !== "string")) return undefined;
      return stringsOf(list, "name").map((id) => ({ id }));
    },
  },
  {
    product: "lmstudio",
    label: "LM Studio",
    port: 1234,
    identify: "/api/v0/models",
    read: async (answer) => {
      const list = objectsIn(fieldsOf(answer)["data"]);
      if (list.length === 0 || list.some((item) => !("state" in item) || !("max_context_length" in item))) return undefined;
      const usable = list
        .filter((item) => item["type"] !== "embeddings")
        .toSorted((a, b) => Number(b["state"] === "loaded") - Number(a["state"] === "loaded"));
      return usable.flatMap((item) =>
        typeof item["id"] === "string" ? [{ id: item["id"], ...asContextWindow(item["max_context_length"]) }] : [],
      );
    },
  },
  {
    product: "llamacpp",
    label: "llama.cpp",
    port: 8080,
    identify: "/props",
    read: async (answer, list) => {
      const settings = fieldsOf(fieldsOf(answer)["default_generation_settings"]);
      if (!("total_slots" in fieldsOf(answer)) || !("n_ctx" in settings)) return undefined;
      return stringsOf(objectsIn(fieldsOf(await list())["data"]), "id").map((id) => ({ id, ...asContextWindow(settings["n_ctx"]) }));
    },
  },
  {
    product: "vllm",
    label: "vLLM",
    port: 8000,
    identify: "/version",
    read: async (answer, list) => {
      if (typeof fieldsOf(answer)["version"] !== "string") return undefined;
      const models = objectsIn(fieldsOf(await list())["data"]);
      if (models.length === 0 || models.some((model) => model["owned_by"] !== "vllm")) return undefined;
      return models.flatMap((model) =>
        typeof model["id"] === "string" ? [{ id: model["id"], ...asContextWindow(model["max_model_len"]) }] : [],
      );
    },
  },
];

/** One GET on loopback without credentials; undefined unless a short JSON answer arrives in time. */
async function fetchJson(url: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(url, { signal, redirect: "error", headers: { accept: "application/json" } });
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    return undefined;
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.length;
    if (bytes > LIMITS.localProbeBytes) return undefined;
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown;
}

async function probeServer(each: LocalServerProbe, log: Log): Promise<LocalServer | undefined> {
  const base = `http://127.0.0.1:${each.port}`;
  try {
    if (!(await isListening(each.port, AbortSignal.timeout(LIMITS.localProbeMs)))) return undefined;
    const signal = AbortSignal.timeout(LIMITS.localAnswerMs);
    const answer = await fetchJson(base + each.identify, signal);
    const models = answer === undefined ? undefined : await each.read(answer, () => fetchJson(`${base}/v1/models`, signal));
    const usable = models?.filter((model) => !isEmbedding(model.id));
    if (!usable || usable.length === 0) return undefined;
    return { product: each.product, label: each.label, provider: { baseUrl: `${base}/v1`, api: "openai-completions", models: usable } };
  } catch (err) {
    log.debug("no model server", { product: each.product, port: each.port, reason: reasonOf(err) });
    return undefined;
  }
}

/** Asked first: usually nothing listens, and the first `fetch` of a process costs 15 MiB and 0.1 s of CPU. */
async function isListening(port: number, signal: AbortSignal): Promise<boolean> {
  const socket = connect({ host: "127.0.0.1", port });
  try {
    await once(socket, "connect", { signal });
    return true;
  } catch (err) {
    if (signal.aborted || errnoOf(err) === "ECONNREFUSED") return false;
    throw err;
  } finally {
    socket.destroy();
  }
}

/** Whether a selected model can only come from a local server that has not been found yet. Pure. */
export function needsLocalServer(inputs: ModelInputs): boolean {
  const choice = selectModels(inputs);
  if (choice.source === "guide") return true;
  const known = toProviderTable(inputs);
  return [choice.primary, ...choice.fallbacks].some(
    ({ provider }) => !(provider in known) && PROBES.some((each) => each.product === provider),
  );
}

/**
 * Searches for model servers on this machine, all at once, each within its limits. Sends GET requests to loopback and
 * nothing else. `OPENCLAW_DISCOVER_LOCAL_MODELS=0` turns it off.
 */
export async function discoverLocalServers(
  env: NodeJS.ProcessEnv,
  log: Log,
  probes: readonly LocalServerProbe[] = PROBES,
): Promise<LocalServer[]> {
  if (env["OPENCLAW_DISCOVER_LOCAL_MODELS"] === "0") return [];
  const found = await Promise.all(probes.map((each) => probeServer(each, log)));
  return found.filter((server) => server !== undefined);
}
