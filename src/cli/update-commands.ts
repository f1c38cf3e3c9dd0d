import type { CliFlag, CommandFamily } from "./command.ts";
import { YES } from "./shared-flags.ts";

const CHANNEL: CliFlag = {
  name: "channel",
  value: "channel",
  choices: ["stable", "beta", "dev"],
  help: "Releases to choose from (default: update.channel). It is kept in update.channel when the update succeeds.",
};

export const updateCommands: CommandFamily = {
  summary: "Install a new version of the gateway, and go back when it does not work.",
  commands: [
    {
      path: ["update"],
      group: "Run",
      summary: "Install the newest version: try it on a copy of the state, switch, check, and go back when it does not work.",
      flags: [
        CHANNEL,
        { name: "tag", value: "tag", help: "Version, dist-tag or git tag to install for once; or the path of a package file (.tgz)." },
        { name: "dry-run", help: "Show what would be installed and how, and change nothing." },
        YES,
      ],
      notes: [
        "The running gateway is stopped only when the new version has worked on a copy of the state. A backup is made first.",
        "A container gets another image instead: docs/containers.md.",
      ],
      examples: ["openclaw update --dry-run", "openclaw update", "openclaw update --tag 1.2.3 --yes"],
      load: async () => (await import("./update.ts")).update,
    },
    {
      path: ["update", "status"],
      summary: "Show how this copy was installed, whether there is a newer version, and how the last update ended.",
      flags: [CHANNEL, { name: "offline", help: "Ask neither the registry nor the repository." }],
      examples: ["openclaw update status", "openclaw update status --json"],
      load: async () => (await import("./update-status.ts")).updateStatus,
    },
  ],
};
