import type { CommandFamily } from "./command.ts";
import { AGENT, THINKING } from "./shared-flags.ts";

export const agentCommands: CommandFamily = {
  commands: [
    {
      path: ["agent"],
      group: "Talk",
      summary: "Send one message to an agent and print its reply.",
      flags: [
        { name: "message", short: "m", value: "text", help: "Message text; - reads standard input, or the terminal until Ctrl-D." },
        AGENT,
        { name: "session-key", value: "key", valueKind: "session", help: "Session of the message (default: the agent's main session)." },
        { name: "session-id", value: "id", help: "Session by its id." },
        THINKING,
        { name: "timeout", value: "s", range: [1, 86_400], help: "Time limit of the reply in seconds (default: 600)." },
        { name: "idempotency-key", value: "key", help: "A repeated key does not run again; it returns the first reply." },
      ],
      usesGateway: true,
      examples: ['openclaw agent --message "Summarize today" --json'],
      load: async () => (await import("./agent.ts")).agent,
    },
  ],
};
