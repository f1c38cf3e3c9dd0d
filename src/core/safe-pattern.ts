import { LIMITS } from "./limits.ts";

/**
 * Regular expressions from the configuration, matched in time proportional to pattern x text for every pattern: the pattern
 * becomes a set of states that advance together (Thompson's construction), so no path is tried twice.
 *
 * Supported: literals, `.`, `^ $ \b \B`, `\d \w \s` and their negations, `[...]`, groups, `|`, `* + ? {m,n}` (lazy marks are
 * accepted and ignored), and escapes. Back-references and look-around are refused, because they cannot be matched in linear time.
 * Matching ignores case. Why this is not a library: docs/decisions/0010-patterns.md.
 */
export type SafePattern = {
  readonly source: string;
  test(text: string): boolean;
  /** Replaces everything that is covered by any match. Matches that touch or overlap are replaced together. */
  replace(text: string, by: string): string;
};
/** `patternChars`: a longer pattern is refused. `textChars`: only the start of a text is searched. Default: limits of mention patterns. */
export type PatternLimits = { patternChars: number; textChars: number };

/** Limit of states after `{m,n}` is expanded. */
const STATES = LIMITS.mentionPatternStates;
/** Limit of nested groups. */
const DEPTH = 20;
const MENTION: PatternLimits = { patternChars: LIMITS.mentionPatternChars, textChars: LIMITS.mentionTextChars };

type CharTest = (char: string) => boolean;
type Assertion = "start" | "end" | "word" | "notWord";
type Tree =
  | { type: "char"; test: CharTest }
  | { type: "assert"; what: Assertion }
  | { type: "sequence" | "choice"; items: Tree[] }
  | { type: "repeat"; item: Tree; min: number; max: number };
/** `ascii`: the results of `test` for ASCII characters, as far as they are known. */
type CharState = { op: "char"; test: CharTest; ascii: Uint8Array };
const [ACCEPTED, REFUSED] = [1, 2];
type State = CharState | { op: "assert"; what: Assertion } | { op: "split"; to: number[] } | { op: "match" };
/** Characters of a text, folded to lower case: the string itself when all of them are ASCII. */
type Chars = ArrayLike<string>;
/** `first`: the states of the first character of a match; null when an assertion alone can match. */
type Program = { states: readonly State[]; first: readonly CharState[] | null };

const isWord = (char: string | undefined): boolean => char !== undefined && /^[a-z0-9_]$/i.test(char);
const CLASSES: Readonly<Record<string, CharTest>> = {
  d: (char) => char >= "0" && char <= "9",
  w: isWord,
  s: (char) => /^\s$/u.test(char),
};
const CONTROL: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", f: "\f", v: "\v", "0": "\0" };

/** Lower case of one character; unchanged when its lower case is longer. */
function fold(char: string): string {
  const lower = char.toLowerCase();
  return lower.length === char.length ? lower : char;
}

// oxlint-disable-next-line no-control-regex -- the ASCII characters
const ASCII_ONLY = /^[\u0000-\u007f]*$/;
const foldText = (text: string): Chars => (ASCII_ONLY.test(text) ? text.toLowerCase() : Array.from(text, fold));

/** Compiles a pattern, or says in one sentence why it cannot be used. */
export function compilePattern(source: string, { patternChars, textChars } = MENTION): { pattern: SafePattern } | { problem: string } {
  if (source.length === 0) return { problem: "the pattern is empty" };
  if (source.length > patternChars) return { problem: `the pattern is longer than ${patternChars} characters` };
  try {
    const states: State[] = [];
    emit(new PatternParser(source).parse(), states);
    states.push({ op: "match" });
    const program: Program = { states, first: firstStates(states) };
    if (run(program, "")) return { problem: "the pattern matches the empty text, so it would match everything" };
    const folded = (text: string): Chars => foldText(text.slice(0, textChars));
    return {
      pattern: {
        source,
        test: (text) => run(program, folded(text)),
        replace: (text, by) => replaceRanges(text, matchedRanges(program, folded(text)), by),
      },
    };
  } catch (err) {
    if (err instanceof PatternError) return { problem: err.message };
    throw err;
  }
}

class PatternError extends Error {}

