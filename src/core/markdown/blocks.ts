import { BacktickRuns, LABEL_CHARS, toLabel, type Definitions, type LinkTarget } from "./inline.ts";

export type Align = "left" | "center" | "right" | null;
export type ListItem = { /** Null: no task. */ checked: boolean | null; blocks: readonly MarkdownBlock[] };
/** One block. Texts of paragraphs, headings and cells are read by `parseInline`. */
export type MarkdownBlock =
  | { type: "paragraph"; text: string }
  | { type: "heading"; level: number; text: string }
  | { type: "code"; language: string; text: string }
  | { type: "quote"; blocks: readonly MarkdownBlock[] }
  | { type: "list"; ordered: boolean; start: number; loose: boolean; items: readonly ListItem[] }
  | { type: "table"; align: readonly Align[]; header: readonly string[]; rows: readonly (readonly string[])[] }
  | { type: "html"; text: string }
  | { type: "rule" };
/** `blocks` are those of the top level, each with the piece of the source that it was made from. */
export type MarkdownDocument = { blocks: readonly { block: MarkdownBlock; raw: string }[]; definitions: Definitions };

/** Quotes and lists that are nested deeper stay as they were written. */
export const MAX_BLOCK_DEPTH = 32;

/** Containers hold blocks; `blank`: an empty line has come since the last one. */
type Quote = { kind: "quote"; blocks: MarkdownBlock[]; blank: boolean };
type List = {
  kind: "list";
  blocks: MarkdownBlock[];
  blank: boolean;
  mark: string;
  items: { checked: boolean | null; blocks: MarkdownBlock[] }[];
  block: MarkdownBlock & { type: "list" };
};
type Item = {
  kind: "item";
  blocks: MarkdownBlock[];
  blank: boolean;
  indent: number;
  item: { checked: boolean | null; blocks: MarkdownBlock[] };
};
type Container = Quote | List | Item;

/** The block that lines are added to. */
type Leaf =
  | { kind: "paragraph"; lines: string[]; into: MarkdownBlock[] }
  | { kind: "fence"; mark: string; indent: number; language: string; lines: string[]; into: MarkdownBlock[] }
  | { kind: "indented"; lines: string[]; into: MarkdownBlock[] }
  | { kind: "html"; end: RegExp | null; lines: string[]; into: MarkdownBlock[] }
  | { kind: "table"; align: readonly Align[]; header: readonly string[]; rows: (readonly string[])[]; into: MarkdownBlock[] };

/**
 * Reads Markdown: CommonMark with GitHub's tables, task lists and strike-through. HTML blocks are text. Never throws; time is linear in the
 * text, and nothing in the result is nested deeper than MAX_BLOCK_DEPTH containers.
 */
export function parseMarkdown(markdown: string): MarkdownDocument {
  return new BlockParser(markdown.includes("\r") ? markdown.replaceAll(/\r\n?/g, "\n") : markdown).parse();
}

/** One line, and how far it has been read. Tabs count to the next column that is a multiple of four. */
class Line {
  readonly text: string;
  #at = 0;
  #column = 0;
  /** Columns of a tab that is read in part. */
  #pad = 0;
  /** Columns of blanks in front of the next character, and where that is. */
  indent = 0;
  next = 0;

  constructor(text: string) {
    this.text = text;
    this.#look();
  }

  get blank(): boolean {
    return this.next >= this.text.length;
  }

  /** The text from the next character on. */
  get rest(): string {
    return this.text.slice(this.next);
  }

