import { LIMITS } from "../core/limits.ts";

/**
 * A JSON5 reader that keeps the place of every key and value, so that a message can name a line and an edit can leave the
 * rest of the text alone. Depth and number of values are bounded while reading; nothing is evaluated.
 */

export type SourceSpan = { readonly start: number; readonly end: number };
export type ScalarTree = SourceSpan & { readonly kind: "scalar"; readonly value: string | number | boolean | null };
export type ArrayTree = SourceSpan & { readonly kind: "array"; readonly items: readonly Tree[] };
export type ObjectMember = { readonly key: string; readonly keyStart: number; readonly keyEnd: number; readonly value: Tree };
export type ObjectTree = SourceSpan & { readonly kind: "object"; readonly members: readonly ObjectMember[] };
export type Tree = ScalarTree | ArrayTree | ObjectTree;

/** Text that is not JSON5; `offset` counts UTF-16 units from its start. */
export class Json5Error extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.name = "Json5Error";
    this.offset = offset;
  }
}

const SPACE = /\s/;
const ID_START = /[\p{ID_Start}$_]/u;
const ID_PART = /[\p{ID_Continue}$_\u200c\u200d]/u;
const NUMBER = /[+-]?(?:0[xX][0-9a-fA-F]+|Infinity|NaN|(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)/y;
const LINE_END = /[\n\r\u2028\u2029]/g;
const ASCII_KEY = /[A-Za-z_$][\w$]*/y;
const ESCAPES: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v", "0": "\0" };

class Json5Parser {
  readonly #text: string;
  /** Collects the positions of comments; null if not requested. */
  readonly #comments: SourceSpan[] | null;
  #at = 0;
  #nodes = 0;

  constructor(text: string, comments: SourceSpan[] | null) {
    this.#text = text;
    this.#comments = comments;
  }

  document(): Tree {
    const root = this.#value(0);
    this.#skip();
    if (this.#at < this.#text.length) throw this.#unexpected("after the end of the document");
    return root;
  }

  #unexpected(where: string): Json5Error {
    const char = this.#text.codePointAt(this.#at);
    if (char === undefined) return new Json5Error(`the text ends ${where}`, this.#at);
    const shown = char < 32 ? `character ${char}` : `"${String.fromCodePoint(char)}"`;
    return new Json5Error(`unexpected ${shown} ${where}`, this.#at);
  }

  /** White space and comments. */
  #skip(): void {
    const text = this.#text;
    for (; this.#at < text.length; this.#at++) {
      const code = text.charCodeAt(this.#at);
      if (code === 32 || (code >= 9 && code <= 13)) continue;
      if (code === 47) this.#comment();
      else if (code < 128 || !SPACE.test(text[this.#at]!)) return;
    }
  }

  /** Leaves the position on the last character of the comment. */
  #comment(): void {
    const start = this.#at;
    const next = this.#text[start + 1];
    if (next === "/") {
      LINE_END.lastIndex = this.#at;
      this.#at = (LINE_END.exec(this.#text)?.index ?? this.#text.length) - 1;
    } else if (next === "*") {
      const end = this.#text.indexOf("*/", this.#at + 2);
      if (end < 0) throw new Json5Error("the comment that begins here does not end", this.#at);
      this.#at = end + 1;
    } else throw this.#unexpected("where a value, a key or a comma belongs");
    this.#comments?.push({ start, end: this.#at + 1 });
  }

  #value(depth: number): Tree {
    if (depth > LIMITS.jsonDepth) throw new Json5Error(`nested deeper than ${LIMITS.jsonDepth} levels`, this.#at);
    if (++this.#nodes > LIMITS.configNodes) throw new Json5Error(`more than ${LIMITS.configNodes} values`, this.#at);
    this.#skip();
    const char = this.#text[this.#at];
    if (char === "{") return this.#object(depth);
    if (char === "[") return this.#array(depth);
    const start = this.#at;
    if (char === '"' || char === "'") {
      const value = this.#string();
      return { kind: "scalar", start, end: this.#at, value };
    }
    return this.#word(start);
  }

  #word(start: number): ScalarTree {
    NUMBER.lastIndex = start;
    const match = NUMBER.exec(this.#text);
    let value: ScalarTree["value"] | undefined;
    let length = 0;
    if (match) {
      length = match[0].length;
      value = toNumber(match[0]);
    } else {
      for (const [word, meaning] of [
        ["true", true],
        ["false", false],
        ["null", null],
      ] as const) {
        if (this.#text.startsWith(word, start)) {
          length = word.length;
          value = meaning;
        }
      }
    }
    const next = this.#text[start + length];
    if (value === undefined || (next !== undefined && (ID_PART.test(next) || next === ".")))
      throw this.#unexpected("where a value belongs");
    this.#at = start + length;
    return { kind: "scalar", start, end: this.#at, value };
  }

  #array(depth: number): ArrayTree {
    const start = this.#at++;
    const items: Tree[] = [];
    for (;;) {
      this.#skip();
      if (this.#text[this.#at] === "]") break;
      items.push(this.#value(depth + 1));
      this.#skip();
      if (this.#text[this.#at] === ",") this.#at++;
      else if (this.#text[this.#at] !== "]") throw this.#unexpected('where "," or "]" belongs');
    }
    return { kind: "array", start, end: ++this.#at, items };
  }

  #object(depth: number): ObjectTree {
    const start = this.#at++;
    const members: ObjectMember[] = [];
    for (;;) {
      this.#skip();
      if (this.#text[this.#at] === "}") break;
      const keyStart = this.#at;
      const key = this.#key();
      const keyEnd = this.#at;
      this.#skip();
      if (this.#text[this.#at] !== ":") throw this.#unexpected(`after the key ${JSON.stringify(key.slice(0, 60))}, where ":" belongs`);
      this.#at++;
      members.push({ key, keyStart, keyEnd, value: this.#value(depth + 1) });
      this.#skip();
      if (this.#text[this.#at] === ",") this.#at++;
      else if (this.#text[this.#at] !== "}") throw this.#unexpected('where "," or "}" belongs');
    }
    return { kind: "object", start, end: ++this.#at, members };
  }

  #key(): string {
    const text = this.#text;
    if (text[this.#at] === '"' || text[this.#at] === "'") return this.#string();
    ASCII_KEY.lastIndex = this.#at;
    let key = ASCII_KEY.exec(text)?.[0] ?? "";
    this.#at += key.length;
    for (;;) {
      const char = String.fromCodePoint(text.codePointAt(this.#at) ?? 32);
      const allowed = key === "" ? ID_START : ID_PART;
      if (char === "\\" && text[this.#at + 1] === "u") {
        const decoded = String.fromCharCode(this.#hex(this.#at + 2, 4));
        if (!allowed.test(decoded)) throw this.#unexpected("in a key");
        key += decoded;
        this.#at += 6;
      } else if (allowed.test(char)) {
        key += char;
        this.#at += char.length;
      } else break;
    }
    if (key === "") throw this.#unexpected("where a key belongs");
    return key;
  }

  #hex(at: number, digits: number): number {
    const text = this.#text.slice(at, at + digits);
    if (text.length !== digits || !/^[0-9a-fA-F]+$/.test(text)) throw new Json5Error("an escape that is not hexadecimal", at);
    return Number.parseInt(text, 16);
  }

  #string(): string {
    const text = this.#text;
    const begin = this.#at;
    const quote = text.charCodeAt(begin);
    let out = "";
    let from = begin + 1;
    for (let at = from; ; at++) {
      const code = text.charCodeAt(at);
      if (code === quote) {
        this.#at = at + 1;
        return out + text.slice(from, at);
      }
      if (Number.isNaN(code) || code === 10 || code === 13) throw new Json5Error("the string that begins here does not end", begin);
      if (code === 92) {
        out += text.slice(from, at);
        const escape = this.#escape(at + 1);
        out += escape.text;
        from = at + 1 + escape.length;
        at = from - 1;
      }
    }
  }

  /** What the escape means whose first character after the backslash is at `at`, and how many characters it takes. */
  #escape(at: number): { text: string; length: number } {
    const char = this.#text[at];
    if (char === undefined) throw new Json5Error("the text ends inside a string", at);
    if (char === "x") return { text: String.fromCharCode(this.#hex(at + 1, 2)), length: 3 };
    if (char === "u") return { text: String.fromCharCode(this.#hex(at + 1, 4)), length: 5 };
    if (char === "\r") return { text: "", length: this.#text[at + 1] === "\n" ? 2 : 1 };
    if (char === "\n" || char === "\u2028" || char === "\u2029") return { text: "", length: 1 };
    const digitAfterZero = char === "0" && /\d/.test(this.#text[at + 1] ?? "");
    if (digitAfterZero || (char >= "1" && char <= "9")) throw new Json5Error("an octal escape, which JSON5 does not have", at);
    return { text: ESCAPES[char] ?? char, length: 1 };
  }
}

function toNumber(text: string): number {
  const sign = text.startsWith("-") ? -1 : 1;
  return sign * Number(text.replace(/^[+-]/, ""));
}

/** Reads JSON5 text (a byte order mark is fine). Throws Json5Error. */
export function parseTree(text: string): Tree {
  return new Json5Parser(text, null).document();
}

/** The same, with the places of all comments in order (line comments without the line break). */
export function parseWithComments(text: string): { readonly root: Tree; readonly comments: readonly SourceSpan[] } {
  const comments: SourceSpan[] = [];
  return { root: new Json5Parser(text, comments).document(), comments };
}

/** The plain value of a tree. The last of several equal keys counts; `__proto__` is left out. */
export function valueOf(tree: Tree): unknown {
  if (tree.kind === "scalar") return tree.value;
  if (tree.kind === "array") return tree.items.map(valueOf);
  const out: Record<string, unknown> = {};
  for (const member of tree.members) if (member.key !== "__proto__") out[member.key] = valueOf(member.value);
  return out;
}

/** The member that counts: the last one with this key. */
export function memberOf(tree: Tree | undefined, key: string): ObjectMember | undefined {
  return tree?.kind === "object" ? tree.members.findLast((member) => member.key === key) : undefined;
}

/** Line and column, both from 1; columns count UTF-16 units. */
export type SourcePosition = { readonly line: number; readonly column: number };

/** Returns a function that finds lines in `text` without walking it again for each question. */
export function createLocator(text: string): (offset: number) => SourcePosition {
  let starts: number[] | null = null;
  return (offset) => {
    starts ??= lineStarts(text);
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - starts[low]! + 1 };
  };
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (const match of text.matchAll(/\r\n|\n|\r/g)) starts.push(match.index + match[0].length);
  return starts;
}
