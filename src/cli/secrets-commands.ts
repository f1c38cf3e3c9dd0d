import type { CliArgument, CliFlag, CommandFamily } from "./command.ts";
import { YES } from "./shared-flags.ts";

const KINDS = ["file", "passphrase", "keyring"] as const;
const NAME: CliArgument = { name: "name", required: true };
const KEY: CliFlag = {
  name: "key",
  value: "kind",
  choices: KINDS,
  help: "Where the key of a new store is (default: file, beside the store).",
};

export const secretsCommands: CommandFamily = {
  summary: "Credentials of the configuration.",
  commands: [
    {
      path: ["secrets", "audit"],
      group: "Access",
      summary: "Find credentials that are written into the configuration, and references that lead to nothing.",
      flags: [
        { name: "check", help: "For scripts: prints the findings only." },
        { name: "allow-exec", help: "Run the programs that the configuration refers to, and report those without a value." },
      ],
      isDefault: true,
      notes: ["Ends with 0 when there is nothing to do, 1 with findings, 2 when a reference cannot be resolved. Values are never printed."],
      examples: ["openclaw secrets audit", "openclaw secrets audit --check --json"],
      load: async () => (await import("./secrets-audit.ts")).secretsAudit,
    },
    {
      path: ["secrets", "configure"],
      summary: "Move credentials from openclaw.json into the encrypted store, and refer to them.",
      flags: [
        { name: "only", value: "key", multiple: true, help: "Move this key only; may be repeated." },
        { name: "dry-run", help: "Show what would be moved, and write nothing." },
        KEY,
        YES,
      ],
      notes: ["Older copies of the file that the gateway keeps (openclaw.json.bak and the last good one) get the new text as well."],
      examples: ["openclaw secrets configure --dry-run", "openclaw secrets configure --only models.providers.openai.apiKey --yes"],
      load: async () => (await import("./secrets-configure.ts")).secretsConfigure,
    },
    {
      path: ["secrets", "reload"],
      summary: "Read all secrets of the running gateway again: programs, files, and the encrypted store.",
      usesGateway: true,
      notes: ["Ends with 1 when a source could not be read; its last values stay in use."],
      examples: ["openclaw secrets reload"],
      load: async () => (await import("./secrets-store.ts")).secretsReload,
    },
    {
      path: ["secrets", "store", "set"],
      summary: "Store a secret, or replace it. The value comes from standard input or a hidden prompt.",
      args: [NAME],
      flags: [KEY],
      examples: ["openclaw secrets store set TELEGRAM_TOKEN", "openclaw secrets store set TELEGRAM_TOKEN < token.txt"],
      load: async () => (await import("./secrets-store.ts")).secretsStoreSet,
    },
    {
      path: ["secrets", "store", "get"],
      summary: "Show when a secret was changed; with --reveal its value, at a terminal only.",
      args: [NAME],
      flags: [{ name: "reveal", help: "Show the value. Refused unless the output is a terminal." }],
      examples: ["openclaw secrets store get TELEGRAM_TOKEN", "openclaw secrets store get TELEGRAM_TOKEN --reveal"],
      load: async () => (await import("./secrets-store.ts")).secretsStoreGet,
    },
    {
      path: ["secrets", "store", "list"],
      summary: "List the names in the encrypted store.",
      examples: ["openclaw secrets store list"],
      load: async () => (await import("./secrets-store.ts")).secretsStoreList,
    },
    {
      path: ["secrets", "store", "rm"],
      summary: "Remove a secret from the encrypted store.",
      args: [NAME],
      examples: ["openclaw secrets store rm TELEGRAM_TOKEN"],
      load: async () => (await import("./secrets-store.ts")).secretsStoreRemove,
    },
    {
      path: ["secrets", "rekey"],
      summary: "Encrypt the store with a new key.",
      flags: [
        { name: "to", value: "kind", choices: KINDS, help: "Where the new key is (default: where the old one is)." },
        {
          name: "new-passphrase-file",
          value: "file",
          help: "File (mode 0600) with the new passphrase; a terminal is asked for it otherwise.",
        },
      ],
      notes: ["After a crash at any moment the store can be opened, with the old key or with the new one."],
      examples: ["openclaw secrets rekey", "openclaw secrets rekey --to passphrase"],
      load: async () => (await import("./secrets-store.ts")).secretsRekey,
    },
  ],
};
