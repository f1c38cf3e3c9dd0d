import { decodeEntity } from "./entities.ts";
import { flanking } from "./flanking.ts";

export type InlineStyle = "strong" | "em" | "strike" | "link";
/**
 * A paragraph as a flat sequence: `open` and `close` are balanced and nest properly, at most MAX_INLINE_DEPTH deep, so that no renderer
 * has to recurse. Raw HTML is text.
 */
export type Inline =
  | { type: "text"; text: string }
  | { type: "code"; text: string }
  | { type: "break" }
  | { type: "image"; href: string; title: string; alt: string }
  | { type: "open"; style: InlineStyle; href?: string; title?: string }
  | { type: "close"; style: InlineStyle };
export type LinkTarget = { href: string; title: string };
export type Definitions = ReadonlyMap<string, LinkTarget>;

/** Deeper emphasis and links stay as they were written. */
export const MAX_INLINE_DEPTH = 32;
/** Longest link address and title; a longer one is text. */
const HREF_CHARS = 4_096;
const TITLE_CHARS = 1_000;
/** Longest label of a reference, as CommonMark has it. */
export const LABEL_CHARS = 999;

/** The form in which labels of references are compared. */
export const toLabel = (text: string): string => text.trim().replaceAll(/\s+/g, " ").toLowerCase();

const PUNCTUATION = /[!-/:-@[-`{-~]/;
const NO_DEFINITIONS: Definitions = new Map();

/** An `open` or `close` on its way out, with what stands for it where it is too deep. */
type Mark = { token: Inline & { type: "open" | "close" }; raw: string };
/** A piece of the paragraph: what ends before its text, and what begins behind it. */
type Node = { text: string; token: Inline | null; closes: Mark[] | null; opens: Mark[] | null };
/** A run of `*`, `_` or `~` that may open or close. */
type Delimiter = {
  node: Node;
  char: string;
  count: number;
  original: number;
  canOpen: boolean;
  canClose: boolean;
  /** Its place among all runs of the paragraph. */
  order: number;
  previous: Delimiter | null;
  next: Delimiter | null;
};
type Bracket = { node: Node; at: number; nodeIndex: number; image: boolean; below: Delimiter | null; followed: boolean };

/** Reads the markup inside a paragraph, a heading or a cell. Never throws; time is linear in the text. */
export function parseInline(text: string, definitions: Definitions = NO_DEFINITIONS): readonly Inline[] {
  return new InlineParser(text, definitions).parse();
}

/** The runs of backticks of a text, and for each the next one of the same length. Asked in ascending order. */
export class BacktickRuns {
  readonly #byLength = new Map<number, { starts: number[]; at: number }>();

  constructor(text: string) {
    for (const { 0: run, index } of text.matchAll(/`+/g)) {
      const known = this.#byLength.get(run.length);
      if (known) known.starts.push(index);
      else this.#byLength.set(run.length, { starts: [index], at: 0 });
    }
  }

  /** Where the next run of `length` backticks begins, at or after `from`; -1 when there is none. */
  next(length: number, from: number): number {
    const runs = this.#byLength.get(length);
    if (!runs) return -1;
    while (runs.at < runs.starts.length && runs.starts[runs.at]! < from) runs.at++;
    return runs.starts[runs.at] ?? -1;
  }
}

class InlineParser {
  readonly #text: string;
  readonly #definitions: Definitions;
  readonly #nodes: Node[] = [];
  readonly #brackets: Bracket[] = [];
  /** Brackets below this index open no link any more: a link holds no link. */
  #inactiveBelow = 0;
  #last: Delimiter | null = null;
  #runs: BacktickRuns | null = null;
  /** Where the closing marks of formulas come next; -1: not any more. */
  readonly #closes = new Map<string, number>();
  #at = 0;
  /** Where the plain text begins that no node has yet. */
  #plainFrom = 0;

  constructor(text: string, definitions: Definitions) {
    this.#text = text;
    this.#definitions = definitions;
  }