  /** The text with its blanks, without up to `columns` of them. */
  inner(columns: number): string {
    this.skip(Math.min(columns, this.indent));
    return " ".repeat(this.#pad) + this.text.slice(this.#at);
  }

  /** Reads up to `columns` blanks. */
  skip(columns: number): void {
    for (let left = columns; left > 0;) {
      const char = this.text[this.#at];
      if (this.#pad > 0) {
        const taken = Math.min(this.#pad, left);
        this.#pad -= taken;
        left -= taken;
      } else if (char === " ") {
        this.#at++;
        this.#column++;
        left--;
      } else if (char === "\t") {
        this.#pad = 4 - (this.#column % 4);
        this.#column += this.#pad;
        this.#at++;
      } else break;
    }
    this.#look();
  }

  /** Reads the blanks and `length` characters behind them. Gives the columns of both. */
  take(length: number): number {
    const columns = this.indent + length;
    this.#column += this.indent - this.#pad + length;
    this.#at = this.next + length;
    this.#pad = 0;
    this.#look();
    return columns;
  }

  #look(): void {
    let at = this.#at;
    let column = this.#column;
    for (; at < this.text.length; at++) {
      if (this.text[at] === " ") column++;
      else if (this.text[at] === "\t") column += 4 - (column % 4);
      else break;
    }
    this.next = at;
    this.indent = this.#pad + column - this.#column;
  }
}

class BlockParser {
  readonly #source: string;
  readonly #root: MarkdownBlock[] = [];
  readonly #starts: number[] = [];
  readonly #containers: Container[] = [];
  #leaf: Leaf | null = null;
  #depth = 0;
  #lineStart = 0;
  #previousStart = 0;
  /** Where the first line of the leaf begins. */
  #leafStart = 0;
  readonly #definitions = new Map<string, LinkTarget>();
  /** Number of occurrences of each `[label]` in the source; counted on first use. */
  #labels: Map<string, number> | null = null;

  constructor(source: string) {
    this.#source = source;
  }

  parse(): MarkdownDocument {
    while (this.#lineStart < this.#source.length) {
      const found = this.#source.indexOf("\n", this.#lineStart);
      const end = found < 0 ? this.#source.length : found;
      this.#line(new Line(this.#source.slice(this.#lineStart, end)));
      this.#previousStart = this.#lineStart;
      this.#lineStart = end + 1;
    }
    this.#closeLeaf();
    const blocks = this.#root.map((block, index) => ({
      block,
      raw: this.#source.slice(this.#starts[index], this.#starts[index + 1]).trimEnd(),
    }));
    return { blocks, definitions: this.#definitions };
  }

