import type { CommandFamily } from "./command.ts";
import { YES } from "./shared-flags.ts";

export const devicesCommands: CommandFamily = {
  summary: "Approve, remove and revoke browsers, apps and nodes.",
  commands: [
    {
      path: ["devices", "list"],
      group: "Access",
      summary: "List paired and pending devices.",
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw devices list"],
      load: async () => (await import("./devices.ts")).devicesList,
    },
    {
      path: ["devices", "join-code"],
      summary: "Make a one-time code with which a machine or an app becomes a node.",
      flags: [
        {
          name: "public-url",
          value: "url",
          help: "Address under which the node reaches this gateway (default: gateway.publicOrigin or gateway.bind).",
        },
      ],
      usesGateway: true,
      notes: ["The code is valid for ten minutes and for one device. It approves what that device offers when it connects."],
      examples: ["openclaw devices join-code"],
      load: async () => (await import("./devices.ts")).devicesJoinCode,
    },
    {
      path: ["devices", "approve"],
      summary: "Approve a pending device.",
      args: [{ name: "request", required: false, valueKind: "request" }],
      flags: [{ name: "latest", help: "The most recent request." }],
      usesGateway: true,
      examples: ["openclaw devices approve --latest"],
      load: async () => (await import("./devices.ts")).devicesApprove,
    },
    {
      path: ["devices", "reject"],
      summary: "Reject a pending device.",
      args: [{ name: "request", required: true, valueKind: "request" }],
      usesGateway: true,
      examples: ["openclaw devices reject 0c1f"],
      load: async () => (await import("./devices.ts")).devicesReject,
    },
    {
      path: ["devices", "remove"],
      summary: "Remove a paired device; its connections are closed immediately.",
      args: [{ name: "device", required: true, valueKind: "device" }],
      flags: [YES],
      usesGateway: true,
      examples: ["openclaw devices remove 9be2 --yes"],
      load: async () => (await import("./devices.ts")).devicesRemove,
    },
    {
      path: ["devices", "rotate"],
      summary: "Issue a new token to a device; the old one is revoked immediately.",
      args: [{ name: "device", required: true, valueKind: "device" }],
      flags: [{ name: "role", value: "role", choices: ["operator", "node"], help: "Which of its tokens (default: operator)." }],
      usesGateway: true,
      examples: ["openclaw devices rotate 9be2"],
      load: async () => (await import("./devices.ts")).devicesRotate,
    },
    {
      path: ["devices", "revoke"],
      summary: "Revoke a device's token; the device stays listed.",
      args: [{ name: "device", required: true, valueKind: "device" }],
      flags: [{ name: "role", value: "role", choices: ["operator", "node"], help: "Which of its tokens (default: operator)." }],
      usesGateway: true,
      examples: ["openclaw devices revoke 9be2"],
      load: async () => (await import("./devices.ts")).devicesRevoke,
    },
  ],
};
