import type { CommandFamily } from "./command.ts";
import { YES } from "./shared-flags.ts";

export const stateCommands: CommandFamily = {
  summary: "What the state directory takes, and removal of what is not kept.",
  commands: [
    {
      path: ["state", "size"],
      group: "See",
      summary: "Show how much disk each part of the state directory takes, how many records the store has, and what could be removed.",
      usesGateway: true,
      notes: ["Files of this machine are read; the gateway may run or not."],
      isDefault: true,
      examples: ["openclaw state size", "openclaw state size --json"],
      load: async () => (await import("./state-size.ts")).stateSize,
    },
    {
      path: ["state", "clean"],
      summary:
        "Remove what is not kept any longer: conversations by session.maintenance and store.retention, and files that nothing refers to.",
      flags: [{ name: "dry-run", help: "Show what would be removed, and remove nothing." }, YES],
      usesGateway: true,
      notes: ["The gateway does this by itself every hour. What is pinned, not answered or not delivered stays."],
      examples: ["openclaw state clean --dry-run", "openclaw state clean --yes"],
      load: async () => (await import("./state-clean.ts")).stateClean,
    },
  ],
};
