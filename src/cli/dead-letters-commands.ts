import type { CommandFamily } from "./command.ts";
import { YES } from "./shared-flags.ts";

export const deadLettersCommands: CommandFamily = {
  summary: "Undelivered messages: show, retry, discard.",
  commands: [
    {
      path: ["dead-letters", "list"],
      group: "See",
      summary: "List undelivered messages: those that failed after several attempts.",
      flags: [{ name: "limit", short: "n", value: "rows", range: [1, 1_000], help: "Number of rows (default: 50)." }],
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw dead-letters list"],
      load: async () => (await import("./dead-letters.ts")).deadLettersList,
    },
    {
      path: ["dead-letters", "show"],
      summary: "Show one with its text and the cause.",
      args: [{ name: "id", required: true }],
      usesGateway: true,
      examples: ["openclaw dead-letters show 3f2a"],
      load: async () => (await import("./dead-letters.ts")).deadLettersShow,
    },
    {
      path: ["dead-letters", "retry"],
      summary: "Retry one.",
      args: [{ name: "id", required: true }],
      usesGateway: true,
      examples: ["openclaw dead-letters retry 3f2a"],
      load: async () => (await import("./dead-letters.ts")).deadLettersRetry,
    },
    {
      path: ["dead-letters", "drop"],
      summary: "Discard one permanently.",
      args: [{ name: "id", required: true }],
      flags: [YES],
      usesGateway: true,
      examples: ["openclaw dead-letters drop 3f2a --yes"],
      load: async () => (await import("./dead-letters.ts")).deadLettersDrop,
    },
  ],
};
