import type { CommandFamily } from "./command.ts";
import { AGENT } from "./shared-flags.ts";

export const memoryCommands: CommandFamily = {
  summary: "Search what agents have noted.",
  commands: [
    {
      path: ["memory", "search"],
      group: "See",
      summary: "Search the notes of an agent by words.",
      args: [{ name: "words", required: true, variadic: true }],
      flags: [AGENT, { name: "max-results", value: "n", range: [1, 25], help: "Parts of notes to show, 6 by default and 25 at most." }],
      usesGateway: true,
      examples: ["openclaw memory search wifi password", "openclaw memory search --agent helper deploy"],
      load: async () => (await import("./memory.ts")).memorySearch,
    },
    {
      path: ["memory", "status"],
      summary: "Show what is indexed of the notes of an agent.",
      flags: [AGENT],
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw memory status"],
      load: async () => (await import("./memory.ts")).memoryStatus,
    },
    {
      path: ["memory", "index"],
      summary: "Bring the index of the notes up to date.",
      flags: [AGENT, { name: "force", help: "Make the whole index again." }],
      usesGateway: true,
      notes: ["A search does this by itself."],
      examples: ["openclaw memory index", "openclaw memory index --force"],
      load: async () => (await import("./memory.ts")).memoryIndex,
    },
  ],
};
