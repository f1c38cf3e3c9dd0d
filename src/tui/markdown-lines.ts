import { parseMarkdown, type Align, type ListItem, type MarkdownBlock } from "../core/markdown/blocks.ts";
import { parseInline, type Definitions, type Inline } from "../core/markdown/inline.ts";
import type { Paint, Palette } from "./palette.ts";
import { toSafeText } from "./safe-lines.ts";
import { visibleWidth, wrapTextWithAnsi } from "./toolkit.ts";

export type MarkdownStyle = {
  readonly palette: Palette;
  /** The terminal follows links itself (OSC 8). */
  readonly hasLinks: boolean;
};

const LINK = /^(?:https?:\/\/|mailto:)/i;
/** A column of a table that has to give way keeps this width; where that is too wide as well, each row becomes a list. */
const MIN_COLUMN = 8;
const COLUMN_GAP = "  ";
const RULE_COLUMNS = 40;

/**
 * Markdown as lines of a terminal, for untrusted text. Linear in the text, because the parser is; blocks that a growing text has left as they
 * were are not wrapped again.
 */
export class MarkdownLines {
  readonly #style: MarkdownStyle;
  #blocks = new Map<string, readonly string[]>();

  constructor(style: MarkdownStyle) {
    this.#style = style;
  }

  render(text: string, width: number): string[] {
    const { blocks, definitions } = parseMarkdown(toSafeText(text));
    const kept = new Map<string, readonly string[]>();
    const lines: string[] = [];
    for (const { block, raw } of blocks) {
      const key = `${width}|${definitions.size}|${raw}`;
      const made = this.#blocks.get(key) ?? blockLines({ ...this.#style, definitions }, block, width);
      kept.set(key, made);
      if (lines.length > 0 && made.length > 0) lines.push("");
      lines.push(...made);
    }
    this.#blocks = kept;
    return lines;
  }
}

type Context = MarkdownStyle & { readonly definitions: Definitions };

const wrap = (text: string, width: number): string[] => wrapTextWithAnsi(text, Math.max(1, width));

/** `first` precedes the first line, as many spaces every other. */
function hang(lines: readonly string[], first: string): string[] {
  const indent = " ".repeat(visibleWidth(first));
  return lines.map((line, at) => (at === 0 ? first + line : line === "" ? "" : indent + line));
}

/** The nesting of blocks is bounded by the parser. */
function blockLines(context: Context, block: MarkdownBlock, width: number): string[] {
  const { palette } = context;
  switch (block.type) {
    case "paragraph":
      return wrap(inlineText(context, block.text), width);
    case "heading":
      return wrap(headingText(context, block), width);
    case "code":
      return codeLines(context, block, width);
    case "quote": {
      const bar = palette.dim("│ ");
      return stacked(context, block.blocks, width - 2, true).map((line) => bar + line);
    }
    case "list":
      return listLines(context, block, width);
    case "table":
      return tableLines(context, block, width);
    case "html":
      return toSafeText(block.text)
        .split("\n")
        .flatMap((line) => wrap(line, width));
    case "rule":
      return [palette.dim("─".repeat(Math.min(width, RULE_COLUMNS)))];
  }
}

function headingText(context: Context, { level, text }: MarkdownBlock & { type: "heading" }): string {
  const { palette } = context;
  const inner = palette.bold(inlineText(context, text));
  return level === 1 ? palette.accent(palette.underline(inner)) : level === 2 ? palette.accent(inner) : inner;
}

/** Blocks below each other, with an empty line between them where they are `loose`. */
function stacked(context: Context, blocks: readonly MarkdownBlock[], width: number, loose: boolean): string[] {
  const lines: string[] = [];
  for (const block of blocks) {
    if (lines.length > 0 && loose) lines.push("");
    lines.push(...blockLines(context, block, width));
  }
  return lines;
}

