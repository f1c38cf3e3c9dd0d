import type { Mutant } from "./mutant.ts";

const ZIP = "src/core/zip.test.ts";
const BACKUP = "src/backup/backup.test.ts";
const SERVICE = "src/service/definitions.test.ts";
const DIAGNOSTICS = "src/cli/diagnostics.test.ts";

/** The guards of backups, services and exports. */
export const OPERATIONS_MUTANTS: readonly Mutant[] = [
  {
    invariant: 8,
    breaks: "a name in an archive is a path below the directory into which it is unpacked",
    file: "src/core/zip.ts",
    text: 'parts.every((part) => part !== "" && part !== "." && part !== "..")',
    broken: "parts.length > 0",
    tests: [ZIP],
    title: "names that lead out",
  },
  {
    invariant: 10,
    breaks: "a file of an archive unpacks to no more than it says",
    file: "src/core/zip.ts",
    text: "if (bytes !== entry.bytes || crc !== entry.crc)",
    broken: "if (bytes < 0)",
    tests: [ZIP],
  },
  {
    invariant: 6,
    breaks: "what is restored is what the manifest names",
    file: "src/backup/verify.ts",
    text: 'if (hash.digest("hex") !== sha256)',
    broken: 'if (sha256 === "")',
    tests: [BACKUP],
    title: "a changed, missing or added file",
  },
  {
    invariant: 8,
    breaks: "a backup is restored into a new or empty directory only",
    file: "src/backup/restore.ts",
    text: "if (names.length > 0)",
    broken: "if (names.length > 1_000)",
    tests: [BACKUP],
    title: "into a new or empty directory only",
  },
  {
    invariant: 4,
    breaks: "a backup without credentials has no file with one",
    file: "src/backup/sources.ts",
    text: "(secrets || WITHOUT_SECRETS.has(name))",
    broken: "name.length > 0",
    tests: [BACKUP],
    title: "without credentials",
  },
  {
    invariant: 4,
    breaks: "a backup without credentials has no login of a channel in its store",
    file: "src/store/copy.ts",
    text: "for (const table of CREDENTIAL_TABLES) db.exec(`DELETE FROM ${table}`);",
    broken: "",
    tests: [BACKUP],
    title: "without credentials",
  },
  {
    invariant: 4,
    breaks: "a service gets no proxy with a password",
    file: "src/service/definition.ts",
    text: 'new URL(value).username === "" && new URL(value).password === ""',
    broken: "value.length > 0",
    tests: [SERVICE],
    title: "no credential of the environment",
  },
  {
    invariant: 12,
    breaks: "no imported message counts as one of the owner",
    file: "src/methods/session-transfer.ts",
    text: "          senderIsOwner: false,\n",
    broken: '          senderIsOwner: from["senderIsOwner"] === true,\n',
    tests: ["src/methods/session-transfer.test.ts"],
  },
  {
    invariant: 4,
    breaks: "diagnostics have no known credential",
    file: "src/cli/diagnostics.ts",
    text: 'clean = clean.replaceAll(form, "[secret]");',
    broken: "clean = clean.replaceAll(form, form);",
    tests: [DIAGNOSTICS],
  },
];