  #line(line: Line): void {
    const matched = this.#match(line);
    const isWhole = matched === this.#containers.length;
    if (isWhole && this.#leaf && this.#addRaw(this.#leaf, line)) return;
    const opened = this.#open(line, matched);
    if (opened === "done") return;
    if (!isWhole && opened === "none" && !line.blank && this.#leaf?.kind === "paragraph") {
      this.#leaf.lines.push(line.rest); // a paragraph goes on without the marks of its quote or item
      return;
    }
    if (opened === "none") this.#closeTo(matched, isWhole);
    if (line.blank && opened === "none") return this.#blankLine();
    if (!line.blank) this.#addText(line);
    for (const container of this.#containers) container.blank = false;
  }

  /** Reads the marks of the open containers; gives how many of them go on. */
  #match(line: Line): number {
    let matched = 0;
    for (const container of this.#containers) {
      if (container.kind === "quote") {
        if (line.indent > 3 || line.text[line.next] !== ">") break;
        line.take(1);
        if (line.indent > 0) line.skip(1);
      } else if (container.kind === "item") {
        if (line.blank) {
          if (container.blocks.length === 0 && !this.#leaf) break;
        } else if (line.indent < container.indent) break;
        else line.skip(container.indent);
      }
      matched++;
    }
    // A list without a next item ends with its last one.
    if (this.#containers[matched - 1]?.kind === "list" && matched < this.#containers.length) matched--;
    return matched;
  }

  /** Lines of a code block or of HTML are taken as they are. */
  #addRaw(leaf: Leaf, line: Line): boolean {
    if (leaf.kind === "fence") {
      if (line.indent <= 3 && isFenceEnd(line.rest, leaf.mark)) this.#closeLeaf();
      else leaf.lines.push(line.inner(leaf.indent));
      return true;
    }
    if (leaf.kind === "indented" && (line.blank || line.indent >= 4)) {
      leaf.lines.push(line.inner(4));
      return true;
    }
    if (leaf.kind !== "html" || (line.blank && !leaf.end)) return false;
    leaf.lines.push(line.inner(0));
    if (leaf.end?.test(line.rest)) this.#closeLeaf();
    return true;
  }

  /** Opens the blocks that begin in this line. `done`: nothing of the line is left. */
  #open(line: Line, matched: number): "none" | "some" | "done" {
    let opened: "none" | "some" = "none";
    let open = matched;
    while (!line.blank) {
      // Of an indented line nothing begins but code, and that not inside of a paragraph.
      const inParagraph = opened === "none" && this.#leaf?.kind === "paragraph";
      if (line.indent >= 4) {
        if (inParagraph) break;
        this.#closeTo(open, false);
        this.#leafStart = this.#lineStart;
        this.#leaf = { kind: "indented", lines: [line.inner(4)], into: this.#into() };
        return "done";
      }
      const isPlain = opened === "none" && open === this.#containers.length;
      const kind = this.#openOne(line, open, inParagraph, isPlain);
      if (kind === "none") break;
      if (kind === "leaf") {
        for (const container of this.#containers) container.blank = false;
        return "done";
      }
      opened = "some";
      open = this.#containers.length;
    }
    return opened;
  }

  #openOne(line: Line, open: number, inParagraph: boolean, isPlain: boolean): "none" | "leaf" | "container" {
    const char = line.text[line.next]!;
    const hasRoom = this.#depthOf(open) < MAX_BLOCK_DEPTH;
    if (char === ">" && hasRoom) {
      this.#closeTo(open, false);
      const blocks: MarkdownBlock[] = [];
      this.#add({ type: "quote", blocks });
      this.#containers.push({ kind: "quote", blocks, blank: false });
      line.take(1);
      if (line.indent > 0) line.skip(1);
      return "container";
    }
    const { rest } = line;
    if (isPlain && this.#leaf?.kind === "paragraph" && this.#underlined(this.#leaf, rest)) return "leaf";
    if (char === "#" && this.#heading(rest, open)) return "leaf";
    if ((char === "`" || char === "~") && this.#fence(line, rest, open)) return "leaf";
    if (char === "<" && this.#html(line, rest, open, inParagraph)) return "leaf";
    if (isRule(rest)) {
      this.#closeTo(open, false);
      this.#add({ type: "rule" });
      return "leaf";
    }
    return hasRoom && this.#item(line, rest, open, inParagraph) ? "container" : "none";
  }

  #depthOf(open: number): number {
    return open === this.#containers.length ? this.#depth : this.#containers.slice(0, open).filter(({ kind }) => kind !== "list").length;
  }

  /** A line of `=` or `-` makes the paragraph above it a heading; one of a table's rules makes its last line a table's head. */
  #underlined(leaf: Leaf & { kind: "paragraph" }, rest: string): boolean {
    const line = rest.trimEnd();
    if (/^(?:=+|-+)$/.test(line) && !this.#isDefinitions(leaf)) {
      this.#leaf = null;
      this.#push(leaf.into, { type: "heading", level: line[0] === "=" ? 1 : 2, text: leaf.lines.join("\n").trim() }, this.#leafStart);
      return true;
    }
    const align = tableRule(line);
    const header = align && tableCells(leaf.lines.at(-1)!);
    if (!header || header.length !== align.length || (header.length < 2 && !leaf.lines.at(-1)!.includes("|"))) return false;
    leaf.lines.pop();
    this.#closeLeaf();
    this.#leafStart = this.#previousStart;
    this.#leaf = { kind: "table", align, header, rows: [], into: leaf.into };
    return true;
  }

  #isDefinitions(leaf: Leaf & { kind: "paragraph" }): boolean {
    return DEFINITION.test(leaf.lines.at(-1)!) && leaf.lines.every((line) => DEFINITION.test(line));
  }

  #heading(rest: string, open: number): boolean {
    const level = /^#{1,6}(?=[ \t]|$)/.exec(rest)?.[0].length;
    if (level === undefined) return false;
    this.#closeTo(open, false);
    this.#add({ type: "heading", level, text: withoutClosingMarks(rest.slice(level).trim()) });
    return true;
  }

