import type { CommandFamily } from "./command.ts";

export const sandboxCommands: CommandFamily = {
  summary: "Whether commands of agents are isolated, and from what.",
  commands: [
    {
      path: ["sandbox", "explain"],
      group: "Access",
      summary: "Try the sandbox out, and show what it keeps commands from.",
      usesGateway: true,
      isDefault: true,
      notes: ["openclaw exec-policy show says which commands run in it."],
      examples: ["openclaw sandbox explain"],
      load: async () => (await import("./sandbox.ts")).sandboxExplain,
    },
  ],
};
