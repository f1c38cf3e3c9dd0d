/** One program with its arguments, as the shell would start it. */
export type SimpleCommand = {
  words: readonly string[];
  /** The operator before it; a line break is a `;`. */
  after: "" | "&&" | "||" | ";" | "|";
};

/** Redirections that neither read nor write a file. */
const HARMLESS_REDIRECTION = /^(?:2>&1|1>&2|>&2|[12]?> ?\/dev\/null|< ?\/dev\/null)(?=$|[\s;|])/;
/** Characters that mean something to one of the shells outside of quotes, anywhere in a word. */
const SPECIAL = new Set("$`<>(){}[]*?&");
/** Those that mean something at the beginning of a word, or behind a colon or an equals sign. */
const SPECIAL_FIRST = new Set("#~!");
/** Inside double quotes a backslash keeps its place before all other characters. */
const ESCAPABLE = new Set('$`"\\\n');
/** Words that begin a construct of the shell. */
const RESERVED = new Set("if then else elif fi for while until do done case esac in function select time coproc".split(" "));
const ASSIGNMENT = /^[A-Za-z_][A-Za-z0-9_]*\+?=/;

/**
 * The programs that a shell text starts, in their order. Null for a text whose effect does not follow from its words alone: variables,
 * substitutions, patterns, redirections to files, assignments, background jobs, groups, loops. Reads POSIX sh 2.3; linear. Pure.
 */
export function parseShellText(text: string): readonly SimpleCommand[] | null {
  const commands: SimpleCommand[] = [];
  let words: string[] = [];
  let after = "" as SimpleCommand["after"];
  let at = 0;
  const end = (operator: SimpleCommand["after"]): boolean => {
    if (words.length === 0) return false;
    commands.push({ words, after });
    words = [];
    after = operator;
    return true;
  };
  while (at < text.length) {
    const char = text[at]!;
    if (char === " " || char === "\t") {
      at++;
      continue;
    }
    if (char === "\n" || char === ";") {
      // An empty line separates nothing, and neither does one behind an operator.
      if (!end(";") && char === ";") return null;
      at++;
      continue;
    }
    const operator = (["&&", "||"] as const).find((each) => text.startsWith(each, at));
    if (operator) {
      if (!end(operator)) return null;
      at += 2;
      continue;
    }
    if (char === "|") {
      if (!end("|")) return null;
      at++;
      continue;
    }
    const redirection = HARMLESS_REDIRECTION.exec(text.slice(at, at + 16));
    if (redirection) {
      if (words.length === 0) return null;
      at += redirection[0].length;
      continue;
    }
    const word = readWord(text, at);
    if (word === null) return null;
    if (words.length === 0 && !isPlainName(word)) return null;
    words.push(word.value);
    at = word.end;
  }
  const isComplete = end("") || (after !== "&&" && after !== "||" && after !== "|");
  return isComplete && commands.length > 0 ? commands : null;
}

type Word = { value: string; end: number; isQuoted: boolean };

const isPlainName = ({ value, isQuoted }: Word): boolean => value !== "" && !ASSIGNMENT.test(value) && (isQuoted || !RESERVED.has(value));

function readWord(text: string, start: number): Word | null {
  let value = "";
  let at = start;
  let isQuoted = false;
  while (at < text.length) {
    const char = text[at]!;
    if (char === "'") {
      const close = text.indexOf("'", at + 1);
      if (close < 0) return null;
      value += text.slice(at + 1, close);
      at = close + 1;
      isQuoted = true;
    } else if (char === '"') {
      const quoted = readDoubleQuoted(text, at + 1);
      if (quoted === null) return null;
      value += quoted.value;
      at = quoted.end;
      isQuoted = true;
    } else if (char === "\\") {
      const next = text[at + 1];
      if (next === undefined) return null;
      // A backslash before a line break joins two lines.
      if (next !== "\n") value += next;
      at += 2;
      isQuoted = true;
    } else if (char === " " || char === "\t" || char === "\n" || char === ";" || char === "|") {
      break;
    } else if (text.startsWith("&&", at)) {
      break;
    } else if (SPECIAL.has(char) || (SPECIAL_FIRST.has(char) && (at === start || ":=".includes(text[at - 1]!)))) {
      return null;
    } else {
      value += char;
      at++;
    }
  }
  return { value, end: at, isQuoted };
}

function readDoubleQuoted(text: string, start: number): { value: string; end: number } | null {
  let value = "";
  for (let at = start; at < text.length; at++) {
    const char = text[at]!;
    if (char === '"') return { value, end: at + 1 };
    if (char === "$" || char === "`") return null;
    if (char !== "\\") {
      value += char;
      continue;
    }
    const next = text[at + 1];
    if (next === undefined) return null;
    if (next === "\n") at++;
    else if (ESCAPABLE.has(next)) {
      value += next;
      at++;
    } else value += char;
  }
  return null;
}
