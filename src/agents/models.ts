import type { Secret } from "../core/secret.ts";

export type ProviderModel = {
  id: string;
  name?: string;
  /** Tokens. */
  contextWindow?: number;
  maxTokens?: number;
  reasoning?: boolean;
  input?: readonly ("text" | "image")[];
  /** US dollars for a million tokens. */
  cost?: { input: number; output: number; cacheRead: number; cacheWrite: number };
};

/** One entry of `models.providers`. Without `baseUrl` it only gives a key to a provider that Pi knows by name. */
export type Provider = {
  baseUrl?: string;
  /** `openai-completions` (default), `openai-responses`, `anthropic-messages`, `google-generative-ai`, `ollama`, ... */
  api?: string;
  apiKey?: Secret;
  headers?: Readonly<Record<string, Secret>>;
  compat?: Readonly<Record<string, unknown>>;
  models: readonly ProviderModel[];
};

export type ProviderTable = Readonly<Record<string, Provider>>;

/** Variable that holds the key of a provider that Pi knows by name. */
export const KEY_VARIABLES: Readonly<Record<string, string>> = {
  anthropic: "ANTHROPIC_API_KEY",
  openai: "OPENAI_API_KEY",
  google: "GEMINI_API_KEY",
  openrouter: "OPENROUTER_API_KEY",
  groq: "GROQ_API_KEY",
  xai: "XAI_API_KEY",
  mistral: "MISTRAL_API_KEY",
  deepseek: "DEEPSEEK_API_KEY",
  cerebras: "CEREBRAS_API_KEY",
  zai: "ZAI_API_KEY",
  moonshotai: "MOONSHOT_API_KEY",
  "kimi-coding": "KIMI_API_KEY",
  minimax: "MINIMAX_API_KEY",
  "vercel-ai-gateway": "AI_GATEWAY_API_KEY",
  huggingface: "HF_TOKEN",
  together: "TOGETHER_API_KEY",
  fireworks: "FIREWORKS_API_KEY",
  nvidia: "NVIDIA_API_KEY",
};

/** Everything of the gateway's environment that a provider may need; nothing else of it reaches one. */
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
