import { lexer, type Token, type Tokens } from "marked";

/** How a stretch of text looks. `link` carries its address in `info`, `block` (a code block) its language. */
export type Style = "bold" | "italic" | "strike" | "code" | "block" | "link" | "quote" | "heading";
/** `start` and `end` are offsets in UTF-16 units. */
export type Span = { start: number; end: number; style: Style; info?: string };
/** A text without markup, and how its stretches look. Spans nest, outer ones first; they never cross. */
export type Styled = { text: string; spans: readonly Span[] };

/**
 * Markdown as plain text with spans: what every platform's own markup is made from. Lists become lines with a mark, tables become
 * lines with bars, HTML stays as text. Pure; never throws.
 */
export function toStyled(markdown: string): Styled {
  const writer = new Writer();
  writer.blocks(lexer(markdown, { gfm: true, breaks: true }));
  return writer.done();
}

const ENTITIES: Readonly<Record<string, string>> = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" };
/** marked escapes some texts of its tokens for HTML. */
const unescaped = (text: string): string => text.replaceAll(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity]!);

class Writer {
  #text = "";
  readonly #spans: Span[] = [];

  done(): Styled {
    const text = this.#text.trimEnd();
    const spans = this.#spans
      .map((span) => ({ ...span, end: Math.min(span.end, text.length) }))
      .filter((span) => span.start < span.end)
      .toSorted((a, b) => a.start - b.start || b.end - a.end);
    return { text, spans };
  }

  blocks(tokens: readonly Token[]): void {
    for (const token of tokens) this.#block(token);
  }

  #block(token: Token): void {
    switch (token.type) {
      case "space":
        return;
      case "heading":
        this.#gap();
        return this.#styled("heading", () => this.#inline(token.tokens ?? []));
      case "code":
        this.#gap();
        return this.#styled("block", () => (this.#text += (token as Tokens.Code).text), (token as Tokens.Code).lang?.trim().split(/\s/)[0]);
      case "blockquote":
        this.#gap();
        return this.#styled("quote", () => this.blocks(token.tokens ?? []));
      case "list":
        this.#gap();
        return this.#list(token as Tokens.List, "");
      case "table":
        this.#gap();
        return this.#table(token as Tokens.Table);
      case "hr":
        this.#gap();
        this.#text += "———";
        return;
      case "paragraph":
        this.#gap();
        return this.#inline(token.tokens ?? []);
      default:
        this.#gap();
        if ("tokens" in token && token.tokens) this.#inline(token.tokens);
        else this.#text += ("text" in token ? String(token.text) : token.raw).trimEnd();
    }
  }

  /** An empty line between blocks; nothing at the start of a text or of a quote. */
  #gap(): void {
    if (this.#text === "" || this.#spans.some((span) => span.start === this.#text.length && span.end === -1)) return;
    const text = this.#text.trimEnd();
    for (const span of this.#spans) span.end = Math.min(span.end, text.length);
    this.#text = `${text}\n\n`;
  }

  #list(list: Tokens.List, indent: string): void {
    list.items.forEach((item, index) => {
      if (index > 0) this.#text += "\n";
      const box = item.task ? (item.checked ? "☑ " : "☐ ") : "";
      this.#text += `${indent}${list.ordered ? `${Number(list.start || 1) + index}.` : "•"} ${box}`;
      let first = true;
      for (const token of item.tokens) {
        if (token.type === "checkbox") continue;
        if (token.type === "list") {
          this.#text += "\n";
          this.#list(token as Tokens.List, `${indent}  `);
        } else if (token.type === "text" || token.type === "paragraph") {
          if (!first) this.#text += `\n${indent}  `;
          this.#inline(token.tokens ?? []);
        } else if (token.type !== "space") {
          this.#text += "\n";
          if (token.type === "code") this.#styled("block", () => (this.#text += token.text), token.lang);
          else this.#block(token);
        }
        first = false;
      }
    });
  }

  #table(table: Tokens.Table): void {
    [table.header, ...table.rows].forEach((row, index) => {
      if (index > 0) this.#text += "\n";
      row.forEach((cell, column) => {
        if (column > 0) this.#text += " | ";
        if (index === 0) this.#styled("bold", () => this.#inline(cell.tokens));
        else this.#inline(cell.tokens);
      });
    });
  }

  #inline(tokens: readonly Token[]): void {
    for (const token of tokens) this.#span(token);
  }

  #span(token: Token): void {
    const nested = (): void => this.#inline("tokens" in token ? (token.tokens ?? []) : []);
    switch (token.type) {
      case "strong":
        return this.#styled("bold", nested);
      case "em":
        return this.#styled("italic", nested);
      case "del":
        return this.#styled("strike", nested);
      case "codespan":
        return this.#styled("code", () => (this.#text += (token as Tokens.Codespan).text));
      case "link":
        return this.#link(token as Tokens.Link);
      case "image":
        return this.#link({ ...token, tokens: [] } as unknown as Tokens.Link);
      case "br":
        this.#text += "\n";
        return;
      case "escape":
        this.#text += unescaped((token as Tokens.Escape).text);
        return;
      default:
        if ("tokens" in token && token.tokens) nested();
        else this.#text += token.type === "text" ? unescaped((token as Tokens.Text).text) : token.raw;
    }
  }

  #link({ href, text, tokens }: Tokens.Link): void {
    const safe = /^(?:https?|mailto|tel|tg|ftp|xmpp|irc|ircs):/i.test(href);
    const label = (): void => (tokens.length > 0 ? this.#inline(tokens) : void (this.#text += text || href));
    if (safe) this.#styled("link", label, href);
    else label();
  }

  #styled(style: Style, write: () => void, info?: string): void {
    const span: Span = { start: this.#text.length, end: -1, style, ...(info && { info }) };
    this.#spans.push(span);
    write();
    span.end = this.#text.length;
  }
}

export type Marks = {
  /** Makes a stretch of plain text safe. `within`: the styles around it, outer first. */
  escape(text: string, within: readonly Style[]): string;
  open(span: Span, content: string): string;
  close(span: Span, content: string): string;
};

/** A styled text in a platform's own markup. Pure. */
export function render({ text, spans }: Styled, marks: Marks): string {
  let next = 0;
  const write = (from: number, to: number, within: readonly Style[]): string => {
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
