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

/** The file in which a key of this provider is kept: its name is safe as a part of a path. */
export const keyFileName = (provider: string): string => `${Buffer.from(provider).toString("base64url")}.key`;
