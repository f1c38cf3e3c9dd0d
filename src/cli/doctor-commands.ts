import type { CommandFamily } from "./command.ts";
import { YES } from "./shared-flags.ts";

export const doctorCommands: CommandFamily = {
  commands: [
    {
      path: ["doctor"],
      group: "See",
      summary: "Find problems, worst first, each with a fix.",
      flags: [
        { name: "fix", help: "Repair what can be repaired, after showing the plan." },
        { name: "lint", help: "Check the configuration file only; for hooks and CI." },
        YES,
      ],
      usesGateway: true,
      examples: ["openclaw doctor", "openclaw doctor --fix"],
      load: async () => (await import("./doctor.ts")).doctor,
    },
  ],
};
