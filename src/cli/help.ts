import { CliError, EXIT } from "../core/errors.ts";
import { suggest } from "../config/suggest.ts";
import { COMMON_FLAGS, commandName, REMOTE_FLAGS, commandUsage, type CliCommand, type CliFlag } from "./command.ts";
import type { Output } from "./output.ts";
import { COMMANDS, FAMILY_SUMMARIES } from "./command-table.ts";
import { sanitizeLine, padText, wrapText } from "./terminal-text.ts";

/** Help is read in pipes and in mails as well. */
const MAX_WIDTH = 80;

/** Prints the overview, the help of a family, or that of one command. Returns the exit code. */
export function showHelp(words: readonly string[], out: Output): number {
  if (out.json) {
    out.data(COMMANDS.filter((command) => words.every((word, index) => command.path[index] === word)).map(toData));
    return EXIT.ok;
  }
  for (const line of helpLines(words, Math.min(MAX_WIDTH, out.width ?? MAX_WIDTH))) out.line(line);
  return EXIT.ok;
}

/** The lines of the help. Throws CliError when the command does not exist. */
export function helpLines(words: readonly string[], width = MAX_WIDTH): string[] {
  if (words.length === 0) return overview(width);
  const exact = COMMANDS.find((command) => commandName(command) === words.join(" "));
  const family = COMMANDS.filter((command) => command.path[0] === words[0]);
  if (exact && (words.length > 1 || family.length === 1)) return commandHelp(exact, width);
  if (words.length === 1 && family.length > 0) return familyHelp(words[0]!, family, exact, width);
  const meant = suggest(words.join(" "), COMMANDS.map(commandName));
  throw new CliError(`Unknown command "${sanitizeLine(words.join(" "))}".${meant ? ` Did you mean "${meant}"?` : ""}`, {
    fix: meant ? `openclaw ${meant} --help` : "openclaw --help lists all commands.",
    exit: EXIT.usage,
  });
}

function toData({ path: words, summary, args, flags, usesGateway: remote, examples }: CliCommand): unknown {
  return {
    command: words.join(" "),
    summary,
    args: args ?? [],
    flags: [...(flags ?? []), ...(remote ? REMOTE_FLAGS : []), ...COMMON_FLAGS],
    examples,
  };
}

/** Two columns: a term, and its text wrapped beside it. */
function columns(rows: readonly (readonly [term: string, text: string])[], width: number): string[] {
  const gap = 2;
  const terms = Math.min(Math.floor(width * 0.375), Math.max(...rows.map(([term]) => term.length)));
  const indent = " ".repeat(terms + 2 + gap);
  return rows.flatMap(([term, text]) => {
    const lead = `  ${padText(term, terms)}${" ".repeat(gap)}`;
    if (term.length > terms) return [`  ${term}`, ...wrapText(indent + text, width, indent)];
    const [first = "", ...rest] = wrapText(text, width, indent, lead.length);
    return [lead + first, ...rest];
  });
}

function overview(width: number): string[] {
  const lines = [
    ...wrapText("openclaw: a gateway between chats, clients, tools and AI agents.", width),
    "",
    "Usage: openclaw <command> [flags]",
  ];
  const groups = Map.groupBy(
    COMMANDS.filter((command) => command.group !== undefined),
    (command) => command.group!,
  );
  for (const [group, commands] of groups) {
    lines.push(
      "",
      group,
      ...columns(
        commands.map((command): [string, string] => [command.path[0]!, overviewText(command)]),
        width,
      ),
    );
  }
  lines.push("", "Common flags", ...columns(COMMON_FLAGS.map(flagRow), width));
  lines.push("", ...wrapText("Start here: openclaw gateway. Help of one command: openclaw <command> --help", width));
  return lines;
}

const overviewText = (command: CliCommand): string => {
  const family = COMMANDS.filter((each) => each.path[0] === command.path[0]);
  return family.length > 1 ? (FAMILY_SUMMARIES.get(command.path[0]!) ?? command.summary) : command.summary;
};

const flagRow = (flag: CliFlag): [string, string] => {
  const short = flag.short ? `-${flag.short}, ` : "";
  const value = flag.value ? ` <${flag.value}>` : "";
  const choices = flag.choices ? ` One of ${flag.choices.join(", ")}.` : "";
  return [`${short}--${flag.name}${value}`, flag.help + choices];
};

function familyHelp(name: string, family: readonly CliCommand[], exact: CliCommand | undefined, width: number): string[] {
  const lines = [FAMILY_SUMMARIES.get(name) ?? family[0]!.summary, "", `Usage: openclaw ${name} <command> [flags]`, ""];
  lines.push(
    ...columns(
      family.map((command) => [
        [...command.path.slice(1), ...argText(command)].join(" ") || name,
        command.summary + (command.isDefault ? " (default)" : ""),
      ]),
      width,
    ),
  );
  if (exact) lines.push("", ...commandHelp(exact, width).slice(2));
  else
    lines.push(
      "",
      "Examples",
      ...family.slice(0, 4).map((command) => `  ${command.examples[0]}`),
      "",
      `More: openclaw ${name} <command> --help`,
    );
  return lines;
}

const argText = (command: CliCommand): string[] =>
  (command.args ?? []).map(({ name, required: needed, variadic: rest }) => (needed ? `<${name}${rest ? "..." : ""}>` : `[${name}]`));

function commandHelp(command: CliCommand, width: number): string[] {
  const lines = [...wrapText(command.summary, width), "", ...wrapText(`Usage: ${commandUsage(command)}`, width, "  ")];
  for (const arg of command.args ?? [])
    if (arg.choices) lines.push(...wrapText(`  <${arg.name}> is one of ${arg.choices.join(", ")}.`, width, "  "));
  if (command.flags?.length) lines.push("", "Flags", ...columns(command.flags.map(flagRow), width));
  if (command.usesGateway)
    lines.push(
      "",
      "Gateway flags",
      ...columns(REMOTE_FLAGS.filter((flag) => !command.flags?.some((own) => own.name === flag.name)).map(flagRow), width),
    );
  lines.push("", "Common flags", ...columns(COMMON_FLAGS.map(flagRow), width));
  for (const note of command.notes ?? []) lines.push("", ...wrapText(note, width));
  lines.push("", command.examples.length > 1 ? "Examples" : "Example", ...command.examples.map((example) => `  ${example}`));
  return lines;
}
