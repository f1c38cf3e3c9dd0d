import type { CommandFamily } from "./command.ts";

export const pairingCommands: CommandFamily = {
  summary: "Approve or dismiss people who wrote to the bot.",
  commands: [
    {
      path: ["pairing", "list"],
      group: "Access",
      summary: "List people who wrote to the bot and await approval.",
      args: [{ name: "channel", required: false, valueKind: "channel" }],
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw pairing list"],
      load: async () => (await import("./pairing.ts")).pairingList,
    },
    {
      path: ["pairing", "approve"],
      summary: "Approve the person with this code.",
      args: [
        { name: "channel", required: true, valueKind: "channel" },
        { name: "code", required: true },
      ],
      flags: [
        { name: "account", value: "id", valueKind: "account", help: "Account of the channel." },
        { name: "notify", help: "Notify the person." },
      ],
      usesGateway: true,
      examples: ["openclaw pairing approve irc 7Q4M2XKD"],
      load: async () => (await import("./pairing.ts")).pairingApprove,
    },
    {
      path: ["pairing", "dismiss"],
      summary: "Dismiss a request without approving it.",
      args: [
        { name: "channel", required: true, valueKind: "channel" },
        { name: "code", required: true },
      ],
      flags: [{ name: "account", value: "id", valueKind: "account", help: "Account of the channel." }],
      usesGateway: true,
      examples: ["openclaw pairing dismiss irc 7Q4M2XKD"],
      load: async () => (await import("./pairing.ts")).pairingDismiss,
    },
  ],
};
