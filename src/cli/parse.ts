import { CliError, EXIT } from "../core/errors.ts";
import { suggest } from "../config/suggest.ts";
import type { FlagValues } from "./invocation.ts";
import { sanitizeLine } from "./terminal-text.ts";
import {
  COMMON_FLAGS,
  allFlags,
  commandName,
  REMOTE_FLAGS,
  commandUsage,
  type CliArgument,
  type CliCommand,
  type CliFlag,
} from "./command.ts";

export type ParsedArgv =
  | { readonly kind: "run"; readonly command: CliCommand; readonly args: readonly string[]; readonly flags: FlagValues }
  /** `words`: what help is wanted for; empty for the overview. */
  | { readonly kind: "help"; readonly words: readonly string[] }
  | { readonly kind: "version" };

const VERSION_FLAG: CliFlag = { name: "version", short: "V", help: "Show the version." };
const LEADING: readonly CliFlag[] = [...COMMON_FLAGS, ...REMOTE_FLAGS, VERSION_FLAG];

const usageError = (what: string, why: string | undefined, fix: string): CliError =>
  new CliError(what, { ...(why && { why }), fix, exit: EXIT.usage });

/**
 * Reads the arguments of the process against the table. Pure. Throws CliError (exit 2) with one line what, why and fix, and the
 * name that was probably meant.
 */
export function parseArgv(argv: readonly string[], commands: readonly CliCommand[]): ParsedArgv {
  const leading = readFlags(argv, LEADING, "openclaw --help", true);
  if (leading.flags.has("version")) return { kind: "version" };
  const words = leading.rest;
  if (words[0] === "help") return { kind: "help", words: words.slice(1).filter((word) => !word.startsWith("-")) };
  if (words.length === 0) return { kind: "help", words: [] };
  const family = commands.filter((command) => command.path[0] === words[0]);
  if (family.length === 0) throw unknownCommandError(words[0]!, commands);
  const command = findCommand(words, family);
  if (!command) {
    const wantsHelp = words.slice(1).some((word) => word === "--help" || word === "-h") || leading.flags.has("help");
    if (wantsHelp || words.length === 1) return { kind: "help", words: [words[0]!] };
    throw unknownSubcommandError(words, family);
  }
  const named = command.path.filter((word, index) => words[index] === word);
  return readCommand(command, named, words.slice(named.length), leading.flags, family);
}

/** `named`: the words of the command that were written; the help of `openclaw sessions` is that of the family. */
function readCommand(
  command: CliCommand,
  named: readonly string[],
  tail: readonly string[],
  leading: FlagValues,
  family: readonly CliCommand[],
): ParsedArgv {
  const help = `openclaw ${commandName(command)} --help`;
  const own = allFlags(command);
  for (const name of leading.keys()) {
    if (!own.some((flag) => flag.name === name))
      throw usageError(`openclaw ${commandName(command)} does not take --${name}`, "it does not connect to a gateway.", help);
  }
  const { flags, rest } = readFlags(tail, own, help, false);
  if (flags.has("help") || leading.has("help")) return { kind: "help", words: named };
  checkArguments(command, rest, family);
  return { kind: "run", command, args: rest, flags: new Map([...leading, ...flags]) };
}

/** The command with the most words that match; the family's default when only its name does. */
function findCommand(words: readonly string[], family: readonly CliCommand[]): CliCommand | undefined {
  const matching = family.filter((command) => command.path.every((word, index) => words[index] === word));
  const longest = matching.toSorted((a, b) => b.path.length - a.path.length)[0];
  if (longest) return longest;
  const next = words[1];
  return next === undefined || next.startsWith("-") ? family.find((command) => command.isDefault) : undefined;
}

function unknownCommandError(word: string, commands: readonly CliCommand[]): CliError {
  const names = [...new Set(commands.map((command) => command.path[0]!))].filter((name) => !name.startsWith("__"));
  const meant = suggest(word, names);
  const fix = meant ? `openclaw ${meant}` : "openclaw --help lists all commands.";
  return usageError(`Unknown command "${sanitizeLine(word)}".${meant ? ` Did you mean "${meant}"?` : ""}`, undefined, fix);
}

function unknownSubcommandError(words: readonly string[], family: readonly CliCommand[]): CliError {
  const names = family.map((command) => command.path[1]).filter((name) => name !== undefined);
  const word = words[1]!;
  const meant = suggest(word, names);
  const fix = `openclaw ${words[0]} ${meant ?? "--help"}`;
  return usageError(
    `Unknown command "${words[0]} ${sanitizeLine(word)}".${meant ? ` Did you mean "${words[0]} ${meant}"?` : ""}`,
    meant ? undefined : `There are: ${names.join(", ")}.`,
    fix,
  );
}

