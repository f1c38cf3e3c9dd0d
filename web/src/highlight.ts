/** Colors for code blocks: comments, strings, numbers and keywords, and the lines of a diff. Pure; one pass, linear in the text. */

type Kind = "comment" | "string" | "number" | "keyword";
export type Piece = { text: string; kind: Kind | "added" | "removed" | "hunk" | null };

type Syntax = { rules: RegExp; keywords: ReadonlySet<string> };

// Every rule also ends at the end of the line or text, so that no match is tried twice.
const C_COMMENT = String.raw`\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$(?![\s\S]))`;
const HASH_COMMENT = String.raw`(?<![^\s;(])#[^\n]*`;
const DASH_COMMENT = String.raw`--[^\n]*`;
const QUOTED = String.raw`"(?:[^"\\\n]|\\[^\n])*"?|'(?:[^'\\\n]|\\[^\n])*'?`;
const TEMPLATE = "`(?:[^`\\\\]|\\\\[\\s\\S])*`?";

function syntax(comment: string, strings: string, keywords: string): Syntax {
  const number = String.raw`\b\d[\w.]*`;
  const word = String.raw`[A-Za-z_$][\w$]*`;
  const rules = new RegExp(`(?<comment>${comment})|(?<string>${strings})|(?<number>${number})|(?<word>${word})`, "g");
  return { rules, keywords: new Set(keywords.split(" ")) };
}

const SCRIPT = syntax(
  C_COMMENT,
  `${QUOTED}|${TEMPLATE}`,
  "abstract as async await break case catch class const continue debugger default delete do else enum export extends false finally for from function if implements import in instanceof interface let new null of private protected public readonly return satisfies static super switch this throw true try type typeof undefined var void while with yield",
);
const C_LIKE = syntax(
  C_COMMENT,
  QUOTED,
  "abstract auto bool boolean break byte case catch char chan class const continue crate default defer delete do double else enum explicit extends extern false final finally float fn for foreach func go goto if impl implements import in inline int interface internal let long loop match mod mut namespace new nil null nullptr operator override package private protected pub public range ref return self short signed sizeof static struct super switch template this throw throws trait true try type typedef union unsafe unsigned use using var virtual void volatile when where while",
);
const HASHED = syntax(
  HASH_COMMENT,
  QUOTED,
  "False None True and as assert async await begin break case class continue def del do done elif else end ensure esac except export false fi finally for from function global if import in is lambda local module nil nonlocal not null or pass raise require rescue return self set then true try unless until unset while with yield",
);
const SQL = syntax(
  `${DASH_COMMENT}|${C_COMMENT}`,
  QUOTED,
  "add all alter and as asc begin between by case check column commit constraint create cross default delete desc distinct drop else end exists foreign from full group having if in index inner insert into is join key left like limit not null offset on or order outer primary references right rollback select set table then union unique update values view when where with",
);

const LANGUAGES: Readonly<Record<string, Syntax>> = Object.fromEntries(
  (
    [
      [SCRIPT, "javascript js jsx typescript ts tsx mjs cjs json json5 jsonc"],
      [C_LIKE, "c h cpp c++ cc hpp csharp cs c# java kotlin kt go golang rust rs swift scala dart php css scss"],
      [HASHED, "python py ruby rb bash sh shell zsh console yaml yml toml ini dockerfile makefile make perl r elixir"],
      [SQL, "sql postgresql sqlite mysql plsql lua haskell hs"],
    ] as const
  ).flatMap(([rules, names]) => names.split(" ").map((name) => [name, rules] as const)),
);

/** The pieces of a code block, in order; their texts joined are the text. An unknown language is one piece. */
export function highlight(text: string, language: string): readonly Piece[] {
  const name = language.toLowerCase();
  if (name === "diff" || name === "patch") return diffPieces(text);
  const known = Object.hasOwn(LANGUAGES, name) ? LANGUAGES[name] : undefined;
  return known ? codePieces(text, known, known === SQL) : [{ text, kind: null }];
}

function codePieces(text: string, { rules, keywords }: Syntax, ignoresCase: boolean): readonly Piece[] {
  const pieces: Piece[] = [];
  let plainFrom = 0;
  for (const match of text.matchAll(rules)) {
    const { comment, string, number, word } = match.groups!;
    const isKeyword = word !== undefined && keywords.has(ignoresCase ? word.toLowerCase() : word);
    const kind = comment !== undefined ? "comment" : string !== undefined ? "string" : number !== undefined ? "number" : "keyword";
    if (word !== undefined && !isKeyword) continue;
    if (match.index > plainFrom) pieces.push({ text: text.slice(plainFrom, match.index), kind: null });
    pieces.push({ text: match[0], kind });
    plainFrom = match.index + match[0].length;
  }
  if (plainFrom < text.length) pieces.push({ text: text.slice(plainFrom), kind: null });
  return pieces;
}

function diffPieces(text: string): readonly Piece[] {
  const lines = text.split("\n");
  return lines.map((line, at) => {
    const isHead = /^(?:\+\+\+|---|@@|diff |index )/.test(line);
    const kind = isHead ? "hunk" : line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : null;
    return { text: at < lines.length - 1 ? `${line}\n` : line, kind };
  });
}
