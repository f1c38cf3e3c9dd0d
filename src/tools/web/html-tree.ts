import { Tokenizer, type TokenizerCallbacks } from "htmlparser2";
import { WEB_LIMITS } from "./web-limits.ts";

/** A text, or an element. */
export type HtmlNode = string | HtmlElement;
export type HtmlElement = {
  /** In lower case. */
  readonly name: string;
  readonly attributes: Attributes;
  readonly children: HtmlNode[];
};

const KEPT_ATTRIBUTES = [
  "alt",
  "alttext",
  "aria-hidden",
  "class",
  "content",
  "hidden",
  "href",
  "id",
  "property",
  "role",
  "src",
  "start",
  "style",
] as const;
type AttributeName = (typeof KEPT_ATTRIBUTES)[number];
export type Attributes = Readonly<Partial<Record<AttributeName, string>>>;
const isKept = (name: string): name is AttributeName => KEPT_ATTRIBUTES.some((each) => each === name);

/** The words of a text. */
export const setOf = (names: string): ReadonlySet<string> => new Set(names.split(" "));

const VOID = setOf("area base br col embed hr img input link meta param source track wbr");
/** Nothing in them is text of the page. */
const DROPPED = setOf(
  "audio button canvas datalist dialog iframe input map noscript object optgroup option script select style svg template textarea video",
);
const BLOCKS = setOf(
  "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html li " +
    "main menu nav ol p pre search section summary table tbody td tfoot th thead tr ul",
);
export const isBlock = (name: string): boolean => BLOCKS.has(name);
export const isHeading = (name: string): boolean => /^h[1-6]$/.test(name);

const CELL_SCOPE = setOf("td th caption table html");
const TABLE_SCOPE = setOf("table html");
const LIST_SCOPE = setOf("ul ol menu dl td th caption table html");
const TABLE_PARTS = setOf("table thead tbody tfoot tr td th caption");

/** What an opening tag ends: open elements with these names, as far up as the nearest element of the scope. */
type Ended = { names: ReadonlySet<string>; scope: ReadonlySet<string> };
const DEFINITION: Ended = { names: setOf("dt dd"), scope: LIST_SCOPE };
const CELL: Ended = { names: setOf("td th caption"), scope: setOf("tr table html") };
const ROWS: Ended = { names: setOf("thead tbody tfoot caption"), scope: TABLE_SCOPE };
const PARAGRAPH: Ended = { names: setOf("p"), scope: CELL_SCOPE };
const ENDED_BY: ReadonlyMap<string, Ended> = new Map([
  ["li", { names: setOf("li"), scope: LIST_SCOPE }],
  ["dt", DEFINITION],
  ["dd", DEFINITION],
  ["tr", { names: setOf("tr caption"), scope: TABLE_SCOPE }],
  ["td", CELL],
  ["th", CELL],
  ["thead", ROWS],
  ["tbody", ROWS],
  ["tfoot", ROWS],
  ["body", { names: setOf("head"), scope: setOf("html") }],
  ["a", { names: setOf("a"), scope: CELL_SCOPE }],
]);

export type HtmlTree = { root: HtmlElement; /** The limits left the rest of the page out. */ isCut: boolean };

/**
 * The elements of a page, with less care than a browser for markup that is wrong. Elements that show no text are left out, and so is
 * what lies deeper than `treeDepth`: only the text of it is kept. Work and memory are linear in the length, whatever the markup. Pure.
 */
export function parseHtml(html: string): HtmlTree {
  const builder = new TreeBuilder(html);
  const tokenizer = new Tokenizer({ xmlMode: false, decodeEntities: true }, builder);
  builder.onLimit = () => tokenizer.pause();
  tokenizer.write(html);
  tokenizer.end();
  return { root: builder.root, isCut: builder.isCut };
}

class TreeBuilder implements TokenizerCallbacks {
  readonly root: HtmlElement = { name: "html", attributes: {}, children: [] };
  isCut = false;
  onLimit: () => void = () => {};
  readonly #html: string;
  readonly #stack: HtmlElement[] = [this.root];
  #elements = 0;
  /** Elements that were not opened because they would lie too deep. */
  #tooDeep = 0;
  /** Length of the stack from which on nothing is kept; 0 outside of dropped elements. */
  #droppedFrom = 0;
  #name = "";
  #attributes: Partial<Record<AttributeName, string>> = {};
  #attribute = "";
  #value = "";
  /** Text that is not yet in the tree: decoded characters, and after them a part of the source. */
  #decoded = "";
  #textStart = 0;
  #textEnd = 0;

  constructor(html: string) {
    this.#html = html;
  }

