/** Invented providers and keys for the scripted gateway. A key that begins with `bad` is refused. */
type Params = Record<string, unknown>;

const CAPABILITIES = [
  { provider: "anthropic", variable: "ANTHROPIC_API_KEY", testable: true },
  { provider: "openai", variable: "OPENAI_API_KEY", testable: true },
  { provider: "minimax", variable: "MINIMAX_API_KEY", testable: false },
].map((each) => ({ ...each, apiKeySupported: true, quickApiKeySetup: true }));

const model = (provider: string, id: string, name: string, more: Params = {}): Params => ({
  provider,
  id,
  name,
  tags: [],
  available: true,
  contextWindow: 200_000,
  reasoning: true,
  input: ["text", "image"],
  thinkingLevels: [],
  ...more,
});

export class RefusedKey extends Error {
  readonly details = {
    code: "MODEL_KEY_REFUSED",
    status: "auth",
    fix: "Copy the key again from the provider's page, and check that it has not expired.",
  };
}

export class ScriptedModels {
  #keys = new Set<string>();
  #isOn = false;
  #isFilled = false;
  #isOffered = false;
  #fallbacks: readonly string[] = [];
  #primary = "anthropic/claude-sonnet-5";

  reset(): void {
    this.#keys.clear();
    this.#isOn = false;
    this.#isFilled = false;
    this.#isOffered = false;
    this.#fallbacks = [];
    this.#primary = "anthropic/claude-sonnet-5";
  }

  /** From now on it answers for agents, too; nothing is connected. */
  empty(): void {
    this.#isOn = true;
  }

  /** A gateway on its first day: nothing is connected, and the page offers to connect it. */
  offer(): void {
    this.#isOn = true;
    this.#isOffered = true;
  }

  /** Methods that the gateway says it has because of this. */
  get served(): readonly string[] {
    return this.#isOffered ? ["models.key.set"] : [];
  }

  fill(): void {
    this.#isOn = true;
    this.#isFilled = true;
    this.#keys.add("anthropic");
    this.#fallbacks = ["ollama/qwen3:8b"];
  }

  /** What the page asked to write into the configuration. */
  #patch(raw: string): void {
    const { agents } = JSON.parse(raw) as { agents?: { defaults?: { model?: { primary: string; fallbacks: string[] } } } };
    const model = agents?.defaults?.model;
    if (model === undefined) return;
    this.#primary = model.primary;
    this.#fallbacks = model.fallbacks;
  }

  /** Undefined for a method that is none of these, and for lists that other pages need as they are. */
  answer(method: string, params: Params): unknown {
    const provider = String(params["provider"] ?? "");
    if (method === "models.authStatus") return this.#status();
    if (method === "models.probe")
      return provider === "ollama"
        ? { provider, status: "ok", latencyMs: 4, results: [] }
        : {
            provider,
            status: "auth",
            latencyMs: 210,
            error: `${provider} answered 401: invalid x-api-key`,
            fix: "Copy the key again from the provider's page.",
            results: [],
          };
    if (method === "models.key.set") {
      if (String(params["key"]).startsWith("bad")) throw new RefusedKey(`${provider} answered 401: invalid key; the key was not kept`);
      this.#keys.add(provider);
      this.#isFilled = true;
      return { ok: true, provider, status: "ok", tested: true, latencyMs: 180, hash: "h" };
    }
    if (method === "models.key.remove") {
      this.#keys.delete(provider);
      return { ok: true, provider, hash: "h" };
    }
    if (method === "models.set") {
      this.#primary = String(params["model"]);
      return { ok: true, model: params["model"], known: true, hash: "h" };
    }
    if (method === "config.patch" && this.#isOn && String(params["raw"]).includes('"agents"')) {
      this.#patch(String(params["raw"]));
      return { ok: true, hash: "h" };
    }
    if (method === "models.list" && params["view"] === "all") return { models: this.#models() };
    return undefined;
  }

  agent(): Params | null {
    if (!this.#isOn) return null;
    return this.#isFilled
      ? { model: { primary: this.#primary, fallbacks: this.#fallbacks } }
      : { model: { primary: "guide/setup-guide", fallbacks: [] } };
  }

  #status(): Params {
    const local = {
      provider: "ollama",
      authProvider: "ollama",
      displayName: "Ollama",
      status: "static",
      profiles: [],
      kind: "local",
      baseUrl: "http://127.0.0.1:11434/v1",
      models: ["qwen3:8b"],
    };
    const keyed = [...this.#keys].map((provider) => ({
      provider,
      authProvider: provider,
      displayName: provider,
      status: "static",
      profiles: [],
      kind: "cloud",
      apiKey: { source: "config" },
      keyFrom: `models.providers.${provider}.apiKeyFile`,
      models: [],
    }));
    return { ts: 0, providers: this.#isFilled ? [...keyed, local] : keyed, providerCapabilities: CAPABILITIES };
  }

  #models(): Params[] {
    if (!this.#isFilled) return [model("guide", "setup-guide", "Setup guide", { tags: ["default"] })];
    return [
      model("anthropic", "claude-sonnet-5", "Claude Sonnet 5", { tags: ["default", "configured"], available: this.#keys.has("anthropic") }),
      model("ollama", "qwen3:8b", "qwen3:8b", { contextWindow: 40_960, input: ["text"], tags: ["fallback"] }),
      model("openai", "gpt-5.5-mini", "GPT-5.5 mini", { available: this.#keys.has("openai") }),
    ];
  }
}
