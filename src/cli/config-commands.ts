import type { CommandFamily } from "./command.ts";
import { YES } from "./shared-flags.ts";

export const configCommands: CommandFamily = {
  summary: "Read, change and check openclaw.json.",
  commands: [
    {
      path: ["config", "get"],
      group: "Set up",
      summary: "Show the configuration or one key; secrets are hidden.",
      args: [{ name: "path", required: false, valueKind: "key" }],
      usesGateway: true,
      examples: ["openclaw config get gateway.port"],
      load: async () => (await import("./config.ts")).configGet,
    },
    {
      path: ["config", "set"],
      summary: "Set a key; comments and everything else stay as they are.",
      args: [
        { name: "path", required: true, valueKind: "key" },
        { name: "value", required: false },
      ],
      flags: [
        { name: "stdin", help: "Read the value from standard input as text, or ask for it hidden at a terminal; for secrets." },
        { name: "string", help: "Take the value as text, even if it looks like a number." },
        { name: "force", help: "Save an unknown key." },
      ],
      usesGateway: true,
      examples: ["openclaw config set gateway.port 18800", "openclaw config set channels.irc.password --stdin < password.txt"],
      load: async () => (await import("./config.ts")).configSet,
    },
    {
      path: ["config", "unset"],
      summary: "Remove a key.",
      args: [{ name: "path", required: true, valueKind: "key" }],
      usesGateway: true,
      examples: ["openclaw config unset gateway.bind"],
      load: async () => (await import("./config.ts")).configUnset,
    },
    {
      path: ["config", "validate"],
      summary: "Check the configuration file; each finding with line and fix.",
      examples: ["openclaw config validate"],
      load: async () => (await import("./config.ts")).configValidate,
    },
    {
      path: ["config", "schema"],
      summary: "Describe a key, or print the JSON Schema of the whole file.",
      args: [{ name: "path", required: false, valueKind: "key" }],
      examples: ["openclaw config schema gateway.bind", "openclaw config schema > openclaw.schema.json"],
      load: async () => (await import("./config.ts")).configSchema,
    },
    {
      path: ["config", "history"],
      summary: "List the versions of the configuration that were in use, or print one; secrets are hidden.",
      args: [{ name: "version", required: false }],
      usesGateway: true,
      examples: ["openclaw config history"],
      load: async () => (await import("./config-history.ts")).configHistory,
    },
    {
      path: ["config", "rollback"],
      summary: "Go back to an earlier version; secrets stay as they are now.",
      args: [{ name: "version", required: true }],
      flags: [YES],
      usesGateway: true,
      examples: ["openclaw config rollback 3"],
      load: async () => (await import("./config-history.ts")).configRollback,
    },
    {
      path: ["config", "file"],
      summary: "Print the path of the configuration file.",
      examples: ["openclaw config file"],
      load: async () => (await import("./config.ts")).configFile,
    },
  ],
};