  onopentagname(start: number, end: number): void {
    this.#name = this.#html.slice(start, end).toLowerCase();
    this.#attributes = {};
  }

  onattribname(start: number, end: number): void {
    this.#attribute = end - start > 16 ? "" : this.#html.slice(start, end).toLowerCase();
    this.#value = "";
  }

  onattribdata(start: number, end: number): void {
    const rest = WEB_LIMITS.attributeChars - this.#value.length;
    if (rest > 0 && isKept(this.#attribute)) this.#value += this.#html.slice(start, Math.min(end, start + rest));
  }

  onattribentity(codepoint: number): void {
    if (this.#value.length < WEB_LIMITS.attributeChars) this.#value += String.fromCodePoint(codepoint);
  }

  onattribend(): void {
    if (isKept(this.#attribute)) this.#attributes[this.#attribute] ??= this.#value;
  }

  onopentagend(): void {
    this.#open();
  }

  onselfclosingtag(): void {
    this.#open();
    // In HTML the slash has no effect; drawings and formulas are XML.
    if (this.#droppedFrom > 0 && !VOID.has(this.#name)) this.#close(this.#name);
  }

  onclosetag(start: number, end: number): void {
    this.#addText();
    const name = this.#html.slice(start, end).toLowerCase();
    if (this.#tooDeep > 0 && !VOID.has(name)) this.#tooDeep -= 1;
    else if (name === "br") this.#add({ name, attributes: {}, children: [] });
    else if (name !== "html" && name !== "body") this.#close(name);
  }

  ontext(start: number, end: number): void {
    if (start !== this.#textEnd) {
      this.#decoded += this.#html.slice(this.#textStart, this.#textEnd);
      this.#textStart = start;
    }
    this.#textEnd = end;
  }

  ontextentity(codepoint: number): void {
    this.#decoded += this.#html.slice(this.#textStart, this.#textEnd) + String.fromCodePoint(codepoint);
    this.#textStart = this.#textEnd;
  }

  oncomment(): void {}
  oncdata(): void {}
  ondeclaration(): void {}
  onprocessinginstruction(): void {}

  onend(): void {
    this.#addText();
  }

  #addText(): void {
    const text = this.#decoded + this.#html.slice(this.#textStart, this.#textEnd);
    this.#decoded = "";
    this.#textStart = this.#textEnd;
    if (text !== "") this.#add(text);
  }

  #add(node: HtmlNode): void {
    if (this.#droppedFrom === 0) this.#stack.at(-1)!.children.push(node);
  }

  #open(): void {
    this.#addText();
    const name = this.#name;
    this.#elements += 1;
    if (this.#elements > WEB_LIMITS.treeElements) {
      this.isCut = true;
      return this.onLimit();
    }
    if (name === "html") return;
    if (this.#tooDeep === 0) this.#endBefore(name);
    const element: HtmlElement = { name, attributes: this.#attributes, children: [] };
    if (VOID.has(name)) return DROPPED.has(name) ? undefined : this.#add(element);
    if (this.#stack.length >= WEB_LIMITS.treeDepth) {
      this.#tooDeep += 1;
      return;
    }
    if (!DROPPED.has(name)) this.#add(element);
    this.#stack.push(element);
    if (this.#droppedFrom === 0 && DROPPED.has(name)) this.#droppedFrom = this.#stack.length;
  }

  /** Ends what an opening tag ends without a closing one. */
  #endBefore(name: string): void {
    const ended = ENDED_BY.get(name) ?? (isBlock(name) ? PARAGRAPH : null);
    if (ended !== null) this.#end(ended);
    if (isHeading(name) && isHeading(this.#stack.at(-1)!.name)) this.#popTo(this.#stack.length - 1);
  }

  #end({ names, scope }: Ended): void {
    for (let at = this.#stack.length - 1; at > 0; at--) {
      const { name } = this.#stack[at]!;
      if (names.has(name)) return this.#popTo(at);
      if (scope.has(name)) return;
    }
  }

  #close(name: string): void {
    const scope = TABLE_PARTS.has(name) ? TABLE_SCOPE : CELL_SCOPE;
    for (let at = this.#stack.length - 1; at > 0; at--) {
      const open = this.#stack[at]!.name;
      if (open === name) return this.#popTo(at);
      // A closing tag of a part of a line never ends the block around it.
      if (scope.has(open) || (!isBlock(name) && isBlock(open))) return;
    }
  }

  #popTo(length: number): void {
    this.#stack.length = length;
    if (length < this.#droppedFrom) this.#droppedFrom = 0;
  }
}
