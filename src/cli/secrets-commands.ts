import type { CommandFamily } from "./command.ts";

export const secretsCommands: CommandFamily = {
  summary: "Credentials of the configuration.",
  commands: [
    {
      path: ["secrets", "audit"],
      group: "Access",
      summary: "Find credentials that are written into the configuration, and references that lead to nothing.",
      flags: [{ name: "check", help: "For scripts: prints the findings only." }],
      isDefault: true,
      notes: ["Ends with 0 when there is nothing to do, 1 with findings, 2 when a reference cannot be resolved. Values are never printed."],
      examples: ["openclaw secrets audit", "openclaw secrets audit --check --json"],
      load: async () => (await import("./secrets-audit.ts")).secretsAudit,
    },
  ],
};
