import type { CommandFamily } from "./command.ts";

export const statusCommands: CommandFamily = {
  commands: [
    {
      path: ["status"],
      group: "See",
      summary: "Overview of gateway, model, agents, channels and sessions.",
      flags: [
        { name: "all", help: "Show all details, to paste into a report (no secrets)." },
        { name: "deep", help: "Probe channels and models as well." },
      ],
      usesGateway: true,
      examples: ["openclaw status"],
      load: async () => (await import("./status.ts")).status,
    },
    {
      path: ["health"],
      group: "See",
      summary: "Show the health of the running gateway; fails if it is not usable.",
      usesGateway: true,
      examples: ["openclaw health --json"],
      load: async () => (await import("./status.ts")).health,
    },
  ],
};
