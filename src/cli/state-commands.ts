import type { CommandFamily } from "./command.ts";

export const stateCommands: CommandFamily = {
  summary: "What the state directory takes.",
  commands: [
    {
      path: ["state", "size"],
      group: "See",
      summary: "Show how much disk each part of the state directory takes, and how many records the store has.",
      notes: ["Files of this machine are read; the gateway may run or not."],
      isDefault: true,
      examples: ["openclaw state size", "openclaw state size --json"],
      load: async () => (await import("./state-size.ts")).stateSize,
    },
  ],
};