/** Code keeps its spaces; a line that is too long is broken anywhere, so that nothing of it is hidden. */
function codeLines({ palette }: Context, { text, language }: MarkdownBlock & { type: "code" }, width: number): string[] {
  const name = /^[\w+#.-]{1,24}/.exec(language)?.[0] ?? "";
  const body = toSafeText(text)
    .split("\n")
    .flatMap((line) => breakAnywhere(line, Math.max(1, width - 2)))
    .map((line) => (line === "" ? "" : `  ${palette.code(line)}`));
  return name === "" ? body : [palette.dim(`  ${name}`), ...body];
}

/** Pieces of at most `width` columns. */
export function breakAnywhere(line: string, width: number): string[] {
  if (visibleWidth(line) <= width) return [line];
  const pieces: string[] = [];
  let piece = "";
  let used = 0;
  for (const char of line) {
    const columns = visibleWidth(char);
    if (used + columns > width && piece !== "") {
      pieces.push(piece);
      piece = "";
      used = 0;
    }
    piece += char;
    used += columns;
  }
  return [...pieces, piece];
}

function listLines(context: Context, list: MarkdownBlock & { type: "list" }, width: number): string[] {
  const lines: string[] = [];
  for (const [at, item] of list.items.entries()) {
    if (at > 0 && list.loose) lines.push("");
    const mark = list.ordered ? `${list.start + at}. ` : "• ";
    lines.push(...itemLines(context, item, list.loose, { mark, width }));
  }
  return lines;
}

function itemLines(context: Context, item: ListItem, loose: boolean, { mark, width }: { mark: string; width: number }): string[] {
  const box = item.checked === null ? "" : item.checked ? "[x] " : "[ ] ";
  const lead = context.palette.accent(mark) + box;
  const inner = stacked(context, item.blocks, width - visibleWidth(lead), loose);
  return inner.length === 0 ? [lead] : hang(inner, lead);
}

type Table = MarkdownBlock & { type: "table" };

function tableLines(context: Context, table: Table, width: number): string[] {
  const rows = [table.header, ...table.rows].map((row) => row.map((cell) => inlineText(context, cell)));
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = fitColumns(rows, columns, width);
  if (widths === null) return tableAsList(context, rows, width);
  const head = rowLines(rows[0]!, widths, table.align).map(context.palette.bold);
  const rule = context.palette.dim(widths.map((each) => "─".repeat(each)).join(COLUMN_GAP));
  return [...head, rule, ...rows.slice(1).flatMap((row) => rowLines(row, widths, table.align))];
}

/** What the columns need, less what the widest give up; null where they cannot be made to fit. */
function fitColumns(rows: readonly (readonly string[])[], columns: number, width: number): number[] | null {
  const widths = Array.from({ length: columns }, (_, at) => Math.max(1, ...rows.map((row) => visibleWidth(row[at] ?? ""))));
  const gaps = COLUMN_GAP.length * (columns - 1);
  for (let over = widths.reduce((sum, each) => sum + each, gaps) - width; over > 0; over -= 1) {
    const widest = widths.indexOf(Math.max(...widths));
    if (widths[widest]! <= MIN_COLUMN) return null;
    widths[widest]! -= 1;
  }
  return widths;
}

function rowLines(row: readonly string[], widths: readonly number[], align: readonly Align[]): string[] {
  const cells = widths.map((width, at) => wrap(row[at] ?? "", width));
  const height = Math.max(...cells.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) =>
    widths
      .map((width, at) => pad(cells[at]![line] ?? "", width, align[at] ?? null))
      .join(COLUMN_GAP)
      .trimEnd(),
  );
}

function pad(text: string, width: number, align: Align): string {
  const space = Math.max(0, width - visibleWidth(text));
  const left = align === "right" ? space : align === "center" ? Math.floor(space / 2) : 0;
  return " ".repeat(left) + text + " ".repeat(space - left);
}

function tableAsList({ palette }: Context, [header = [], ...rows]: readonly (readonly string[])[], width: number): string[] {
  return rows.flatMap((row, at) => {
    const lines = row.flatMap((cell, column) => hang(wrap(`${palette.bold(header[column] ?? "")} ${cell}`, width - 2), "  "));
    return at === 0 ? lines : ["", ...lines];
  });
}

/** The markup inside a paragraph as styled text; line breaks are those of the text. */
function inlineText(context: Context, text: string): string {
  const { palette } = context;
  const open: { paint: Paint; href: string | null; label: string }[] = [];
  let out = "";
  const add = (styled: string, label: string): void => {
    for (const each of open) each.label += label;
    out += open.toReversed().reduce((inner, { paint }) => paint(inner), styled);
  };
  for (const token of parseInline(text, context.definitions)) {
    if (token.type === "text") add(toSafeText(token.text), token.text);
    else if (token.type === "code") add(palette.code(toSafeText(token.text)), token.text);
    else if (token.type === "break") out += "\n";
    else if (token.type === "image") add(imageText(context, token), token.alt);
    else if (token.type === "open") open.push(toOpen(context, token));
    else out += addressAfter(context, open.pop());
  }
  return out;
}

const toStyle = { strong: "bold", em: "italic", strike: "strike" } as const;

function toOpen({ palette, hasLinks }: Context, token: Inline & { type: "open" }): { paint: Paint; href: string | null; label: string } {
  if (token.style !== "link") return { paint: palette[toStyle[token.style]], href: null, label: "" };
  const href = toSafeHref(token.href ?? "");
  const paint: Paint = (text) => (href !== null && hasLinks ? toLink(palette.underline(text), href) : palette.underline(text));
  return { paint, href: href ?? toSafeText(token.href ?? ""), label: "" };
}

const toLink = (text: string, href: string): string => `\u001b]8;;${href}\u001b\\${text}\u001b]8;;\u001b\\`;

/** Where a link leads is always said: its label is the model's own words. */
function addressAfter({ palette }: Context, link: { href: string | null; label: string } | undefined): string {
  if (link === undefined || link.href === null || link.href === "") return "";
  const { href } = link;
  const label = link.label.trim();
  const isSame = [
    href,
    href.replace(/^mailto:/i, ""),
    href.replace(/\/$/, ""),
    href.replace(/^https?:\/\//i, "").replace(/\/$/, ""),
  ].includes(label);
  return isSame ? "" : palette.dim(` (${href})`);
}

/** The address in a form without anything that could end the sequence that carries it; null where a click may not lead there. */
function toSafeHref(href: string): string | null {
  const text = href.trim();
  if (!LINK.test(text) || !URL.canParse(text)) return null;
  const safe = new URL(text).href;
  return /^[\u0021-\u007e]+$/.test(safe) ? safe : null;
}

function imageText(context: Context, { href, alt }: Inline & { type: "image" }): string {
  const safe = toSafeHref(href);
  const name = toSafeText(alt) || "picture";
  return `[${name}]${safe === null ? "" : context.palette.dim(` (${safe})`)}`;
}
