import type { CommandFamily } from "./command.ts";

export const logsCommands: CommandFamily = {
  commands: [
    {
      path: ["logs"],
      group: "See",
      summary: "Show the gateway's log.",
      flags: [
        { name: "follow", short: "f", help: "Keep streaming new lines, across restarts." },
        { name: "limit", short: "n", value: "lines", range: [1, 5_000], help: "Number of past lines to show first (default: 50)." },
        { name: "level", value: "level", choices: ["debug", "info", "warn", "error"], help: "Minimum level." },
      ],
      usesGateway: true,
      jsonLines: true,
      notes: ["With --json it prints one JSON object per line, as they are in the log file."],
      examples: ["openclaw logs --follow --level warn"],
      load: async () => (await import("./logs.ts")).logs,
    },
  ],
};
