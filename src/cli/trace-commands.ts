import type { CommandFamily } from "./command.ts";
import { AGENT } from "./shared-flags.ts";

export const traceCommands: CommandFamily = {
  commands: [
    {
      path: ["trace"],
      group: "See",
      summary: "Show what became of one message: each stage from its arrival to the delivery of the answer, with times.",
      args: [{ name: "id", required: false }],
      flags: [{ name: "session-key", value: "key", valueKind: "session", help: "The last message of this session." }, AGENT],
      usesGateway: true,
      notes: ["The id is that of a message or of a run; without one, the last message is shown."],
      examples: ["openclaw trace", "openclaw trace 3f2a8c1e", "openclaw trace --session-key main --json"],
      load: async () => (await import("./trace.ts")).trace,
    },
  ],
};
