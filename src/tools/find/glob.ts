/** A compiled pattern. `matches` takes a path with `/`, relative to where the search begins. */
export type Glob = { matches(path: string): boolean };

/** More alternatives than these are refused: each one is matched on its own. */
const MAX_ALTERNATIVES = 64;
const MAX_CHARS = 512;

/** One character of a segment: itself, any one (`?`), any number of (`*`), or one of a set. */
type Item =
  | { type: "char"; char: string }
  | { type: "any" }
  | { type: "many" }
  | { type: "set"; chars: readonly string[]; negated: boolean };
/** `null` stands for `**`: any number of directories. */
type Segments = readonly (readonly Item[] | null)[];

/**
 * Patterns of paths: `*` and `?` within a name, `**` for any number of directories, `[abc]`, `[!a-z]` and `{a,b}`. A pattern without `/`
 * is about names at any depth. Matching takes time proportional to pattern x path, whatever the pattern. Returns a sentence for a pattern
 * that cannot be used.
 */
export function compileGlob(pattern: string): Glob | string {
  if (pattern === "") return "the pattern is empty";
  if (pattern.length > MAX_CHARS) return `the pattern is longer than ${MAX_CHARS} characters`;
  const anywhere = pattern.includes("/") ? pattern.replace(/^\.?\/+/, "") : `**/${pattern}`;
  const alternatives = expandBraces(anywhere);
  if (alternatives === null) return `the pattern has more than ${MAX_ALTERNATIVES} alternatives`;
  const compiled = alternatives.map(toSegments);
  return { matches: (path) => compiled.some((segments) => matchSegments(segments, path.split("/"))) };
}

/** Every text that the braces stand for; null when there are too many. */
function expandBraces(pattern: string): string[] | null {
  let texts = [pattern];
  for (;;) {
    const next = texts.flatMap(expandFirst);
    if (next.length > MAX_ALTERNATIVES) return null;
    if (next.length === texts.length && next.every((text, at) => text === texts[at])) return texts;
    texts = next;
  }
}

/** The innermost braces first: they contain no others. */
function expandFirst(text: string): string[] {
  const found = /\{([^{}]*,[^{}]*)\}/.exec(text);
  if (!found) return [text];
  return found[1]!.split(",").map((choice) => text.slice(0, found.index) + choice + text.slice(found.index + found[0].length));
}

const toSegments = (pattern: string): Segments => pattern.split("/").map((segment) => (segment === "**" ? null : toItems(segment)));

function toItems(segment: string): Item[] {
  const items: Item[] = [];
  for (let at = 0; at < segment.length; at++) {
    const char = segment[at]!;
    const set = char === "[" ? /^\[(!|\^)?(\]?[^\]]*)\]/.exec(segment.slice(at)) : null;
    if (set && set[2] !== "") {
      items.push({ type: "set", chars: toRanges(set[2]!), negated: set[1] !== undefined });
      at += set[0].length - 1;
    } else if (char === "*") {
      if (items.at(-1)?.type !== "many") items.push({ type: "many" });
    } else if (char === "?") items.push({ type: "any" });
    else if (char === "\\" && at + 1 < segment.length) items.push({ type: "char", char: segment[++at]! });
    else items.push({ type: "char", char });
  }
  return items;
}

/** `a-cx` -> `ac`, `xx`: first and last character of each range. */
function toRanges(text: string): string[] {
  const ranges: string[] = [];
  for (let at = 0; at < text.length; at++) {
    if (text[at + 1] === "-" && at + 2 < text.length) {
      ranges.push(text[at]! + text[at + 2]!);
      at += 2;
    } else ranges.push(text[at]! + text[at]!);
  }
  return ranges;
}

/** Wildcard matching with one step back to the last star: no path is tried twice. */
function match<P, T>(
  pattern: readonly P[],
  texts: readonly T[],
  isMany: (item: P) => boolean,
  fits: (item: P, text: T) => boolean,
): boolean {
  let [p, t] = [0, 0];
  let star: { p: number; t: number } | null = null;
  while (t < texts.length) {
    if (p < pattern.length && isMany(pattern[p]!)) star = { p: p++, t };
    else if (p < pattern.length && fits(pattern[p]!, texts[t]!)) {
      p++;
      t++;
    } else if (star) {
      p = star.p + 1;
      t = ++star.t;
    } else return false;
  }
  while (p < pattern.length && isMany(pattern[p]!)) p++;
  return p === pattern.length;
}

const matchSegments = (segments: Segments, names: readonly string[]): boolean =>
  match(
    segments,
    names,
    (segment) => segment === null,
    (segment, name) => match(segment!, [...name], ({ type }) => type === "many", fitsChar),
  );

function fitsChar(item: Item, char: string): boolean {
  if (item.type === "char") return item.char === char;
  if (item.type === "set") return item.chars.some((range) => char >= range[0]! && char <= range[1]!) !== item.negated;
  return item.type === "any";
}
