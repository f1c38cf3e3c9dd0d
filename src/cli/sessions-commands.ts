import type { CommandFamily } from "./command.ts";
import { AGENT, YES } from "./shared-flags.ts";

export const sessionsCommands: CommandFamily = {
  summary: "List, show and delete sessions.",
  commands: [
    {
      path: ["sessions", "list"],
      group: "See",
      summary: "List sessions, newest first.",
      flags: [
        AGENT,
        { name: "limit", short: "n", value: "rows", range: [1, 1_000], help: "Number of rows (default: 50)." },
        { name: "search", value: "text", help: "Only sessions with this text in key, label or title." },
        { name: "archived", help: "Include archived sessions." },
      ],
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw sessions list --limit 10"],
      load: async () => (await import("./sessions.ts")).sessionsList,
    },
    {
      path: ["sessions", "show"],
      summary: "Show a session and its last messages.",
      args: [{ name: "key", required: true, valueKind: "session" }],
      flags: [{ name: "limit", short: "n", value: "rows", range: [1, 1_000], help: "Number of messages (default: 20)." }],
      usesGateway: true,
      examples: ["openclaw sessions show agent:main:main"],
      load: async () => (await import("./sessions.ts")).sessionsShow,
    },
    {
      path: ["sessions", "branches"],
      summary: "List the branches of a conversation, or switch to another one.",
      args: [{ name: "key", required: true, valueKind: "session" }],
      flags: [{ name: "switch", value: "message", help: "Make the branch active that ends with this message." }],
      usesGateway: true,
      examples: ["openclaw sessions branches agent:main:main"],
      load: async () => (await import("./session-branches.ts")).sessionsBranches,
    },
    {
      path: ["sessions", "delete"],
      summary: "Permanently delete a session and its messages.",
      args: [{ name: "key", required: true, valueKind: "session" }],
      flags: [YES],
      usesGateway: true,
      examples: ["openclaw sessions delete agent:main:old --yes"],
      load: async () => (await import("./sessions.ts")).sessionsDelete,
    },
  ],
};
