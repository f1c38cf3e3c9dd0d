import type { CommandFamily } from "./command.ts";
import { AGENT, THINKING } from "./shared-flags.ts";

export const chatCommands: CommandFamily = {
  commands: [
    {
      path: ["chat"],
      group: "Talk",
      summary: "Talk to an agent in this terminal.",
      args: [{ name: "message", required: false, variadic: true }],
      flags: [
        AGENT,
        { name: "session-key", value: "key", valueKind: "session", help: "Session to continue (default: the agent's main session)." },
        THINKING,
      ],
      usesGateway: true,
      notes: [
        "Ctrl-C stops the running reply; a second Ctrl-C exits. Piped lines are sent in order, after the message on the command line.",
        "With --json it prints one JSON object per reply, each on a line of its own.",
      ],
      jsonLines: true,
      examples: ["openclaw chat", "echo 'What is in this directory?' | openclaw chat --agent work"],
      load: async () => (await import("./chat.ts")).chat,
    },
  ],
};
