import type { CommandFamily } from "./command.ts";

export const logsCommands: CommandFamily = {
  commands: [
    {
      path: ["logs"],
      group: "See",
      summary: "Show the gateway's log.",
      flags: [
        { name: "follow", short: "f", help: "Keep streaming new lines, across restarts." },
        {
          name: "limit",
          short: "n",
          value: "lines",
          range: [1, 5_000],
          help: "Number of past lines to show first (default: 50; with --run or --since 5000).",
        },
        { name: "level", value: "level", choices: ["debug", "info", "warn", "error"], help: "Minimum level." },
        { name: "run", value: "id", help: "Only lines about this run, by its id or that of its trace; also in older files." },
        { name: "since", value: "when", help: "Only lines since then: a duration (30s, 10m, 2h, 1d) or a time; also in older files." },
      ],
      usesGateway: true,
      jsonLines: true,
      notes: ["With --json it prints one JSON object per line, as they are in the log file."],
      examples: ["openclaw logs --follow --level warn", "openclaw logs --since 2h --level warn", "openclaw logs --run 3f2a8c1e --json"],
      load: async () => (await import("./logs.ts")).logs,
    },
  ],
};
