import type { CliFlag, CommandFamily } from "./command.ts";
import { YES } from "./shared-flags.ts";

const BINDING: readonly CliFlag[] = [
  { name: "channel", value: "id", valueKind: "channel", help: "Channel, such as irc." },
  { name: "account", value: "id", valueKind: "account", help: "Account of the channel (default: all of them)." },
  { name: "peer", value: "kind:id", help: "One chat: direct:<id>, group:<id> or channel:<id>." },
  { name: "guild", value: "id", help: "One guild or server." },
  { name: "role", value: "id", multiple: true, help: "Role in the guild; may be repeated." },
  { name: "team", value: "id", help: "One team or workspace." },
];

export const agentsCommands: CommandFamily = {
  summary: "List, add and remove agents, and bind them to chats.",
  commands: [
    {
      path: ["agents", "list"],
      group: "Set up",
      summary: "List the agents.",
      flags: [{ name: "bindings", help: "Include the bindings of each agent." }],
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw agents list --bindings"],
      load: async () => (await import("./agents.ts")).agentsList,
    },
    {
      path: ["agents", "add"],
      summary: "Add an agent with a workspace of its own.",
      args: [{ name: "name", required: true }],
      flags: [
        { name: "workspace", value: "dir", help: "Directory of its files (default: next to the others)." },
        { name: "model", value: "model", valueKind: "model", help: "Model, as provider/model." },
      ],
      usesGateway: true,
      examples: ["openclaw agents add work --model anthropic/claude-sonnet-5"],
      load: async () => (await import("./agents.ts")).agentsAdd,
    },
    {
      path: ["agents", "delete"],
      summary: "Remove an agent from the configuration; its files stay unless --files is given.",
      args: [{ name: "id", required: true, valueKind: "agent" }],
      flags: [{ name: "files", help: "Delete its workspace as well." }, YES],
      usesGateway: true,
      examples: ["openclaw agents delete work --yes"],
      load: async () => (await import("./agents.ts")).agentsDelete,
    },
    {
      path: ["agents", "bind"],
      summary: "Route a channel, account or chat to an agent.",
      args: [{ name: "id", required: true, valueKind: "agent" }],
      flags: BINDING,
      usesGateway: true,
      examples: ["openclaw agents bind work --channel irc --peer channel:#team"],
      load: async () => (await import("./agents-bind.ts")).agentsBind,
    },
    {
      path: ["agents", "unbind"],
      summary: "Remove bindings of an agent.",
      args: [{ name: "id", required: true, valueKind: "agent" }],
      flags: [...BINDING, { name: "all", help: "All bindings of this agent." }],
      usesGateway: true,
      examples: ["openclaw agents unbind work --channel irc"],
      load: async () => (await import("./agents-bind.ts")).agentsUnbind,
    },
  ],
};
