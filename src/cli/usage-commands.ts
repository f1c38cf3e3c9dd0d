import type { CliFlag, CommandFamily } from "./command.ts";
import { AGENT } from "./shared-flags.ts";

const DAYS: CliFlag = { name: "days", value: "n", range: [1, 400], help: "Number of days up to today (default: 30)." };
const CSV: CliFlag = { name: "csv", help: "Print comma-separated values." };

export const usageCommands: CommandFamily = {
  summary: "What models took, and the budgets that limit it.",
  commands: [
    {
      path: ["usage", "show"],
      group: "See",
      isDefault: true,
      summary: "Show the requests to models: tokens and cost, by day or by what --by names.",
      flags: [
        DAYS,
        {
          name: "by",
          value: "list",
          help: "One row for each: day, agent, channel, sender, model, provider, cause; several with commas (default: day).",
        },
        { ...AGENT, help: "Only this agent." },
        { name: "channel", value: "channel", valueKind: "channel", help: "Only conversations on this channel." },
        {
          name: "cause",
          value: "cause",
          choices: ["message", "cron", "heartbeat", "hook", "subagent", "tool", "summary", "flush", "embedding"],
          help: "Only requests that were made for this.",
        },
        CSV,
      ],
      usesGateway: true,
      notes: ["Days are those of the gateway's time zone. A cost with a plus sign leaves out requests to models whose price is not known."],
      examples: ["openclaw usage", "openclaw usage --by sender,model --days 7", "openclaw usage --by day,cause --csv > usage.csv"],
      load: async () => (await import("./usage.ts")).usageTable,
    },
    {
      path: ["usage", "calls"],
      summary: "Print every request to a model, the oldest first.",
      flags: [
        CSV,
        { name: "after", value: "number", range: [0, Number.MAX_SAFE_INTEGER], help: "Only those after this number (column seq)." },
        { name: "limit", short: "n", value: "rows", range: [1, 1_000_000], help: "Number of rows (default: all)." },
      ],
      usesGateway: true,
      jsonLines: true,
      examples: ["openclaw usage calls --csv > calls.csv", "openclaw usage calls --json --after 1200"],
      load: async () => (await import("./usage.ts")).usageCalls,
    },
    {
      path: ["usage", "budgets"],
      summary: "Show the budgets, and how much of each is used.",
      usesGateway: true,
      notes: ["Budgets are in the configuration, under budgets."],
      examples: ["openclaw usage budgets"],
      load: async () => (await import("./usage-budgets.ts")).usageBudgets,
    },
    {
      path: ["usage", "allow"],
      summary: "Lift a budget for some time.",
      args: [{ name: "budget", required: true }],
      flags: [
        { name: "for", value: "duration", help: "How long, such as 30m or 2h; 0 ends it (default: 1h)." },
        { name: "who", value: "name", help: "Only for one of them, such as telegram:4711, where the budget is one for each." },
      ],
      usesGateway: true,
      examples: ["openclaw usage allow team --for 2h", "openclaw usage allow each-person --who telegram:4711"],
      load: async () => (await import("./usage-budgets.ts")).usageAllow,
    },
  ],
};