type Flags = { flags: Map<string, string[]>; rest: string[] };

/** Splits words into flags and the rest. With `stopAtWord`, everything from the first plain word on is left alone. */
function readFlags(words: readonly string[], known: readonly CliFlag[], help: string, stopAtWord: boolean): Flags {
  const flags = new Map<string, string[]>();
  const rest: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    if (word === "--") {
      rest.push(...words.slice(index + 1));
      break;
    }
    if (word === "-" || !word.startsWith("-")) {
      rest.push(...(stopAtWord ? words.slice(index) : [word]));
      if (stopAtWord) break;
      continue;
    }
    const [name, inline] = splitOnce(word, "=");
    const flag = known.find((each) => name === `--${each.name}` || (each.short !== undefined && name === `-${each.short}`));
    if (!flag) throw unknownFlagError(name, known, help);
    if (flags.has(flag.name) && !flag.multiple && flag.value !== undefined)
      throw usageError(`--${flag.name} is given twice`, "it takes one value.", help);
    const value = flag.value === undefined ? booleanValue(flag, inline, help) : valueOf(flag, inline ?? words[++index], help);
    flags.set(flag.name, [...(flags.get(flag.name) ?? []), value]);
  }
  return { flags, rest };
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function unknownFlagError(name: string, known: readonly CliFlag[], help: string): CliError {
  const meant = name.startsWith("--")
    ? suggest(
        name.slice(2),
        known.map((flag) => flag.name),
      )
    : undefined;
  return usageError(
    `Unknown flag ${sanitizeLine(name)}.${meant ? ` Did you mean --${meant}?` : ""}`,
    undefined,
    meant ? `use --${meant}; ${help} lists all flags.` : `${help} lists all flags.`,
  );
}

function booleanValue(flag: CliFlag, inline: string | undefined, help: string): string {
  if (inline === undefined) return "true";
  throw usageError(`--${flag.name} takes no value`, `"${inline}" was given.`, help);
}

function valueOf(flag: CliFlag, text: string | undefined, help: string): string {
  if (text === undefined) throw usageError(`--${flag.name} needs a value`, `the format is --${flag.name} <${flag.value}>.`, help);
  if (flag.choices && !flag.choices.includes(text)) {
    throw invalidChoiceError(flag.name, text, flag.choices);
  }
  if (flag.range) checkRange(flag, flag.range, text);
  return text;
}

function invalidChoiceError(noun: string, text: string, choices: readonly string[]): CliError {
  const meant = suggest(text, choices);
  const hint = meant ? ` Did you mean "${meant}"?` : "";
  return new CliError(`Unknown ${noun} "${sanitizeLine(text)}".${hint}`, { fix: `use one of: ${choices.join(", ")}.`, exit: EXIT.usage });
}

function checkRange(flag: CliFlag, [min, max]: readonly [number, number], text: string): void {
  const number = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return;
  const shown = sanitizeLine(text);
  const why = Number.isNaN(number) ? `"${shown}" is not a whole number.` : `${shown} is out of range.`;
  throw usageError(`Invalid value for --${flag.name}: ${shown}`, why, `use a number from ${min} to ${max}.`);
}

function checkArguments(command: CliCommand, given: readonly string[], family: readonly CliCommand[]): void {
  const wanted: readonly CliArgument[] = command.args ?? [];
  const help = `openclaw ${commandName(command)} --help`;
  const missing = wanted.find((arg, index) => arg.required && given[index] === undefined);
  if (missing) throw usageError(`Missing <${missing.name}>`, `Usage: ${commandUsage(command)}`, command.examples[0] ?? help);
  if (given.length > wanted.length && !wanted.at(-1)?.variadic) {
    const extra = given[wanted.length]!;
    const isFamily = command.path.length === 1 && family.length > 1;
    if (isFamily) throw unknownSubcommandError([command.path[0]!, extra], family);
    throw usageError(`Unexpected argument "${sanitizeLine(extra)}"`, `Usage: ${commandUsage(command)}`, help);
  }
  for (const [index, arg] of wanted.entries()) {
    const value = given[index];
    if (value === undefined || !arg.choices || arg.choices.includes(value)) continue;
    throw invalidChoiceError(arg.name, value, arg.choices);
  }
}
