import type { CommandFamily } from "./command.ts";

export const pluginsCommands: CommandFamily = {
  summary: "Plugins, which add tools for agents.",
  commands: [
    {
      path: ["plugins", "list"],
      group: "See",
      summary: "List the plugins of the configuration, what they add, and why one does not work.",
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw plugins list"],
      load: async () => (await import("./plugins.ts")).pluginsList,
    },
    {
      path: ["plugins", "inspect"],
      summary: "Show one plugin: its code, its tools as a model reads them, and its settings.",
      args: [{ name: "id", required: true, valueKind: "plugin" }],
      usesGateway: true,
      examples: ["openclaw plugins inspect weather", "openclaw plugins inspect weather --json"],
      load: async () => (await import("./plugins.ts")).pluginsInspect,
    },
  ],
};