  #fence(line: Line, rest: string, open: number): boolean {
    const mark = /^(?:`{3,}|~{3,})/.exec(rest)?.[0];
    if (mark === undefined || (mark[0] === "`" && rest.includes("`", mark.length))) return false;
    this.#closeTo(open, false);
    this.#leafStart = this.#lineStart;
    this.#leaf = { kind: "fence", mark, indent: line.indent, language: rest.slice(mark.length).trim(), lines: [], into: this.#into() };
    return true;
  }

  #html(line: Line, rest: string, open: number, inParagraph: boolean): boolean {
    const raw = /^<(script|pre|style|textarea)(?=[\s>]|$)/i.exec(rest);
    const isBlock = /^<\/?([A-Za-z][A-Za-z\d]*)(?=[\s/>]|$)/.exec(rest);
    const end = raw ? new RegExp(`</${raw[1]!}>`, "i") : rest.startsWith("<!--") ? /-->/ : null;
    if (!end && !(isBlock && HTML_BLOCKS.has(isBlock[1]!.toLowerCase()))) return false;
    if (inParagraph && !end && isBlock && isBlock[1] === "a") return false;
    this.#closeTo(open, false);
    this.#leafStart = this.#lineStart;
    this.#leaf = { kind: "html", end, lines: [line.inner(0)], into: this.#into() };
    if (end?.test(rest)) this.#closeLeaf();
    return true;
  }

  #item(line: Line, rest: string, open: number, inParagraph: boolean): boolean {
    const found = /^(?:[-+*]|(\d{1,9})[.)])(?=[ \t]|$)/.exec(rest);
    if (!found) return false;
    const [marker, number] = found;
    const isEmpty = rest.length === marker.length || rest.slice(marker.length).trim() === "";
    // A paragraph is not broken by an empty item, nor by a number that does not begin a list.
    if (inParagraph && open === this.#containers.length && (isEmpty || (number !== undefined && Number(number) !== 1))) return false;
    const mark = number === undefined ? marker : marker.at(-1)!;
    const above = this.#containers[open];
    const list = above?.kind === "list" && above.mark === mark ? above : null;
    this.#closeTo(list ? open + 1 : open, false);
    const into = list ?? this.#addList(mark, number);
    if (into.blank && into.items.length > 0) into.block.loose = true;
    let indent = line.take(marker.length);
    const gap = isEmpty || line.indent > 4 ? 1 : line.indent;
    line.skip(gap);
    indent += gap;
    const blocks: MarkdownBlock[] = [];
    const item = { checked: null as boolean | null, blocks };
    const task = /^\[([ xX])\](?=[ \t])/.exec(line.rest);
    if (task) {
      item.checked = task[1] !== " ";
      line.take(3);
      line.skip(1);
    }
    into.items.push(item);
    this.#containers.push({ kind: "item", blocks, blank: false, indent, item });
    this.#depth++;
    return true;
  }

  #addList(mark: string, number: string | undefined): List {
    const items: List["items"] = [];
    const block: List["block"] = { type: "list", ordered: number !== undefined, start: Number(number ?? 1), loose: false, items };
    this.#add(block);
    const list: List = { kind: "list", blocks: [], blank: false, mark, items, block };
    this.#containers.push(list);
    return list;
  }

  /** Where the next block goes. */
  #into(): MarkdownBlock[] {
    return this.#containers.at(-1)?.blocks ?? this.#root;
  }

  #add(block: MarkdownBlock): void {
    if (block.type === "quote") this.#depth++;
    this.#markLoose();
    this.#push(this.#into(), block);
  }

  /** An item with an empty line between two of its blocks makes its list a loose one. */
  #markLoose(): void {
    const container = this.#containers.at(-1);
    const list = this.#containers.at(-2);
    if (container?.kind === "item" && container.blank && container.blocks.length > 0 && list?.kind === "list") list.block.loose = true;
  }

  #push(into: MarkdownBlock[], block: MarkdownBlock, start = this.#lineStart): void {
    if (into === this.#root) this.#starts.push(into.length === 0 ? 0 : Math.max(start, this.#starts.at(-1)!));
    into.push(block);
  }

  /** Ends the leaf, and the containers behind the first `open`. */
  #closeTo(open: number, keepLeaf: boolean): void {
    if (!keepLeaf) this.#closeLeaf();
    while (this.#containers.length > open) if (this.#containers.pop()!.kind !== "list") this.#depth--;
  }

  #blankLine(): void {
    if (this.#leaf && this.#leaf.kind !== "indented") this.#closeLeaf();
    for (const container of this.#containers) container.blank = true;
  }

  #addText(line: Line): void {
    const leaf = this.#leaf;
    if (leaf?.kind === "paragraph") {
      leaf.lines.push(line.rest);
    } else if (leaf?.kind === "table") {
      leaf.rows.push(tableCells(line.rest));
    } else {
      this.#closeLeaf();
      this.#markLoose();
      this.#leafStart = this.#lineStart;
      this.#leaf = { kind: "paragraph", lines: [line.rest], into: this.#into() };
    }
  }

  #closeLeaf(): void {
    const leaf = this.#leaf;
    this.#leaf = null;
    if (!leaf) return;
    const start = this.#leafStart;
    switch (leaf.kind) {
      case "paragraph":
        return this.#closeParagraph(leaf);
      case "fence":
        return this.#push(leaf.into, { type: "code", language: leaf.language, text: leaf.lines.join("\n") }, start);
      case "indented":
        return this.#push(leaf.into, { type: "code", language: "", text: leaf.lines.join("\n").replace(/\n+$/, "") }, start);
      case "html":
        return this.#push(leaf.into, { type: "html", text: leaf.lines.join("\n").trimEnd() }, start);
      case "table":
        return this.#push(leaf.into, { type: "table", align: leaf.align, header: leaf.header, rows: leaf.rows }, start);
    }
  }

  /** Definitions in front of a paragraph are taken out; one that nothing refers to stays, since it would be lost. */
  #closeParagraph(leaf: Leaf & { kind: "paragraph" }): void {
    const kept: string[] = [];
    let at = 0;
    for (; at < leaf.lines.length; at++) {
      const found = DEFINITION.exec(leaf.lines[at]!);
      if (!found) break;
      const label = toLabel(found[1]!);
      const href = found[2]!.replace(/^<(.*)>$/, "$1");
      if (!this.#definitions.has(label)) this.#definitions.set(label, { href, title: found[3]?.slice(1, -1) ?? "" });
      if (this.#uses(label) < 2) kept.push(leaf.lines[at]!);
    }
    const text = [...kept, ...leaf.lines.slice(at)].join("\n").trim();
    if (text !== "") this.#push(leaf.into, { type: "paragraph", text }, this.#leafStart);
  }

  #uses(label: string): number {
    if (!this.#labels) {
      this.#labels = new Map();
      for (const { 1: found } of this.#source.matchAll(LABELS)) {
        const key = toLabel(found!);
        this.#labels.set(key, (this.#labels.get(key) ?? 0) + 1);
      }
    }
    return this.#labels.get(label) ?? 0;
  }
}

const LABELS = new RegExp(`\\[([^\\[\\]\\n]{1,${LABEL_CHARS}})\\]`, "g");
const DEFINITION = /^\[((?:[^[\]\\]|\\.){1,999})\]:[ \t]*(<[^<>]*>|[^\s<]\S*)(?:[ \t]+("[^"]*"|'[^']*'|\([^()]*\)))?[ \t]*$/;
const HTML_BLOCKS: ReadonlySet<string> = new Set(
  "address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure footer form frame h1 h2 h3 h4 h5 h6 head header hr html iframe legend li link main menu nav ol optgroup option p param script section style summary table tbody td textarea tfoot th thead title tr ul".split(
    " ",
  ),
);

/** `***`, `---` or `___`, also with blanks between. */
export function isRule(line: string): boolean {
  const char = line[0];
  if (char !== "*" && char !== "-" && char !== "_") return false;
  let count = 0;
  for (const each of line) {
    if (each === char) count++;
    else if (each !== " " && each !== "\t") return false;
  }
  return count >= 3;
}

/** Whether a line ends the code block that `mark` began. */
export function isFenceEnd(line: string, mark: string): boolean {
  let count = 0;
  while (line[count] === mark[0]) count++;
  return count >= mark.length && line.slice(count).trim() === "";
}

/** A heading's text without closing `#` marks. */
export function withoutClosingMarks(text: string): string {
  let end = text.length;
  while (text[end - 1] === "#") end--;
  const isClosed = end === 0 || (end < text.length && /[ \t]/.test(text[end - 1]!));
  return isClosed ? text.slice(0, end).trimEnd() : text;
}

/** How the columns of a table are aligned, when the line is the rule below its head; null for any other line. */
export function tableRule(line: string): readonly Align[] | null {
  if (!/^[\s|:-]+$/.test(line) || !line.includes("-")) return null;
  const align: Align[] = [];
  for (const cell of tableCells(line)) {
    if (!/^:?-+:?$/.test(cell)) return null;
    align.push(cell.endsWith(":") ? (cell.startsWith(":") && cell.length > 1 ? "center" : "right") : cell.startsWith(":") ? "left" : null);
  }
  return align;
}

/** The cells of one row; a bar behind a backslash, or in a code span, belongs to its cell. */
export function tableCells(line: string): readonly string[] {
  const row = line.trim();
  const cells: string[] = [];
  const runs = row.includes("`") ? new BacktickRuns(row) : null;
  let from = row.startsWith("|") ? 1 : 0;
  for (let at = from; at < row.length; at++) {
    if (row[at] === "\\") at++;
    else if (row[at] === "`") {
      let end = at;
      while (row[end] === "`") end++;
      const close = runs!.next(end - at, end);
      at = (close < 0 ? end : close + end - at) - 1;
    } else if (row[at] === "|") {
      cells.push(row.slice(from, at));
      from = at + 1;
    }
  }
  if (from < row.length || cells.length === 0) cells.push(row.slice(from));
  return cells.map((cell) => cell.trim().replaceAll("\\|", "|"));
}