  parse(): readonly Inline[] {
    const plain = /[^\\`<[\]!*_~&\n@hHwW]+/y;
    while (this.#at < this.#text.length) {
      plain.lastIndex = this.#at;
      if (plain.test(this.#text)) this.#at = plain.lastIndex;
      if (this.#at < this.#text.length) this.#special(this.#text[this.#at]!);
    }
    this.#flush(this.#at);
    this.#processEmphasis(null);
    return this.#emit();
  }

  /** Handles the special character at `#at`, and moves behind what it has taken (at least this character). */
  #special(char: string): void {
    switch (char) {
      case "\\":
        return this.#escape();
      case "`":
        return this.#code();
      case "<":
        return this.#angle();
      case "[":
        return this.#openBracket(false);
      case "!":
        if (this.#text[this.#at + 1] === "[") return this.#openBracket(true);
        this.#at++;
        return;
      case "]":
        return this.#closeBracket();
      case "*":
      case "_":
      case "~":
        return this.#delimiters(char);
      case "&":
        return this.#entity();
      case "\n":
        return this.#lineEnd();
      case "@":
        return this.#mail();
      default:
        return this.#address();
    }
  }

  /** Makes a node of the plain text before `end`. */
  #flush(end: number): void {
    if (end > this.#plainFrom) this.#push(this.#text.slice(this.#plainFrom, end));
  }

  #push(text: string, token: Inline | null = null): Node {
    const node: Node = { text, token, closes: null, opens: null };
    this.#nodes.push(node);
    return node;
  }

  /** Ends the plain text before `#at`, and goes on behind `end`. */
  #take(end: number): void {
    this.#flush(this.#at);
    this.#at = this.#plainFrom = end;
  }

