import type { CommandFamily } from "./command.ts";

export const messageCommands: CommandFamily = {
  commands: [
    {
      path: ["message", "send"],
      group: "Talk",
      summary: "Send a message through a channel, as the bot.",
      flags: [
        { name: "channel", value: "id", valueKind: "channel", help: "Channel, such as irc." },
        { name: "account", value: "id", valueKind: "account", help: "Account of the channel." },
        { name: "to", value: "target", help: "A person, group or #channel, as the platform names it." },
        { name: "message", short: "m", value: "text", help: "Message text; - reads standard input, or the terminal until Ctrl-D." },
      ],
      usesGateway: true,
      isDefault: true,
      examples: ['openclaw message send --channel irc --to "#team" --message "Build is green"'],
      load: async () => (await import("./message.ts")).messageSend,
    },
  ],
};
