// Writes docs/commands.md from the table of commands; with --check it only compares.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { COMMON_FLAGS, commandName, REMOTE_FLAGS, commandUsage, type CliCommand, type CliFlag } from "../src/cli/command.ts";
import { COMMANDS } from "../src/cli/command-table.ts";

const file = join(dirname(dirname(fileURLToPath(import.meta.url))), "docs/commands.md");

const escape = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;");

function flagTable(flags: readonly CliFlag[]): string[] {
  const rows = flags.map(({ name, short, value, choices, help }) => {
    const written = `${short ? `-${short}, ` : ""}--${name}${value ? ` <${value}>` : ""}`;
    return `| \`${written}\` | ${escape(help)}${choices ? ` One of ${choices.map((each) => `\`${each}\``).join(", ")}.` : ""} |`;
  });
  return ["| Flag | Meaning |", "| --- | --- |", ...rows, ""];
}

function section(command: CliCommand): string[] {
  const lines = [
    `### openclaw ${commandName(command)}`,
    "",
    command.summary,
    "",
    "```sh",
    commandUsage(command),
    ...command.examples.map((example) => `# ${example}`),
    "```",
    "",
  ];
  for (const note of command.notes ?? []) lines.push(note, "");
  if (command.flags?.length) lines.push(...flagTable(command.flags));
  if (command.usesGateway) lines.push("Asks a gateway: takes the flags of [Which gateway](#which-gateway) as well.", "");
  return lines;
}

const text = [
  "# Commands",
  "",
  "<!-- Made by scripts/gen-cli-docs.ts from src/cli/command-table.ts. Change the table, then run the script. -->",
  "",
  "Commands ask the running gateway, also one on another machine; where this machine's own is not running, those that can read the",
  "files of the state directory do so and say it. Results go to standard output, remarks and errors to standard error.",
  "",
  "| Exit code | Meaning |",
  "| --- | --- |",
  "| 0 | Done. |",
  "| 1 | It failed; `status` and `doctor` also when the gateway is not usable. |",
  "| 2 | The command line is wrong. |",
  "| 69 | The gateway cannot be reached, or its port is taken. |",
  "| 77 | The credential is missing, wrong, or does not allow it. |",
  "| 78 | The configuration is wrong. |",
  "| 130 | Ended by Ctrl-C. |",
  "",
  "## Every command",
  "",
  ...flagTable(COMMON_FLAGS),
  "## Which gateway",
  "",
  "Without a flag: `gateway.remote.url` when `gateway.mode` is `remote`; else the gateway of this state directory. The token comes from",
  "`--token`, `--token-file`, `OPENCLAW_GATEWAY_TOKEN`, the configuration, or the file that the gateway made at its first start. A",
  "credential from the files of this machine is never sent to the address of `--url`, unless it is this machine's own gateway.",
  "",
  ...flagTable(REMOTE_FLAGS),
  ...[
    ...Map.groupBy(COMMANDS, (command) => COMMANDS.find((each) => each.path[0] === command.path[0] && each.group !== undefined)!.group!),
  ].flatMap(([group, commands]) => [`## ${group}`, "", ...commands.flatMap(section)]),
].join("\n");

if (!process.argv.includes("--check")) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
} else if (readFileSync(file, "utf8") !== text) {
  console.error("docs/commands.md is not what the table of commands says: run node scripts/gen-cli-docs.ts");
  process.exitCode = 1;
}
