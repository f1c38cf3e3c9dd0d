import type { CommandFamily } from "./command.ts";
import { AGENT } from "./shared-flags.ts";

export const auditCommands: CommandFamily = {
  summary: "What agents did, and on whose authority.",
  commands: [
    {
      path: ["audit"],
      group: "See",
      summary: "List what agents did, the newest first: runs and calls of tools, and on whose authority.",
      flags: [
        AGENT,
        { name: "session-key", value: "key", valueKind: "session", help: "Only this session." },
        { name: "run", value: "id", help: "Only this run." },
        { name: "tools", help: "Only calls of tools." },
        {
          name: "status",
          value: "status",
          choices: ["started", "succeeded", "failed", "cancelled", "timed_out", "blocked", "unknown"],
          help: "Only what ended like this.",
        },
        { name: "hours", value: "hours", range: [1, 2_160], help: "Only the last hours." },
        { name: "limit", short: "n", value: "rows", range: [1, 500], help: "Number of rows (default: 50)." },
        { name: "cursor", value: "cursor", help: "Continue where the last answer ended." },
      ],
      usesGateway: true,
      examples: ["openclaw audit", "openclaw audit --tools --status blocked", "openclaw audit --run 3f2a8c1e --json"],
      load: async () => (await import("./audit.ts")).audit,
    },
  ],
};
