import type { CommandFamily } from "./command.ts";
import { AGENT } from "./shared-flags.ts";

export const modelsCommands: CommandFamily = {
  summary: "List models, show which one answers, choose another.",
  commands: [
    {
      path: ["models", "list"],
      group: "Set up",
      summary: "List the models that can answer.",
      flags: [
        { name: "all", help: "Include models without an API key or a running server." },
        { name: "refresh", help: "Search for local model servers again." },
      ],
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw models list"],
      load: async () => (await import("./models.ts")).modelsList,
    },
    {
      path: ["models", "status"],
      summary: "Show which model answers, and whether it can.",
      flags: [AGENT],
      usesGateway: true,
      examples: ["openclaw models status"],
      load: async () => (await import("./models.ts")).modelsStatus,
    },
    {
      path: ["models", "set"],
      summary: "Choose the model that answers.",
      args: [{ name: "model", required: true, valueKind: "model" }],
      flags: [AGENT, { name: "force", help: "Save a model that no provider lists." }],
      usesGateway: true,
      examples: ["openclaw models set anthropic/claude-sonnet-5"],
      load: async () => (await import("./models.ts")).modelsSet,
    },
    {
      path: ["models", "key"],
      summary: "Test the key of a provider and keep it on the gateway; it is read from standard input.",
      args: [{ name: "provider", required: true }],
      flags: [{ name: "remove", help: "Remove the key that is kept." }],
      usesGateway: true,
      examples: ["openclaw models key anthropic < key.txt"],
      load: async () => (await import("./model-keys.ts")).modelsKey,
    },
    {
      path: ["models", "test"],
      summary: "Ask a provider whether its key works; costs nothing.",
      args: [{ name: "provider", required: true }],
      usesGateway: true,
      examples: ["openclaw models test anthropic"],
      load: async () => (await import("./model-keys.ts")).modelsTest,
    },
  ],
};
