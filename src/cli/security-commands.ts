import type { CommandFamily } from "./command.ts";
import { YES } from "./shared-flags.ts";

export const securityCommands: CommandFamily = {
  summary: "Look for settings and files that let in more than they should.",
  commands: [
    {
      path: ["security", "audit"],
      group: "Access",
      summary: "Check modes of files, who may connect, who may write to agents, and what agents may do.",
      flags: [
        { name: "deep", help: "Also connect to the running gateway." },
        { name: "fix", help: "Repair modes of files, and close groups that are open to everyone, after showing the plan." },
        YES,
      ],
      usesGateway: true,
      isDefault: true,
      notes: ["Ends with 1 when a finding is critical. security.audit.suppressions leaves accepted findings out."],
      examples: ["openclaw security audit", "openclaw security audit --deep --json"],
      load: async () => (await import("./security-audit.ts")).securityAudit,
    },
  ],
};
