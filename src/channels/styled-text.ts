import { parseMarkdown, type MarkdownBlock } from "../core/markdown/blocks.ts";
import { parseInline, type Definitions } from "../core/markdown/inline.ts";

/** How a stretch of text looks. `link` carries its address in `info`, `block` (a code block) its language. */
export type TextStyle = "bold" | "italic" | "strike" | "code" | "block" | "link" | "quote" | "heading";
/** `start` and `end` are offsets in UTF-16 units. */
export type StyleSpan = { start: number; end: number; style: TextStyle; info?: string };
/** A text without markup, and how its stretches look. Spans nest, outer ones first; they never cross. */
export type StyledText = { text: string; spans: readonly StyleSpan[] };

/**
 * Markdown as plain text with spans: what every platform's own markup is made from. Lists become lines with a mark, tables become
 * lines with bars, HTML stays as text. Pure; never throws. Linear in the text, and spans nest at most MAX_BLOCK_DEPTH +
 * MAX_INLINE_DEPTH + 1 deep: what is nested deeper stays as it was written.
 */
export function parseStyledText(markdown: string): StyledText {
  const { blocks, definitions } = parseMarkdown(markdown);
  const writer = new Writer(definitions);
  writer.blocks(blocks.map(({ block }) => block));
  return writer.done();
}

/** The text of one line of Markdown without its markup; `link` writes a link whose label differs from its address. Pure. */
export function toPlainInlineText(markdown: string, link: (label: string, href: string) => string = (label) => label): string {
  let text = "";
  let label: { from: number; href: string } | null = null;
  for (const token of parseInline(markdown)) {
    if (token.type === "text" || token.type === "code") text += token.text;
    else if (token.type === "break") text += " ";
    else if (token.type === "image") text += token.alt === "" ? token.href : link(token.alt, token.href);
    else if (token.style === "link" && token.type === "open") label = { from: text.length, href: token.href ?? "" };
    else if (token.style === "link" && label) {
      const written = text.slice(label.from);
      const isSame = written === label.href || `mailto:${written}` === label.href || `http://${written}` === label.href;
      text = text.slice(0, label.from) + (written === "" ? label.href : isSame ? written : link(written, label.href));
      label = null;
    }
  }
  return text;
}

const STYLES = { strong: "bold", em: "italic", strike: "strike", link: "link" } as const;
const SAFE_LINK = /^(?:https?|mailto|tel|tg|ftp|xmpp|irc|ircs):/i;

class Writer {
  readonly #definitions: Definitions;
  /** The text in pieces: the whole is never looked at before it is finished. */
  readonly #pieces: string[] = [];
  #length = 0;
  readonly #spans: StyleSpan[] = [];
  /** Where a quote begins that has no block yet: no empty line in front of its first one. */
  #quoteAt = -1;
  /** The first span of the newest block: the only ones that may reach into blanks at the end. */
  #blockSpans = 0;

  constructor(definitions: Definitions) {
    this.#definitions = definitions;
  }