class PatternParser {
  readonly #chars: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#chars = Array.from(source);
  }

  parse(): Tree {
    const tree = this.#choice();
    if (this.#at < this.#chars.length) throw new PatternError("there is a closing parenthesis without an opening one");
    return tree;
  }

  #peek(): string | undefined {
    return this.#chars[this.#at];
  }

  #take(): string {
    const char = this.#chars[this.#at++];
    if (char === undefined) throw new PatternError("the pattern ends too early");
    return char;
  }

  #choice(): Tree {
    const items = [this.#sequence()];
    while (this.#peek() === "|") {
      this.#at++;
      items.push(this.#sequence());
    }
    return items.length === 1 ? items[0]! : { type: "choice", items };
  }

  #sequence(): Tree {
    const items: Tree[] = [];
    for (let next = this.#peek(); next !== undefined && next !== "|" && next !== ")"; next = this.#peek()) {
      items.push(this.#repeated(this.#atom()));
    }
    return { type: "sequence", items };
  }

  #atom(): Tree {
    const char = this.#take();
    if (char === "(") return this.#group();
    if (char === "[") return { type: "char", test: this.#set() };
    if (char === "\\") return this.#escape();
    if (char === ".") return { type: "char", test: (c) => c !== "\n" };
    if (char === "^") return { type: "assert", what: "start" };
    if (char === "$") return { type: "assert", what: "end" };
    if ("*+?".includes(char)) throw new PatternError(`"${char}" has nothing to repeat`);
    return literal(char);
  }

  #group(): Tree {
    if (++this.#depth > DEPTH) throw new PatternError("groups are nested too deeply");
    if (this.#peek() === "?") {
      this.#at++;
      if (this.#take() !== ":") throw new PatternError("look-around and named groups are not supported");
    }
    const tree = this.#choice();
    if (this.#take() !== ")") throw new PatternError("a parenthesis is not closed");
    this.#depth--;
    return tree;
  }

  #escape(): Tree {
    const char = this.#take();
    if (char === "b") return { type: "assert", what: "word" };
    if (char === "B") return { type: "assert", what: "notWord" };
    if (/[1-9k]/.test(char)) throw new PatternError("back-references are not supported");
    return { type: "char", test: this.#escaped(char) };
  }

  #escaped(char: string): CharTest {
    const named = CLASSES[char.toLowerCase()];
    if (named && /[dwsDWS]/.test(char)) return char === char.toLowerCase() ? named : (c) => !named(c);
    if (char === "u" || char === "x") return same(this.#codePoint(char));
    if (/[pPc]/.test(char)) throw new PatternError(`\\${char} is not supported`);
    return same(CONTROL[char] ?? char);
  }

  #codePoint(kind: "u" | "x"): string {
    let hex = "";
    if (kind === "u" && this.#peek() === "{") {
      this.#at++;
      for (let char = this.#take(); char !== "}"; char = this.#take()) hex += char;
    } else {
      for (let left = kind === "u" ? 4 : 2; left > 0; left--) hex += this.#take();
    }
    const code = /^[0-9a-f]{1,6}$/i.test(hex) ? Number.parseInt(hex, 16) : Number.NaN;
    if (!(code <= 0x10ffff)) throw new PatternError("a \\u or \\x escape is not a number");
    return String.fromCodePoint(code);
  }

  #set(): CharTest {
    const negated = this.#peek() === "^";
    if (negated) this.#at++;
    const tests: CharTest[] = [];
    for (let char = this.#take(); char !== "]"; char = this.#take()) tests.push(this.#setItem(char));
    const any: CharTest = (char) => tests.some((test) => test(char));
    return negated ? (char) => !any(char) : any;
  }

  #setItem(char: string): CharTest {
    if (char === "\\") {
      const escaped = this.#take();
      if (/[dwsDWSux]/.test(escaped)) return this.#escaped(escaped);
      char = CONTROL[escaped] ?? escaped;
    }
    if (this.#peek() !== "-" || this.#chars[this.#at + 1] === "]") return same(char);
    this.#at++;
    let last = this.#take();
    if (last === "\\") last = this.#take();
    if (last < char) throw new PatternError(`the range ${char}-${last} is in the wrong order`);
    const inRange: CharTest = (c) => c >= char && c <= last;
    return (c) => inRange(c) || inRange(c.toUpperCase());
  }

  #repeated(item: Tree): Tree {
    const next = this.#peek();
    const bounds = next === "*" ? [0, Infinity] : next === "+" ? [1, Infinity] : next === "?" ? [0, 1] : null;
    let tree = item;
    if (bounds) {
      this.#at++;
      tree = { type: "repeat", item, min: bounds[0]!, max: bounds[1]! };
    } else if (next === "{") {
      const found = /^\{(\d{1,3})(,(\d{1,3})?)?\}/.exec(this.#chars.slice(this.#at, this.#at + 10).join(""));
      if (!found) return item;
      this.#at += found[0].length;
      const min = Number(found[1]);
      const max = found[3] !== undefined ? Number(found[3]) : found[2] ? Infinity : min;
      if (max < min) throw new PatternError("the limits of a repetition are in the wrong order");
      tree = { type: "repeat", item, min, max };
    } else return item;
    if (this.#peek() === "?") this.#at++;
    if (/^[*+]$/.test(this.#peek() ?? "")) throw new PatternError("a repetition is repeated");
    return tree;
  }
}

function same(char: string): CharTest {
  const folded = fold(char);
  return (other) => other === folded;
}

function literal(char: string): Tree {
  return { type: "char", test: same(char) };
}

function accepts({ test, ascii }: CharState, char: string): boolean {
  const code = char.charCodeAt(0);
  if (code >= 128) return test(char);
  ascii[code] ||= test(char) ? ACCEPTED : REFUSED;
  return ascii[code] === ACCEPTED;
}

/** See Program. Pure. */
function firstStates(states: readonly State[]): readonly CharState[] | null {
  const first: CharState[] = [];
  const seen = new Set<number>();
  const todo = [0];
  for (let index = todo.pop(); index !== undefined; index = todo.pop()) {
    if (seen.has(index)) continue;
    seen.add(index);
    const state = states[index]!;
    if (state.op === "match") return null;
    if (state.op === "char") first.push(state);
    else if (state.op === "split") todo.push(...state.to);
    else todo.push(index + 1);
  }
  return first;
}

/** Whether no match starts at `at`; false when that is not known. */
function cannotStart({ first }: Program, text: Chars, at: number): boolean {
  if (first === null || at >= text.length) return false;
  const char = text[at]!;
  for (const state of first) if (accepts(state, char)) return false;
  return true;
}

function push(program: State[], state: State): number {
  if (program.length >= STATES) throw new PatternError("the pattern is too large when its repetitions are expanded");
  return program.push(state) - 1;
}

function emit(tree: Tree, program: State[]): void {
  if (tree.type === "char") push(program, { op: "char", test: tree.test, ascii: new Uint8Array(128) });
  else if (tree.type === "assert") push(program, { op: "assert", what: tree.what });
  else if (tree.type === "repeat") emitRepeat(tree, program);
  else if (tree.type === "choice") emitChoice(tree.items, program);
  else for (const item of tree.items) emit(item, program);
}

function emitChoice(items: readonly Tree[], program: State[]): void {
  const fork: number[] = [];
  push(program, { op: "split", to: fork });
  const exits: number[][] = [];
  for (const item of items) {
    fork.push(program.length);
    emit(item, program);
    const exit: number[] = [];
    push(program, { op: "split", to: exit });
    exits.push(exit);
  }
  for (const exit of exits) exit.push(program.length);
}

function emitRepeat(tree: { item: Tree; min: number; max: number }, program: State[]): void {
  for (let i = 0; i < tree.min; i++) emit(tree.item, program);
  if (tree.max === Infinity) {
    const loop: number[] = [];
    const start = push(program, { op: "split", to: loop });
    loop.push(program.length);
    emit(tree.item, program);
    push(program, { op: "split", to: [start] });
    loop.push(program.length);
    return;
  }
  const exits: number[][] = [];
  for (let i = tree.min; i < tree.max; i++) {
    const to: number[] = [];
    push(program, { op: "split", to });
    to.push(program.length);
    exits.push(to);
    emit(tree.item, program);
  }
  for (const exit of exits) exit.push(program.length);
}

function assertionHolds(what: Assertion, text: Chars, at: number): boolean {
  if (what === "start") return at === 0;
  if (what === "end") return at === text.length;
  const edge = isWord(text[at - 1]) !== isWord(text[at]);
  return what === "word" ? edge : !edge;
}

/** Follows all transitions that consume no character. `stamp` marks the states already reached at this position. */
function reach(program: readonly State[], from: number, text: Chars, at: number, stamp: Int32Array, out: number[]): boolean {
  const todo = [from];
  for (let index = todo.pop(); index !== undefined; index = todo.pop()) {
    if (stamp[index] === at) continue;
    stamp[index] = at;
    const state = program[index]!;
    if (state.op === "match") return true;
    if (state.op === "char") out.push(index);
    else if (state.op === "split") todo.push(...state.to);
    else if (assertionHolds(state.what, text, at)) todo.push(index + 1);
  }
  return false;
}

function run(program: Program, text: Chars): boolean {
  const { states } = program;
  const stamp = new Int32Array(states.length).fill(-1);
  let [current, next]: [number[], number[]] = [[], []];
  for (let at = 0; at <= text.length; at++) {
    const canStart = !cannotStart(program, text, at);
    if (!canStart && current.length === 0) continue;
    if (canStart && reach(states, 0, text, at, stamp, current)) return true;
    const char = text[at];
    if (char === undefined) return false;
    for (const index of current) {
      const state = states[index]!;
      if (state.op === "char" && accepts(state, char) && reach(states, index + 1, text, at + 1, stamp, next)) return true;
    }
    [current, next] = [next, current];
    next.length = 0;
  }
  return false;
}

type Range = { start: number; end: number };

/**
 * The union of all matches, in characters. One pass: for each state only the earliest start that reaches it is kept, because a
 * match from a later start lies inside the match from the earlier one.
 */
function matchedRanges(program: Program, text: Chars): readonly Range[] {
  const ranges: Range[] = [];
  const add = (start: number, end: number): void => {
    let from = start;
    for (let last = ranges.at(-1); last && last.end >= from; last = ranges.at(-1)) {
      from = Math.min(from, last.start);
      ranges.pop();
    }
    ranges.push({ start: from, end });
  };
  const { states } = program;
  let starts = new Int32Array(states.length).fill(-1);
  let isIdle = true;
  for (let at = 0; at <= text.length; at++) {
    if (isIdle && cannotStart(program, text, at)) continue;
    const begins = spread(states, [...charStates(states, starts), { index: 0, start: at }], text, at);
    if (begins.match >= 0 && begins.match < at) add(begins.match, at);
    const char = text[at];
    if (char === undefined) break;
    starts = new Int32Array(states.length).fill(-1);
    isIdle = true;
    for (const { index, start } of begins.waiting) {
      const state = states[index]!;
      if (state.op !== "char" || !accepts(state, char)) continue;
      isIdle = false;
      if (starts[index + 1] === -1 || starts[index + 1]! > start) starts[index + 1] = start;
    }
  }
  return ranges;
}

type Thread = { index: number; start: number };

/** The states that hold a thread, with its start, earliest start first. */
function charStates(program: readonly State[], starts: Int32Array): Thread[] {
  const threads: Thread[] = [];
  for (let index = 0; index < program.length; index++) if (starts[index]! >= 0) threads.push({ index, start: starts[index]! });
  return threads.toSorted((a, b) => a.start - b.start);
}

/** Follows all transitions that consume no character; the first thread to reach a state has the earliest start. */
function spread(program: readonly State[], threads: readonly Thread[], text: Chars, at: number): { waiting: Thread[]; match: number } {
  const seen = new Uint8Array(program.length);
  const waiting: Thread[] = [];
  let match = -1;
  for (const thread of threads) {
    const todo = [thread.index];
    for (let index = todo.pop(); index !== undefined; index = todo.pop()) {
      if (seen[index]) continue;
      seen[index] = 1;
      const state = program[index]!;
      if (state.op === "match") match = match < 0 ? thread.start : Math.min(match, thread.start);
      else if (state.op === "char") waiting.push({ index, start: thread.start });
      else if (state.op === "split") todo.push(...state.to);
      else if (assertionHolds(state.what, text, at)) todo.push(index + 1);
    }
  }
  return { waiting, match };
}

/** `ranges` count characters, a text counts UTF-16 units. */
function replaceRanges(text: string, ranges: readonly Range[], by: string): string {
  if (ranges.length === 0) return text;
  let out = "";
  let unit = 0;
  let char = 0;
  const skip = (to: number): number => {
    const from = unit;
    for (; char < to; char++) unit += text.codePointAt(unit)! > 0xffff ? 2 : 1;
    return from;
  };
  for (const { start, end } of ranges) {
    const from = skip(start);
    out += text.slice(from, unit) + by;
    skip(end);
  }
  return out + text.slice(unit);
}
