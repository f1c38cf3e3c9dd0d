import type { CommandFamily } from "./command.ts";
import { AGENT } from "./shared-flags.ts";

const TASK = [{ name: "task", required: true }] as const;

export const tasksCommands: CommandFamily = {
  summary: "Tasks that agents have given to sub-agents.",
  commands: [
    {
      path: ["tasks", "list"],
      group: "See",
      summary: "List the tasks of sub-agents, the newest first.",
      flags: [
        AGENT,
        {
          name: "status",
          value: "status",
          choices: ["queued", "running", "completed", "failed", "cancelled", "timed_out"],
          help: "Only tasks of this status.",
        },
        { name: "limit", short: "n", value: "rows", range: [1, 500], help: "Number of rows (default: 50)." },
      ],
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw tasks list", "openclaw tasks list --status running"],
      load: async () => (await import("./tasks.ts")).tasksList,
    },
    {
      path: ["tasks", "show"],
      summary: "Show a task with its text and its result.",
      args: TASK,
      usesGateway: true,
      examples: ["openclaw tasks show 3f2a"],
      load: async () => (await import("./tasks.ts")).tasksShow,
    },
    {
      path: ["tasks", "cancel"],
      summary: "End a task and all that it has started.",
      args: TASK,
      flags: [{ name: "reason", value: "text", help: "Why; the agent that gave the task reads it." }],
      usesGateway: true,
      examples: ["openclaw tasks cancel 3f2a"],
      load: async () => (await import("./tasks.ts")).tasksCancel,
    },
    {
      path: ["tasks", "retry"],
      summary: "Hand a result back that its conversation did not get.",
      args: TASK,
      usesGateway: true,
      examples: ["openclaw tasks retry 3f2a"],
      load: async () => (await import("./tasks.ts")).tasksRetry,
    },
    {
      path: ["tasks", "dismiss"],
      summary: "Do not hand a result back that its conversation did not get.",
      args: TASK,
      usesGateway: true,
      examples: ["openclaw tasks dismiss 3f2a"],
      load: async () => (await import("./tasks.ts")).tasksDismiss,
    },
  ],
};
