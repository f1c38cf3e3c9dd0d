import { clip, codeFence, longestBackticks } from "../../../core/text.ts";
import { isBlock, type HtmlElement, type HtmlNode } from "../html-tree.ts";
import { WEB_LIMITS } from "../web-limits.ts";
import { readTable } from "./table.ts";

export type PageMode = "markdown" | "text";
export type WriterOptions = { mode: PageMode; /** What relative links are relative to. */ base: string };

const EMPHASIS: ReadonlyMap<string, string> = new Map([
  ["b", "**"],
  ["strong", "**"],
  ["em", "_"],
  ["i", "_"],
  ["del", "~~"],
  ["s", "~~"],
]);
/** The language of a code block, as highlighters name it in classes. */
const LANGUAGE = /(?:language-|lang-|highlight-source-|brush: ?)([a-z0-9+#]{1,20})/i;
const WHITE_SPACE = /[ \t\r\n\f]{2,}|[\t\r\n\f]/g;

/** An element as Markdown, or as plain text. Stops at `pageChars`. Pure. */
export function writePage(element: HtmlElement, options: WriterOptions): { text: string; isCut: boolean } {
  const writer = new PageWriter(options);
  writer.blocks(element.children);
  return writer.end();
}

/** What lies around a part of a line. */
type InlineContext = { emphasis: string; inLink: boolean };
const PLAIN: InlineContext = { emphasis: "", inLink: false };

class PageWriter {
  readonly #options: WriterOptions;
  readonly #isMarkdown: boolean;
  readonly #lines: string[] = [];
  #chars = 0;
  /** What begins every line: quotation marks and the indentation of lists. */
  #prefix = "";
  /** Replaces the end of the prefix in the next line: the mark of an item. */
  #mark: string | null = null;
  #needsGap = false;
  #listDepth = 0;
  /** Answers of `#breaksLine`, so that nested elements are looked through once. */
  readonly #breaking = new Map<HtmlElement, boolean>();

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#isMarkdown = options.mode === "markdown";
  }

  end(): { text: string; isCut: boolean } {
    return { text: clip(this.#lines.join("\n"), WEB_LIMITS.pageChars).trim(), isCut: this.#isFull };
  }

  get #isFull(): boolean {
    return this.#chars > WEB_LIMITS.pageChars;
  }

  /** Blocks one below the other; what lies between them is a paragraph. */
  blocks(nodes: readonly HtmlNode[]): void {
    let line = "";
    for (const node of nodes) {
      if (this.#isFull) return;
      if (typeof node === "string" || !this.#breaksLine(node)) line += this.#inline(node, PLAIN);
      else {
        this.#paragraph(line);
        line = "";
        this.#block(node);
      }
    }
    this.#paragraph(line);
  }

  /** Whether an element is a block, or has one inside that a line cannot hold. */
  #breaksLine(element: HtmlElement): boolean {
    if (isBlock(element.name)) return true;
    let breaks = this.#breaking.get(element);
    if (breaks === undefined) {
      breaks = element.children.some((child) => typeof child !== "string" && this.#breaksLine(child));
      this.#breaking.set(element, breaks);
    }
    return breaks;
  }

  #block(element: HtmlElement): void {
    const { name, children } = element;
    if (/^h[1-6]$/.test(name)) return this.#heading(Number(name[1]), children);
    if (name === "pre") return this.#code(element);
    if (name === "ul" || name === "ol" || name === "menu") return this.#list(element);
    if (name === "table") return this.#table(element);
    if (name === "blockquote") return this.#indented(this.#isMarkdown ? "> " : "  ", () => this.blocks(children));
    if (name === "dd") return this.#indented("  ", () => this.blocks(children));
    if (name === "hr") return this.#isMarkdown ? this.#paragraph("---") : undefined;
    if (name === "a") return this.#linkOfBlocks(element);
    return this.blocks(children);
  }

  /** A link around blocks: one line when it is short, else only its blocks. */
  #linkOfBlocks(element: HtmlElement): void {
    const text = this.#children(element.children, { emphasis: "*", inLink: true });
    if (text.length <= WEB_LIMITS.linkChars) this.#paragraph(this.#link(element, text));
    else this.blocks(element.children);
  }

  #heading(level: number, children: readonly HtmlNode[]): void {
    const text = toLine(this.#children(children, { ...PLAIN, emphasis: "*" })).replaceAll("\n", " ");
    if (text === "") return;
    this.#paragraph(this.#isMarkdown ? `${"#".repeat(level)} ${text}` : text);
  }

  #paragraph(raw: string): void {
    const text = toLine(raw);
    if (text === "") return;
    this.#gap();
    for (const line of text.split("\n")) this.#line(line);
    this.#needsGap = true;
  }

  #gap(): void {
    if (this.#needsGap && this.#mark === null) this.#line("");
    this.#needsGap = false;
  }

  #line(text: string): void {
    let prefix = this.#prefix;
    if (this.#mark !== null) prefix = prefix.slice(0, -this.#mark.length) + this.#mark;
    this.#mark = null;
    const line = text === "" ? prefix.trimEnd() : prefix + text;
    this.#lines.push(line);
    this.#chars += line.length + 1;
  }

  #indented(prefix: string, write: () => void): void {
    this.#gap();
    const outer = this.#prefix;
    const before = this.#lines.length;
    if (outer.length < WEB_LIMITS.indentChars) this.#prefix = outer + prefix;
    else this.#mark = null;
    write();
    this.#prefix = outer;
    this.#needsGap = this.#lines.length > before;
  }

  #list({ name, attributes, children }: HtmlElement): void {
    let number = name === "ol" ? Number.parseInt(attributes.start ?? "1", 10) || 1 : null;
    // A list inside of an item follows without an empty line.
    if (this.#listDepth === 0) this.#gap();
    this.#listDepth += 1;
    for (const child of children) {
      if (this.#isFull) return;
      if (typeof child === "string" && child.trim() === "") continue;
      const mark = number === null ? "- " : `${number++}. `;
      this.#needsGap = false;
      this.#indented(" ".repeat(mark.length), () => {
        if (this.#prefix.length < WEB_LIMITS.indentChars) this.#mark = mark;
        this.blocks(typeof child !== "string" && child.name === "li" ? child.children : [child]);
        this.#mark = null;
      });
    }
    this.#listDepth -= 1;
  }

  #code(element: HtmlElement): void {
    const text = rawText(element)
      .replace(/^\r?\n/, "")
      .trimEnd();
    if (text.trim() === "") return;
    this.#gap();
    const fence = this.#isMarkdown ? codeFence(text) : "";
    if (fence !== "") this.#line(fence + languageOf(element));
    for (const line of text.split(/\r?\n/)) this.#line(line);
    if (fence !== "") this.#line(fence);
    this.#needsGap = true;
  }

  #table(element: HtmlElement): void {
    const table = readTable(element);
    if (table === null) return this.blocks(element.children);
    if (table.caption) this.#paragraph(this.#children(table.caption.children, PLAIN));
    this.#gap();
    for (const [index, row] of table.rows.entries()) {
      if (this.#isFull) return;
      const cells = Array.from({ length: table.columns }, (_, at) => this.#cell(row[at]));
      this.#line(this.#isMarkdown ? `| ${cells.join(" | ")} |` : cells.join(" | "));
      if (index === 0 && this.#isMarkdown) this.#line(`|${" --- |".repeat(table.columns)}`);
    }
    this.#needsGap = true;
  }

  #cell(cell: HtmlElement | undefined): string {
    if (cell === undefined) return "";
    const text = toLine(this.#children(cell.children, PLAIN)).replaceAll("\n", " ");
    return this.#isMarkdown ? text.replaceAll("|", "\\|") : text;
  }

  #children(nodes: readonly HtmlNode[], context: InlineContext): string {
    let text = "";
    for (const node of nodes) text += this.#inline(node, context);
    return text;
  }

  #inline(node: HtmlNode, context: InlineContext): string {
    if (typeof node === "string") return node.replaceAll(WHITE_SPACE, " ");
    const { name, children } = node;
    if (name === "br") return "\n";
    if (name === "img") return this.#image(node);
    if (name === "math") return toFormula(node);
    if (name === "a") return this.#link(node, this.#children(children, { ...context, inLink: true }), context);
    if (!this.#isMarkdown) return isBlock(name) ? ` ${this.#children(children, context)} ` : this.#children(children, context);
    if (name === "code" || name === "kbd" || name === "samp") return toCode(rawText(node));
    const mark = EMPHASIS.get(name);
    if (mark === undefined || context.emphasis.includes(mark[0]!)) {
      return isBlock(name) ? ` ${this.#children(children, context)} ` : this.#children(children, context);
    }
    return surround(this.#children(children, { ...context, emphasis: context.emphasis + mark }), mark);
  }

  #image({ attributes }: HtmlElement): string {
    const alt = toLine(attributes.alt ?? "").replaceAll("\n", " ");
    if (!this.#isMarkdown || alt === "") return "";
    const url = this.#resolve(attributes.src);
    return url === null ? `[${alt}]` : `![${alt}](${url})`;
  }

  #link({ attributes }: HtmlElement, text: string, context: InlineContext = PLAIN): string {
    if (!this.#isMarkdown || context.inLink || text.trim() === "") return text;
    const url = this.#resolve(attributes.href);
    return url === null ? text : surround(text.replaceAll("\n", " "), "[", `](${url})`);
  }

  /** An address that can be fetched; null for scripts, embedded data and places of the same page. */
  #resolve(reference: string | undefined): string | null {
    if (!reference || reference.startsWith("#") || reference.length >= WEB_LIMITS.attributeChars) return null;
    const url = URL.parse(reference, this.#options.base);
    if (url === null || (url.protocol !== "http:" && url.protocol !== "https:" && url.protocol !== "mailto:")) return null;
    return url.href.replaceAll("(", "%28").replaceAll(")", "%29");
  }
}

/** White space between marks and text lies outside of the marks. */
function surround(text: string, before: string, after = before): string {
  const inner = text.trim();
  if (inner === "") return text;
  const start = text.indexOf(inner);
  return `${text.slice(0, start)}${before}${inner}${after}${text.slice(start + inner.length)}`;
}

/** Text of one line or of several, without needless spaces. Every pattern takes linear time. */
const toLine = (text: string): string =>
  text
    .replaceAll(/ {2,}/g, " ")
    .replaceAll(/ ?\n ?/g, "\n")
    .replaceAll(/\n{3,}/g, "\n\n")
    .trim();

function toCode(raw: string): string {
  const text = raw.replaceAll(WHITE_SPACE, " ").trim();
  if (text === "") return "";
  const fence = "`".repeat(longestBackticks(text) + 1);
  return fence.length === 1 ? `\`${text}\`` : `${fence} ${text} ${fence}`;
}

/** A formula as its author wrote it, where the page has that. */
function toFormula(element: HtmlElement): string {
  const source = toLine((findSource(element) ?? element.attributes.alttext ?? rawText(element)).replaceAll(WHITE_SPACE, " "));
  return source === "" ? "" : `$${source}$`;
}

function findSource(element: HtmlElement): string | null {
  for (const child of element.children) {
    if (typeof child === "string") continue;
    const source = child.name === "annotation" ? rawText(child) : findSource(child);
    if (source !== null) return source;
  }
  return null;
}

function languageOf(element: HtmlElement): string {
  const inner = element.children.find((child) => typeof child !== "string" && child.name === "code");
  const classes = [element, inner].map((each) => (typeof each === "object" ? (each.attributes.class ?? "") : "")).join(" ");
  return LANGUAGE.exec(classes)?.[1]?.toLowerCase() ?? "";
}

/** The text as it is, for code. */
function rawText(element: HtmlElement): string {
  let text = "";
  for (const child of element.children) {
    if (typeof child === "string") text += child;
    else text += child.name === "br" ? "\n" : rawText(child);
  }
  return text;
}
