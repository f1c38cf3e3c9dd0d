import type { CommandFamily } from "./command.ts";

export const dashboardCommands: CommandFamily = {
  commands: [
    {
      path: ["dashboard"],
      group: "Run",
      summary: "Open the web page, signed in by a one-time link.",
      flags: [{ name: "no-open", help: "Print the link instead." }],
      usesGateway: true,
      examples: ["openclaw dashboard --no-open"],
      load: async () => (await import("./dashboard.ts")).dashboard,
    },
  ],
};
