import { COMMAND_HOSTS, COMMAND_MODES } from "../core/command-modes.ts";
import type { CommandFamily } from "./command.ts";
import { AGENT } from "./shared-flags.ts";

export const execPolicyCommands: CommandFamily = {
  summary: "When commands of agents run, and where.",
  commands: [
    {
      path: ["exec-policy", "show"],
      group: "Access",
      summary: "Show when and where commands of an agent run, and which setting says so.",
      flags: [
        AGENT,
        {
          name: "channel",
          value: "channel",
          valueKind: "channel",
          help: "For messages of this channel; without it, for your own messages.",
        },
      ],
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw exec-policy show", "openclaw exec-policy show --agent helper --channel telegram"],
      load: async () => (await import("./exec-policy.ts")).execPolicyShow,
    },
    {
      path: ["exec-policy", "preset"],
      summary: "Choose one of three policies for all agents.",
      args: [{ name: "name", required: true, choices: ["yolo", "cautious", "deny-all"] }],
      usesGateway: true,
      examples: ["openclaw exec-policy preset cautious"],
      notes: [
        "yolo: every command runs without a question, as the gateway's user. cautious: a person is asked about commands that do more than read. deny-all: no command runs. The last two leave the host as it is.",
      ],
      load: async () => (await import("./exec-policy.ts")).execPolicyPreset,
    },
    {
      path: ["exec-policy", "set"],
      summary: "Set when and where commands run, for all agents or for one.",
      flags: [
        { name: "mode", value: "mode", choices: COMMAND_MODES, help: "When a command runs." },
        { name: "host", value: "host", choices: COMMAND_HOSTS, help: "Where commands run." },
        { ...AGENT, help: "Only for this agent; people on channels have what its own setting gives them." },
      ],
      usesGateway: true,
      examples: [
        "openclaw exec-policy set --mode ask --host gateway",
        "openclaw exec-policy set --mode auto --host sandbox --agent helper",
      ],
      load: async () => (await import("./exec-policy.ts")).execPolicySet,
    },
  ],
};