  done(): StyledText {
    this.#trimEnd();
    return { text: this.#pieces.join(""), spans: this.#spans.filter((span) => span.start < span.end) };
  }

  blocks(blocks: readonly MarkdownBlock[]): void {
    for (const block of blocks) {
      this.#gap();
      this.#block(block);
    }
  }

  #block(block: MarkdownBlock): void {
    this.#blockSpans = this.#spans.length;
    switch (block.type) {
      case "heading":
        return this.#styled("heading", () => this.#inline(block.text));
      case "code":
        return this.#styled("block", () => this.#write(block.text.trimEnd()), block.language.split(/\s/)[0]);
      case "quote":
        return this.#styled("quote", () => {
          this.#quoteAt = this.#length;
          this.blocks(block.blocks);
          this.#trimEnd();
        });
      case "list":
        return this.#list(block, "");
      case "table":
        return this.#table(block);
      case "rule":
        return this.#write("———");
      case "html":
        return this.#write(block.text);
      case "paragraph":
        return this.#inline(block.text);
    }
  }

  #write(text: string): void {
    if (text === "") return;
    this.#pieces.push(text);
    this.#length += text.length;
  }

  /** An empty line between blocks; nothing at the start of a text or of a quote. */
  #gap(): void {
    if (this.#length === 0 || this.#length === this.#quoteAt) return;
    this.#trimEnd();
    this.#write("\n\n");
  }

  #trimEnd(): void {
    const before = this.#length;
    while (this.#pieces.length > 0) {
      const last = this.#pieces.pop()!;
      const kept = last.trimEnd();
      this.#length -= last.length - kept.length;
      if (kept === "") continue;
      this.#pieces.push(kept);
      break;
    }
    if (this.#length === before) return;
    for (let i = this.#spans.length - 1; i >= this.#blockSpans; i--) {
      const span = this.#spans[i]!;
      span.end = Math.min(span.end, this.#length);
    }
  }

  #list(list: MarkdownBlock & { type: "list" }, indent: string): void {
    list.items.forEach(({ checked, blocks }, index) => {
      if (index > 0) this.#write("\n");
      const box = checked === null ? "" : checked ? "☑ " : "☐ ";
      this.#write(`${indent}${list.ordered ? `${list.start + index}.` : "•"} ${box}`);
      blocks.forEach((block, at) => {
        if (at > 0 || block.type === "list" || block.type === "code") this.#write("\n");
        if (block.type === "list") return this.#list(block, `${indent}  `);
        if (at > 0 && block.type === "paragraph") this.#write(`${indent}  `);
        this.#block(block);
      });
    });
  }

  #table({ header, rows }: MarkdownBlock & { type: "table" }): void {
    [header, ...rows].forEach((row, index) => {
      if (index > 0) this.#write("\n");
      row.forEach((cell, column) => {
        if (column > 0) this.#write(" | ");
        if (index === 0) this.#styled("bold", () => this.#inline(cell));
        else this.#inline(cell);
      });
    });
  }

  #inline(text: string): void {
    /** The open spans; null for a link that is none, whose label stays. */
    const open: (StyleSpan | null)[] = [];
    for (const token of parseInline(text, this.#definitions)) {
      switch (token.type) {
        case "text":
          this.#write(token.text);
          break;
        case "break":
          this.#write("\n");
          break;
        case "code":
          this.#styled("code", () => this.#write(token.text));
          break;
        case "image":
          this.#image(token.alt, token.href);
          break;
        case "open":
          open.push(token.style === "link" ? this.#openLink(token.href ?? "") : this.#open(STYLES[token.style]));
          break;
        case "close":
          this.#closeInline(open.pop() ?? null);
      }
    }
  }

  #image(alt: string, href: string): void {
    const span = this.#openLink(href);
    this.#write(alt || href);
    if (span) span.end = this.#length;
  }

  #openLink(href: string): StyleSpan | null {
    return SAFE_LINK.test(href) ? this.#open("link", href) : null;
  }

  #closeInline(span: StyleSpan | null): void {
    if (!span) return;
    // A link without a label is shown by its address.
    if (span.style === "link" && span.start === this.#length) this.#write(span.info ?? "");
    span.end = this.#length;
  }

  #open(style: TextStyle, info?: string): StyleSpan {
    const span: StyleSpan = { start: this.#length, end: -1, style, ...(info && { info }) };
    this.#spans.push(span);
    return span;
  }

  #styled(style: TextStyle, write: () => void, info?: string): void {
    const span = this.#open(style, info);
    write();
    span.end = this.#length;
  }
}

export type StyleMarkers = {
  /** Makes a stretch of plain text safe. `within`: the styles around it, outer first. */
  escape(text: string, within: readonly TextStyle[]): string;
  open(span: StyleSpan, content: string): string;
  close(span: StyleSpan, content: string): string;
};

/** A styled text in a platform's own markup. Pure. */
export function renderStyledText({ text, spans }: StyledText, marks: StyleMarkers): string {
  let next = 0;
  const write = (from: number, to: number, within: readonly TextStyle[]): string => {
    let out = "";
    let at = from;
    while (next < spans.length && spans[next]!.start < to) {
      const span = spans[next++]!;
      out += marks.escape(text.slice(at, span.start), within);
      const content = text.slice(span.start, span.end);
      out += marks.open(span, content) + write(span.start, span.end, [...within, span.style]) + marks.close(span, content);
      at = span.end;
    }
    return out + marks.escape(text.slice(at, to), within);
  };
  return write(0, text.length, []);
}
