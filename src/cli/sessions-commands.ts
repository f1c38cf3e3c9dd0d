import type { CommandFamily } from "./command.ts";
import { AGENT, YES } from "./shared-flags.ts";

export const sessionsCommands: CommandFamily = {
  summary: "List, show, export, import and delete sessions.",
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
      path: ["sessions", "export"],
      summary: "Write the present conversation of a session as JSON lines.",
      args: [{ name: "key", required: true, valueKind: "session" }],
      flags: [{ name: "output", short: "o", value: "file", help: "File to write; it is replaced (default: standard output)." }],
      usesGateway: true,
      notes: ["Files and images are not in it. With --json and without --output it prints one value."],
      examples: ["openclaw sessions export agent:main:main --output main.jsonl"],
      load: async () => (await import("./sessions-transfer.ts")).sessionsExport,
    },
    {
      path: ["sessions", "import"],
      summary: "Make a session from the JSON lines of an export.",
      args: [{ name: "file", required: true }],
      flags: [{ name: "key", value: "key", help: "Key of the new session (default: the one of the export). It must not exist." }],
      usesGateway: true,
      notes: ["Importing a file again adds what is missing. No imported message counts as one of the owner."],
      examples: ["openclaw sessions import main.jsonl --key agent:main:imported"],
      load: async () => (await import("./sessions-transfer.ts")).sessionsImport,
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
