import type { HtmlElement } from "../html-tree.ts";
import { WEB_LIMITS } from "../web-limits.ts";

/** The cells of a table by rows; a row may have fewer than `columns`. */
export type Table = { rows: readonly (readonly HtmlElement[])[]; columns: number; caption: HtmlElement | null };

/** What no cell of a simple table has. */
const COMPLEX = new Set(["table", "pre", "ul", "ol", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hr"]);

/** The rows of a table that can be written as lines; null for one that only arranges blocks, or has a single row or column. Pure. */
export function readTable(table: HtmlElement): Table | null {
  const rows: HtmlElement[][] = [];
  let caption: HtmlElement | null = null;
  const visit = (element: HtmlElement): void => {
    for (const child of element.children) {
      if (typeof child === "string") continue;
      if (child.name === "tr") rows.push(cellsOf(child));
      else if (child.name === "caption") caption ??= child;
      else visit(child);
    }
  };
  visit(table);
  const filled = rows.filter((cells) => cells.length > 0);
  const columns = filled.reduce((most, cells) => Math.max(most, cells.length), 0);
  if (filled.length < 2 || columns < 2 || columns > WEB_LIMITS.tableColumns || filled.flat().some(isComplex)) return null;
  return { rows: filled, columns, caption };
}

const cellsOf = (row: HtmlElement): HtmlElement[] =>
  row.children.filter((child): child is HtmlElement => typeof child !== "string" && (child.name === "td" || child.name === "th"));

function isComplex(element: HtmlElement): boolean {
  if (COMPLEX.has(element.name)) return true;
  let paragraphs = 0;
  for (const child of element.children) {
    if (typeof child === "string") continue;
    if (child.name === "p") paragraphs += 1;
    if (paragraphs > 1 || isComplex(child)) return true;
  }
  return false;
}
