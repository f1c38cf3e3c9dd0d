import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { lookupSchema } from "../config/json-schema.ts";
import { parseArgv } from "./parse.ts";
import { COMMANDS } from "./command-table.ts";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** Pages that speak of the commands of OpenClaw's own program, or of former ones. */
const OTHERS: readonly string[] = ["CHANGELOG.md", "docs/compatibility.md"];
const DOCS = globSync(["*.md", "docs/**/*.md"], { cwd: root }).filter((file) => !file.includes("node_modules") && !OTHERS.includes(file));
const SOURCES = globSync(["src/**/*.ts", "web/src/**/*.{ts,tsx}", "bin/*.js", "scripts/*.{ts,js}"], { cwd: root }).filter(
  (file) => !file.endsWith(".test.ts") && !file.includes("/gen/"),
);

/** `inline`: code in a sentence may name a command without what it needs. */
type Found = { readonly at: string; readonly command: string; readonly inline: boolean };

/** The calls of openclaw in a text of a shell: up to a pipe, a redirection, a comment, the end of a substitution. */
function callsIn(line: string): string[] {
  const calls: string[] = [];
  const call = /(?:^|[\s(`"'=])(?:\.\/)?openclaw((?:\s+(?:"[^"]*"|'[^']*'|\\.|[^\s"'|&;<>#()`\\]|(?<=\S)[#(](?=\S)|<[\w. -]+>)+)*)/g;
  for (const [, rest = ""] of line.matchAll(call)) if (rest.trim() !== "") calls.push(rest.trim());
  return calls;
}

/** Commands of the shell blocks and of the inline code of a page. */
function commandsOf(file: string): Found[] {
  const found: Found[] = [];
  let language: string | null = null;
  for (const [index, line] of readFileSync(join(root, file), "utf8").split("\n").entries()) {
    const at = `${file}:${index + 1}`;
    const fence = /^\s*```(\w*)/.exec(line);
    if (fence) {
      language = language === null ? fence[1]! : null;
      continue;
    }
    if (language === "sh" || language === "bash" || language === "console") {
      for (const command of callsIn(line.replace(/^\s*[#$] (?=openclaw)/, ""))) found.push({ at, command, inline: false });
    } else if (language === null) {
      for (const [, code = ""] of line.matchAll(/`([^`]+)`/g))
        if (/^(\.\/)?openclaw [a-z]/.test(code)) for (const command of callsIn(code)) found.push({ at, command, inline: true });
    }
  }
  return found;
}

/** Words of a shell, with the brackets of optional parts taken away. */
function wordsOf(command: string): string[] {
  const plain = command
    .replaceAll(" [flags]", "")
    .replaceAll(/\[(--?[^\]]*)\]/g, "$1")
    .replaceAll(/ (?:\.\.\.|…)$/g, "");
  return [...plain.matchAll(/(?:"[^"]*"|'[^']*'|\\.|[^\s"'\\])+/g)].map(([word]) =>
    word.replaceAll(/"([^"]*)"|'([^']*)'|\\(.)/g, "$1$2$3"),
  );
}

const complain = ({ at, command, inline }: Found): string[] => {
  try {
    const parsed = parseArgv(wordsOf(command), COMMANDS);
    const key =
      parsed.kind === "run" && parsed.command.path[0] === "config" && parsed.command.args?.[0]?.valueKind === "key"
        ? parsed.args[0]
        : undefined;
    if (key !== undefined && !/^(?:[<[]\w+[\]>]|[A-Z]+)$/.test(key) && lookupSchema(key) === null) return [`${at}: there is no key ${key}`];
    if (parsed.kind === "help" && !/(--help|help|-h)\b/.test(command) && !COMMANDS.some(({ path: words }) => words[0] === command))
      return [`${at}: openclaw ${command}: only shows the help`];
    return [];
  } catch (err) {
    const { message } = err as Error;
    const isName = inline && /^Missing <|needs a value$/.test(message);
    return isName || /"[<[]\w+[\]>]"/.test(message) ? [] : [`${at}: openclaw ${command}: ${message}`];
  }
};

test("every command in the documents is one that the parser takes", () => {
  const all = DOCS.flatMap(commandsOf);
  assert.ok(all.length > 100, `${all.length} commands were found`);
  assert.deepEqual(all.flatMap(complain), []);
});

test("every command in a message of ours exists", () => {
  const names = new Set(COMMANDS.flatMap(({ path: words }) => [words[0]!, words.slice(0, 2).join(" ")]));
  const families = new Set(COMMANDS.filter(({ path: words }) => words.length === 2).map(({ path: words }) => words[0]!));
  const wrong: string[] = [];
  for (const file of SOURCES) {
    for (const [index, line] of readFileSync(join(root, file), "utf8").split("\n").entries()) {
      if (/^\s*(\/\/|\*|\/\*)/.test(line)) continue;
      for (const [, first, second] of line.matchAll(/\bopenclaw ([a-z][a-z-]+)(?: ([a-z][a-z-]+))?/g)) {
        if (!names.has(first!)) continue;
        const next = second !== undefined && families.has(first!) && !names.has(`${first} ${second}`);
        if (next && !PROSE.has(second)) wrong.push(`${relative(".", file)}:${index + 1}: openclaw ${first} ${second}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

/** Words of a sentence that follow the name of a family. */
const PROSE = new Set(["on", "shows", "looks", "takes", "that", "lists", "and", "then", "starts", "is"]);
