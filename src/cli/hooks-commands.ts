import type { CommandFamily } from "./command.ts";
import { YES } from "./shared-flags.ts";

export const hooksCommands: CommandFamily = {
  summary: "Requests of other programs, and code that runs on events.",
  commands: [
    {
      path: ["hooks", "list"],
      group: "Schedule",
      summary: "List the hooks: addresses with how senders prove themselves, and internal hooks with their events.",
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw hooks list"],
      load: async () => (await import("./hooks.ts")).hooksList,
    },
    {
      path: ["hooks", "status"],
      summary: "Show the last deliveries, and which requests were refused for which reason.",
      flags: [
        { name: "hook", value: "id", help: "Only one hook." },
        { name: "limit", short: "n", value: "rows", range: [1, 200], help: "Number of rows (default: 20)." },
      ],
      usesGateway: true,
      examples: ["openclaw hooks status", "openclaw hooks status --hook github"],
      load: async () => (await import("./hooks.ts")).hooksStatus,
    },
    {
      path: ["hooks", "test"],
      summary: "Show what a request would do: session, rights and the text for the agent. Nothing runs.",
      args: [{ name: "hook", required: true }],
      flags: [
        { name: "payload", value: "json", help: "The body as JSON; - reads standard input." },
        { name: "header", value: "name: value", multiple: true, help: "A header of the request." },
      ],
      usesGateway: true,
      examples: [`openclaw hooks test github --payload '{"action":"opened"}'`],
      load: async () => (await import("./hooks.ts")).hooksTest,
    },
    {
      path: ["hooks", "info"],
      summary: "Show one internal hook: its events, its files, and whether it runs.",
      args: [{ name: "name", required: true }],
      usesGateway: true,
      examples: ["openclaw hooks info note"],
      load: async () => (await import("./hooks-internal.ts")).hooksInfo,
    },
    {
      path: ["hooks", "check"],
      summary: "Show which internal hooks do not run, and why.",
      usesGateway: true,
      examples: ["openclaw hooks check"],
      load: async () => (await import("./hooks-internal.ts")).hooksCheck,
    },
    {
      path: ["hooks", "enable"],
      summary: "Let an internal hook run, with the content that it has now.",
      args: [{ name: "name", required: true }],
      flags: [YES],
      usesGateway: true,
      notes: ["Its code has the rights of the gateway. After a change of its files it is off until it is enabled again."],
      examples: ["openclaw hooks enable note --yes"],
      load: async () => (await import("./hooks-internal.ts")).hooksEnable,
    },
    {
      path: ["hooks", "disable"],
      summary: "Keep an internal hook from running.",
      args: [{ name: "name", required: true }],
      usesGateway: true,
      examples: ["openclaw hooks disable note"],
      load: async () => (await import("./hooks-internal.ts")).hooksDisable,
    },
  ],
};