  /** A backslash: a formula in `\(`…`\)` or `\[`…`\]`, which stays as it is, or a character that means itself. */
  #escape(): void {
    const next = this.#text[this.#at + 1];
    if (next === "\n") {
      this.#take(this.#at + 2);
      this.#push("", { type: "break" });
    } else if ((next === "(" || next === "[") && this.#formula(`\\${next}`, next === "(" ? "\\)" : "\\]")) {
      return;
    } else if (next !== undefined && PUNCTUATION.test(next)) {
      this.#take(this.#at + 2);
      this.#push(next);
    } else this.#at++;
  }

  #formula(open: string, close: string): boolean {
    let end = this.#closes.get(close) ?? 0;
    if (end >= 0 && end < this.#at + 2) {
      end = this.#text.indexOf(close, this.#at + 2);
      this.#closes.set(close, end);
    }
    if (end < 0) return false;
    const inner = this.#text.slice(this.#at + 2, end);
    // `\[1\]` is a bracket; what has a command, an index or an equation in it is a formula.
    if (inner.includes(open) || inner.includes("](") || !/\\[A-Za-z]|[\^_=]/.test(inner)) return false;
    const from = this.#at;
    this.#take(end + 2);
    this.#push(this.#text.slice(from, end + 2).replaceAll("\n", " "));
    return true;
  }

  #code(): void {
    let end = this.#at;
    while (this.#text[end] === "`") end++;
    this.#runs ??= new BacktickRuns(this.#text);
    const close = this.#runs.next(end - this.#at, end);
    if (close < 0) {
      this.#at = end;
      return;
    }
    const inner = this.#text.slice(end, close).replaceAll("\n", " ");
    const padded = inner.startsWith(" ") && inner.endsWith(" ") && inner.trim() !== "";
    this.#take(close + end - this.#at);
    this.#push("", { type: "code", text: padded ? inner.slice(1, -1) : inner });
  }

  /** `<https://…>` and `<a@b.c>` are links; a tag is text in which nothing else is read as markup. */
  #angle(): void {
    let end = this.#at + 1;
    while (end < this.#text.length && this.#text[end] !== ">" && this.#text[end] !== "<") end++;
    // The next "<" begins a search of its own, so that no character is looked at twice.
    if (this.#text[end] !== ">") {
      this.#at++;
      return;
    }
    const inner = this.#text.slice(this.#at + 1, end);
    const isMail = inner.length <= 320 && /^[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+$/.test(inner);
    if (isMail || /^[A-Za-z][\w.+-]{1,31}:[^\s<>]*$/.test(inner)) {
      this.#take(end + 1);
      this.#pushLink(isMail ? `mailto:${inner}` : inner, inner);
    } else if (isTag(inner)) this.#at = end + 1;
    else this.#at++;
  }

  #pushLink(href: string, label: string): void {
    this.#push("").opens = [mark({ type: "open", style: "link", href, title: "" }, "")];
    this.#push(label);
    this.#push("").closes = [mark({ type: "close", style: "link" }, "")];
  }

  #entity(): void {
    const decoded = decodeEntity(this.#text, this.#at);
    if (!decoded) {
      this.#at++;
      return;
    }
    this.#take(decoded.end);
    this.#push(decoded.text);
  }

  /** Each line end of a paragraph is shown, without the blanks around it. */
  #lineEnd(): void {
    const at = this.#at;
    let end = at;
    while (end > this.#plainFrom && (this.#text[end - 1] === " " || this.#text[end - 1] === "\t")) end--;
    this.#flush(end);
    let next = at + 1;
    while (this.#text[next] === " " || this.#text[next] === "\t") next++;
    this.#at = this.#plainFrom = next;
    this.#push("", { type: "break" });
  }

  /** `name@host.tld` in running text. */
  #mail(): void {
    let from = this.#at;
    while (from > this.#plainFrom && this.#at - from < 65 && /[\w.+-]/.test(this.#text[from - 1]!)) from--;
    const domain = /[A-Za-z\d-]+(?:\.[A-Za-z\d-]+)+/y;
    domain.lastIndex = this.#at + 1;
    const found = domain.exec(this.#text)?.[0].replace(/-+$/, "");
    const isWhole = this.#at - from > 0 && this.#at - from <= 64 && found !== undefined && /\.[A-Za-z]{2,}$/.test(found);
    if (!isWhole) {
      this.#at++;
      return;
    }
    const end = this.#at + 1 + found.length;
    this.#at = from;
    this.#take(end);
    const address = this.#text.slice(from, end);
    this.#pushLink(`mailto:${address}`, address);
  }

  /** `https://…` and `www.…` in running text: up to a blank, without the punctuation that follows it. */
  #address(): void {
    const before = this.#text[this.#at - 1];
    const address = /(?:https?:\/\/|www\.)[^\s<>[\]`"\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\u2018-\u201f]+/iy;
    address.lastIndex = this.#at;
    const found = before !== undefined && /[\w]/.test(before) ? null : address.exec(this.#text);
    const url = found ? trimAddress(found[0]) : "";
    if (!/^(?:https?:\/\/.|www\.[^.]+\.[^.])/i.test(url)) {
      this.#at++;
      return;
    }
    this.#take(this.#at + url.length);
    this.#pushLink(/^www\./i.test(url) ? `http://${url}` : url, url);
  }

  #openBracket(image: boolean): void {
    const at = this.#at;
    this.#take(at + (image ? 2 : 1));
    const last = this.#brackets.at(-1);
    if (last) last.followed = true;
    const node = this.#push(image ? "![" : "[");
    this.#brackets.push({ node, at: this.#at, nodeIndex: this.#nodes.length - 1, image, below: this.#last, followed: false });
  }

  #closeBracket(): void {
    const at = this.#at;
    const bracket = this.#brackets.at(-1);
    if (!bracket) {
      this.#at++;
      return;
    }
    const active = bracket.image || this.#brackets.length > this.#inactiveBelow;
    const target = active ? (this.#inlineTarget(at + 1) ?? this.#reference(bracket, at)) : null;
    this.#brackets.pop();
    this.#inactiveBelow = Math.min(this.#inactiveBelow, this.#brackets.length);
    if (!target) {
      this.#at++;
      return;
    }
    const raw = this.#text.slice(at, target.end);
    this.#take(target.end);
    this.#processEmphasis(bracket.below);
    if (bracket.image) return this.#image(bracket, target);
    bracket.node.text = "";
    bracket.node.opens = [mark({ type: "open", style: "link", href: target.href, title: target.title }, "[")];
    this.#push("").closes = [mark({ type: "close", style: "link" }, raw)];
    this.#inactiveBelow = this.#brackets.length;
  }

  /** The nodes since its bracket become one picture; their markup does not count in its label. */
  #image(bracket: Bracket, { href, title }: LinkTarget): void {
    let alt = "";
    for (const { text, token } of this.#nodes.splice(bracket.nodeIndex).slice(1))
      alt += token?.type === "code" ? token.text : token?.type === "image" ? token.alt : token?.type === "break" ? " " : text;
    this.#push("", { type: "image", href, title, alt });
  }

  /** `(address "title")` at `from`. */
  #inlineTarget(from: number): (LinkTarget & { end: number }) | null {
    if (this.#text[from] !== "(") return null;
    let at = this.#skipBlanks(from + 1);
    const address = this.#destination(at);
    if (!address) return null;
    at = this.#skipBlanks(address.end);
    let title = "";
    if (at > address.end && this.#text[at] !== ")") {
      const found = this.#title(at);
      if (!found) return null;
      title = found.text;
      at = this.#skipBlanks(found.end);
    }
    return this.#text[at] === ")" ? { href: address.text, title, end: at + 1 } : null;
  }

  #skipBlanks(from: number): number {
    let at = from;
    // A long run of blanks is not part of a link, and is not searched again from the next bracket.
    while (at - from < 100 && /[ \t\n]/.test(this.#text[at] ?? "")) at++;
    return at;
  }

  #destination(from: number): { text: string; end: number } | null {
    const angled = this.#text[from] === "<";
    let depth = 0;
    let at = angled ? from + 1 : from;
    for (; at < this.#text.length && at - from < HREF_CHARS; at++) {
      const char = this.#text[at]!;
      if (char === "\\" && PUNCTUATION.test(this.#text[at + 1] ?? "")) at++;
      else if (angled ? char === ">" : char === ")" && depth === 0) break;
      else if (angled ? char === "<" || char === "\n" : /[\s\p{Cc}]/u.test(char)) {
        if (angled) return null;
        break;
      } else if (!angled && char === "(" && ++depth > MAX_INLINE_DEPTH) return null;
      else if (!angled && char === ")") depth--;
    }
    if (depth !== 0 || at - from >= HREF_CHARS || (angled && this.#text[at] !== ">")) return null;
    return { text: unescape(this.#text.slice(angled ? from + 1 : from, at)), end: angled ? at + 1 : at };
  }

  #title(from: number): { text: string; end: number } | null {
    const close = { '"': '"', "'": "'", "(": ")" }[this.#text[from] ?? ""];
    if (close === undefined) return null;
    for (let at = from + 1; at < this.#text.length && at - from < TITLE_CHARS; at++) {
      if (this.#text[at] === "\\") at++;
      else if (this.#text[at] === close) return { text: unescape(this.#text.slice(from + 1, at)), end: at + 1 };
    }
    return null;
  }

  /** `[label]`, `[]` or nothing behind a bracket's text, where the label is defined. */
  #reference(bracket: Bracket, at: number): (LinkTarget & { end: number }) | null {
    if (this.#definitions.size === 0) return null;
    const own = bracket.followed || at - bracket.at > LABEL_CHARS ? null : this.#text.slice(bracket.at, at);
    const label = /\[((?:[^[\]\\]|\\.){0,999})\]/sy;
    label.lastIndex = at + 1;
    const named = label.exec(this.#text);
    const wanted = named && named[1]!.trim() !== "" ? named[1]! : own;
    const target = wanted === null ? undefined : this.#definitions.get(toLabel(wanted));
    return target ? { ...target, end: named ? label.lastIndex : at + 1 } : null;
  }

  #delimiters(char: string): void {
    const at = this.#at;
    let end = at;
    while (this.#text[end] === char) end++;
    const count = end - at;
    const { canOpen, canClose } = flanking(this.#text, at, end, char);
    if ((!canOpen && !canClose) || (char === "~" && count !== 2)) {
      this.#at = end;
      return;
    }
    this.#take(end);
    const node = this.#push(this.#text.slice(at, end));
    const delimiter: Delimiter = {
      node,
      char,
      count,
      original: count,
      canOpen,
      canClose,
      order: this.#nodes.length,
      previous: this.#last,
      next: null,
    };
    if (this.#last) this.#last.next = delimiter;
    this.#last = delimiter;
  }

  #remove(delimiter: Delimiter): void {
    if (delimiter.previous) delimiter.previous.next = delimiter.next;
    if (delimiter.next) delimiter.next.previous = delimiter.previous;
    else this.#last = delimiter.previous;
  }

  /** Pairs the delimiters above `bottom`, by the algorithm of CommonMark's appendix. What finds no partner is text. */
  #processEmphasis(bottom: Delimiter | null): void {
    // What is at or below this place is known not to open for such a closer: without it the search would be quadratic.
    const floors = new Map<number, number>();
    let closer = bottom ? bottom.next : this.#first();
    while (closer) {
      if (!closer.canClose) {
        closer = closer.next;
        continue;
      }
      const key = closer.char.charCodeAt(0) * 8 + (closer.canOpen ? 4 : 0) + (closer.original % 3);
      const floor = floors.get(key) ?? bottom?.order ?? -1;
      let opener = closer.previous;
      while (opener && opener.order > floor && !matches(opener, closer)) opener = opener.previous;
      const found: Delimiter | null = opener && opener.order > floor ? opener : null;
      const next: Delimiter | null = found ? this.#pair(found, closer) : closer.next;
      if (!found) {
        floors.set(key, closer.previous?.order ?? -1);
        if (!closer.canOpen) this.#remove(closer);
      }
      closer = next;
    }
    while (this.#last && this.#last !== bottom) this.#remove(this.#last);
  }

  /** The lowest delimiter. The list is walked once for a whole paragraph. */
  #first(): Delimiter | null {
    let first = this.#last;
    while (first?.previous) first = first.previous;
    return first;
  }

  /** Joins an opener and a closer; gives the closer to go on with. */
  #pair(opener: Delimiter, closer: Delimiter): Delimiter | null {
    const used = opener.count >= 2 && closer.count >= 2 ? 2 : 1;
    const style = closer.char === "~" ? "strike" : used === 2 ? "strong" : "em";
    const raw = closer.char.repeat(used);
    (opener.node.opens ??= []).push(mark({ type: "open", style }, raw));
    (closer.node.closes ??= []).push(mark({ type: "close", style }, raw));
    for (const each of [opener, closer]) {
      each.count -= used;
      each.node.text = each.node.text.slice(used);
    }
    // The delimiters between them have no partner.
    opener.next = closer;
    closer.previous = opener;
    if (opener.count === 0) this.#remove(opener);
    if (closer.count > 0) return closer;
    const { next } = closer;
    this.#remove(closer);
    return next;
  }

  /** The nodes as tokens: text joined, and what is too deep as it was written. */
  #emit(): readonly Inline[] {
    const out: Inline[] = [];
    const shown: boolean[] = [];
    let text = "";
    let depth = 0;
    let links = 0;
    const write = (token: Inline): void => {
      if (text !== "") out.push({ type: "text", text });
      text = "";
      out.push(token);
    };
    const open = ({ token, raw }: Mark): void => {
      const isNestedLink = token.style === "link" && links > 0;
      const isShown = depth < MAX_INLINE_DEPTH && !isNestedLink;
      shown.push(isShown);
      if (isShown) {
        depth++;
        if (token.style === "link") links++;
        write(token);
      } else text += raw;
    };
    const close = ({ token, raw }: Mark): void => {
      if (shown.pop()) {
        depth--;
        if (token.style === "link") links--;
        write(token);
      } else text += raw;
    };
    for (const node of this.#nodes) {
      if (node.closes) for (const each of node.closes) close(each);
      text += node.text;
      if (node.token) write(node.token);
      // The outermost was found last.
      if (node.opens) for (let i = node.opens.length - 1; i >= 0; i--) open(node.opens[i]!);
    }
    if (text !== "") out.push({ type: "text", text });
    return out;
  }
}

const TAG_CHARS = 2_000;
const TAG = /^\/?[A-Za-z][A-Za-z\d-]*(?:\s+[A-Za-z_:][\w.:-]*(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+))?)*\s*\/?$|^!--|^\?/;
const isTag = (inner: string): boolean => inner.length <= TAG_CHARS && TAG.test(inner);

const mark = (token: Mark["token"], raw: string): Mark => ({ token, raw });

/** Whether a closer ends what an opener began ("the rule of three" where both could be either). */
function matches(opener: Delimiter, closer: Delimiter): boolean {
  if (opener.char !== closer.char || !opener.canOpen) return false;
  const either = closer.canOpen || opener.canClose;
  return !(either && closer.original % 3 !== 0 && (opener.original + closer.original) % 3 === 0);
}

/** An address without the punctuation and the unbalanced brackets at its end. */
function trimAddress(address: string): string {
  let end = address.length;
  let open = 0;
  for (const char of address) open += char === "(" ? 1 : char === ")" ? -1 : 0;
  for (; end > 0; end--) {
    const char = address[end - 1]!;
    if (char === ")" && open < 0) open++;
    else if (!/[?!.,:;*_~'\\]/.test(char)) break;
  }
  return address.slice(0, end);
}

const unescape = (text: string): string => text.replaceAll(/\\([!-/:-@[-`{-~])/g, "$1").replaceAll(/&(?:amp);/g, "&");
