import type { CliFlag, CommandFamily } from "./command.ts";

const DIR: CliFlag = { name: "dir", value: "dir", help: "Directory of the backups (default: backup.dir, <state>/backups)." };

export const backupCommands: CommandFamily = {
  summary: "Back up the state directory while the gateway runs, check backups, restore them.",
  commands: [
    {
      path: ["backup", "create"],
      group: "Run",
      summary: "Make a backup now; a running gateway goes on working.",
      flags: [
        { name: "output", short: "o", value: "file", help: "Archive to write; it must not exist (default: a new one in backup.dir)." },
        { name: "verify", help: "Read the backup again and count its records (default: backup.verify)." },
        { name: "no-include-workspace", help: "Leave the workspaces of the agents out." },
        { name: "no-secrets", help: "Leave credentials out: a restored gateway has to be set up again." },
        { name: "only-config", help: "Back up the configuration file only." },
        { name: "dry-run", help: "Show what would be backed up, and write nothing." },
      ],
      usesGateway: true,
      examples: ["openclaw backup create --verify", "openclaw backup create --output /mnt/disk/openclaw.zip --no-include-workspace"],
      load: async () => (await import("./backup.ts")).backupCreate,
    },
    {
      path: ["backup", "list"],
      summary: "List backups, the newest first, and when the next one is made.",
      flags: [DIR],
      usesGateway: true,
      isDefault: true,
      examples: ["openclaw backup list"],
      load: async () => (await import("./backup.ts")).backupList,
    },
    {
      path: ["backup", "verify"],
      summary: "Read a whole backup: every hash, its store and its configuration.",
      args: [{ name: "file", required: true }],
      flags: [DIR],
      notes: ["latest is the newest one of the directory."],
      examples: ["openclaw backup verify latest"],
      load: async () => (await import("./backup.ts")).backupVerify,
    },
    {
      path: ["backup", "restore"],
      summary: "Restore a backup into a new directory.",
      args: [{ name: "file", required: true }],
      flags: [
        { name: "target", value: "dir", help: "Directory to restore to; new or empty (default: the state directory)." },
        { name: "keep-queue", help: "Messages and replies that waited are handled at the next start, instead of becoming dead letters." },
        DIR,
      ],
      notes: ["latest is the newest one of the directory. A gateway that runs is never written over."],
      examples: ["openclaw backup restore latest --target ~/.openclaw-restored"],
      load: async () => (await import("./backup.ts")).backupRestore,
    },
    {
      path: ["backup", "schedule"],
      summary: "Show or change the daily backup.",
      flags: [
        { name: "at", value: "HH:MM", help: "Make a backup every day at this time." },
        { name: "keep", value: "n", range: [1, 100], help: "Number of daily backups that are kept (default: 7)." },
        { name: "off", help: "Make no daily backup." },
      ],
      examples: ["openclaw backup schedule --at 03:30 --keep 14", "openclaw backup schedule --off"],
      load: async () => (await import("./backup.ts")).backupSchedule,
    },
  ],
};
