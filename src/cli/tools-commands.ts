import type { CommandFamily } from "./command.ts";
import { AGENT } from "./shared-flags.ts";

export const toolsCommands: CommandFamily = {
  summary: "List the tools of agents, and explain who may use them.",
  commands: [
    {
      path: ["tools", "list"],
      group: "See",
      summary: "List the tools of an agent, and whether you may use them.",
      flags: [AGENT],
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw tools list", "openclaw tools list --agent helper"],
      load: async () => (await import("./tools.ts")).toolsList,
    },
    {
      path: ["tools", "explain"],
      summary: "Explain which setting grants or denies each tool.",
      args: [
        { name: "agent", required: false, valueKind: "agent" },
        { name: "tool", required: false },
      ],
      flags: [
        {
          name: "channel",
          value: "channel",
          valueKind: "channel",
          help: "For messages of this channel; without it, for your own messages.",
        },
        { name: "account", value: "id", valueKind: "account", help: "Account of the channel." },
        { name: "sender", value: "id", help: "A person who writes to the bot." },
        { name: "room", value: "id", help: "A group or #channel in which someone writes." },
        { name: "session-key", value: "key", valueKind: "session", help: "Include what this session denies." },
      ],
      usesGateway: true,
      examples: [
        "openclaw tools explain main --channel telegram --sender 4711",
        "openclaw tools explain main files__read_file",
        'openclaw tools explain --channel irc --room "#team"',
      ],
      load: async () => (await import("./tools.ts")).toolsExplain,
    },
  ],
};
