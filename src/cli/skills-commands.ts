import type { CliFlag, CommandFamily } from "./command.ts";
import { AGENT, YES } from "./shared-flags.ts";

const PATH: CliFlag = { name: "path", value: "folder", help: "Folder of the skill in the package, repository or directory." };
const SKILL = { name: "name", required: true, valueKind: "skill" } as const;

export const skillsCommands: CommandFamily = {
  summary: "Skills of agents: instructions that an agent reads when a task matches.",
  commands: [
    {
      path: ["skills", "list"],
      group: "Set up",
      summary: "List the skills of an agent, and whether it may use them.",
      flags: [AGENT, { name: "eligible", help: "Only those that the agent may use." }],
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw skills list", "openclaw skills list --agent helper --eligible"],
      load: async () => (await import("./skills.ts")).skillsList,
    },
    {
      path: ["skills", "info"],
      summary: "Show what is known about one skill.",
      args: [SKILL],
      flags: [AGENT],
      usesGateway: true,
      examples: ["openclaw skills info weather"],
      load: async () => (await import("./skills.ts")).skillsInfo,
    },
    {
      path: ["skills", "check"],
      summary: "Show which skills are off and why, and what does not fit into the list that models read.",
      flags: [AGENT],
      usesGateway: true,
      notes: ["It ends with an error code when a file cannot be read or an installed skill waits for approval."],
      examples: ["openclaw skills check"],
      load: async () => (await import("./skills.ts")).skillsCheck,
    },
    {
      path: ["skills", "install"],
      summary: "Copy a skill into the state directory, for all agents. It is off until its content is approved.",
      args: [{ name: "source", required: true }],
      flags: [PATH, { name: "yes", short: "y", help: "Approve the content without a question." }],
      notes: [
        "The source is a directory, npm:<package>@<version>, or git:<url>#<commit> with all digits of the commit.",
        "Nothing of a skill is run, and none of its install commands.",
      ],
      examples: [
        "openclaw skills install ./my-skill",
        "openclaw skills install npm:weather-skill@1.2.0",
        "openclaw skills install npm:many-skills@2.0.1 --path skills/weather",
      ],
      load: async () => (await import("./skills-install.ts")).skillsInstall,
    },
    {
      path: ["skills", "update"],
      summary: "Show what has changed at the source of an installed skill, and take it over.",
      args: [
        { name: "name", required: false, valueKind: "skill" },
        { name: "source", required: false },
      ],
      flags: [{ name: "all", help: "All installed skills, one after the other." }, PATH, YES],
      notes: [
        "Without a source, the one that it was installed from is read again. A package or a repository is named by one version or commit, so that only a directory can have changed there.",
      ],
      examples: [
        "openclaw skills update weather",
        "openclaw skills update weather npm:weather-skill@1.3.0",
        "openclaw skills update --all",
      ],
      load: async () => (await import("./skills-install.ts")).skillsUpdate,
    },
    {
      path: ["skills", "approve"],
      summary: "Let agents use an installed skill as it is now.",
      args: [SKILL],
      flags: [YES],
      examples: ["openclaw skills approve weather"],
      load: async () => (await import("./skills-install.ts")).skillsApprove,
    },
    {
      path: ["skills", "remove"],
      summary: "Delete an installed skill.",
      args: [SKILL],
      flags: [YES],
      examples: ["openclaw skills remove weather"],
      load: async () => (await import("./skills-install.ts")).skillsRemove,
    },
  ],
};
