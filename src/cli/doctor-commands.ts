import type { CommandFamily } from "./command.ts";
import { YES } from "./shared-flags.ts";

export const doctorCommands: CommandFamily = {
  commands: [
    {
      path: ["doctor"],
      group: "See",
      summary: "Find problems, worst first, each with a fix.",
      flags: [
        { name: "fix", help: "Repair what can be repaired, after showing the plan; the configuration gets a copy first." },
        { name: "lint", help: "Check the configuration file only; for hooks and CI. With --json in the form of OpenClaw." },
        { name: "only", value: "check", multiple: true, help: "Make this check only; may be repeated." },
        { name: "skip", value: "check", multiple: true, help: "Leave this check out; may be repeated." },
        {
          name: "severity-min",
          value: "severity",
          choices: ["info", "warning", "error"],
          help: "With --lint --json: leave findings below this severity out.",
        },
        { name: "deep", help: "Also ask the servers of the models for their name and time." },
        YES,
      ],
      usesGateway: true,
      examples: ["openclaw doctor", "openclaw doctor --fix", "openclaw doctor --only backup --only disk"],
      load: async () => (await import("./doctor.ts")).doctor,
    },
  ],
};
