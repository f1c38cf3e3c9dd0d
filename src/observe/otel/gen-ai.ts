/**
 * The names of the GenAI semantic conventions that are sent, in one place: their schema, attributes, metrics, and how they call the
 * providers of this gateway. They are in development; a new version changes this file only.
 */
export const GEN_AI_SCHEMA_URL = "https://opentelemetry.io/schemas/gen-ai/1.42.0";

export const GEN_AI = {
  operation: "gen_ai.operation.name",
  /** Name of the provider until the latest conventions are asked for. */
  system: "gen_ai.system",
  provider: "gen_ai.provider.name",
  requestModel: "gen_ai.request.model",
  responseModel: "gen_ai.response.model",
  finishReasons: "gen_ai.response.finish_reasons",
  timeToFirstChunk: "gen_ai.response.time_to_first_chunk",
  inputTokens: "gen_ai.usage.input_tokens",
  outputTokens: "gen_ai.usage.output_tokens",
  cacheReadTokens: "gen_ai.usage.cache_read.input_tokens",
  cacheCreationTokens: "gen_ai.usage.cache_creation.input_tokens",
  conversation: "gen_ai.conversation.id",
  agentId: "gen_ai.agent.id",
  toolName: "gen_ai.tool.name",
  toolCallId: "gen_ai.tool.call.id",
  toolType: "gen_ai.tool.type",
  tokenType: "gen_ai.token.type",
  inputMessages: "gen_ai.input.messages",
  outputMessages: "gen_ai.output.messages",
  toolArguments: "gen_ai.tool.call.arguments",
  toolResult: "gen_ai.tool.call.result",
  errorType: "error.type",
} as const;

/** Metrics that keep their name whatever the prefix is. */
export const GEN_AI_TOKEN_USAGE = "gen_ai.client.token.usage";
export const GEN_AI_OPERATION_DURATION = "gen_ai.client.operation.duration";

/** Value of OTEL_SEMCONV_STABILITY_OPT_IN that asks for the latest names of spans and providers. */
export const GEN_AI_OPT_IN = "gen_ai_latest_experimental";

const PROVIDERS: Readonly<Record<string, string>> = {
  anthropic: "anthropic",
  openai: "openai",
  "openai-codex": "openai",
  "azure-openai": "azure.ai.openai",
  "azure-openai-responses": "azure.ai.openai",
  "amazon-bedrock": "aws.bedrock",
  google: "gcp.gemini",
  "google-vertex": "gcp.vertex_ai",
  cohere: "cohere",
  deepseek: "deepseek",
  groq: "groq",
  mistral: "mistral_ai",
  moonshot: "moonshot_ai",
  moonshotai: "moonshot_ai",
  perplexity: "perplexity",
  watsonx: "ibm.watsonx.ai",
  xai: "x_ai",
};

/** The conventions' name of a provider; a provider that they do not know keeps its own. */
export const genAiProvider = (provider: string): string => PROVIDERS[provider] ?? provider;
