import type { CommandFamily } from "./command.ts";

export const routeCommands: CommandFamily = {
  commands: [
    {
      path: ["route", "explain"],
      group: "See",
      summary: "Explain which agent and session a message is routed to.",
      args: [
        { name: "channel", required: true, valueKind: "channel" },
        { name: "account", required: true, valueKind: "account" },
        { name: "peer", required: true },
      ],
      flags: [
        { name: "group", help: "The peer is a group or #channel." },
        { name: "text", value: "text", help: "Text of the message; mentions may depend on it." },
      ],
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw route explain irc default alice", 'openclaw route explain irc default "#team" --group --text "bot: hello"'],
      load: async () => (await import("./route.ts")).routeExplain,
    },
  ],
};
