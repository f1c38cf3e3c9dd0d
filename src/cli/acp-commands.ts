import type { CommandFamily } from "./command.ts";

export const acpCommands: CommandFamily = {
  summary: "Editors and agents that speak the Agent Client Protocol (ACP).",
  commands: [
    {
      path: ["acp", "serve"],
      group: "Set up",
      summary: "Serve conversations of the gateway to an editor that speaks ACP, over standard input and output.",
      flags: [
        {
          name: "session",
          value: "key",
          valueKind: "session",
          help: "Session of every conversation of the editor (default: one of its own for each).",
        },
        { name: "session-label", value: "label", help: "The same, by the label of the session." },
        { name: "require-existing", help: "Refuse a session that does not exist yet." },
        { name: "reset-session", help: "Begin a new conversation in the named session before it is used." },
        { name: "no-prefix-cwd", help: "Do not tell the agent in which directory the editor works." },
      ],
      notes: [
        "An editor starts this; it ends with its standard input. It connects again when the gateway was away, and says so on standard error.",
        "MCP servers that the editor configures are refused: the agent has those of the gateway (openclaw mcp list).",
      ],
      usesGateway: true,
      isDefault: true,
      jsonLines: true,
      examples: [
        "openclaw acp",
        "openclaw acp --session agent:main:main",
        "openclaw acp --url wss://gateway.example.org --token-file token",
      ],
      load: async () => (await import("./acp-serve.ts")).acpServe,
    },
    {
      path: ["acp", "doctor"],
      summary: "Start each agent of the configuration, and show whether it speaks ACP and what it can do.",
      args: [{ name: "agent", required: false }],
      notes: ["It asks no agent anything and needs no gateway. An agent that wants a sign-in shows the ways that it offers."],
      examples: ["openclaw acp doctor", "openclaw acp doctor codex --json"],
      load: async () => (await import("./acp-doctor.ts")).acpDoctor,
    },
  ],
};
