import { clip } from "../../../core/text.ts";
import { parseHtml, type HtmlElement } from "../html-tree.ts";
import { WEB_LIMITS } from "../web-limits.ts";
import { findMainContent, withoutHidden } from "./main-content.ts";
import { writePage, type PageMode } from "./page-writer.ts";

/** `isCut`: a limit left out the rest. */
export type ReadPage = { title: string; text: string; isCut: boolean };
export type HtmlOptions = {
  mode: PageMode;
  /** Only the part that the page is about. */ mainOnly: boolean;
  /** Address of the page. */ url: string;
};

/** The text of an HTML page. Takes time and memory in proportion to its length, whatever the markup. Pure. */
export function readHtml(html: string, { mode, mainOnly, url }: HtmlOptions): ReadPage {
  const { root, isCut } = parseHtml(html);
  const head = readHead(root);
  const base = URL.parse(head.base, url)?.href ?? url;
  const page = writePage(mainOnly ? findMainContent(root) : withoutHidden(root), { mode, base });
  return { title: head.title, text: page.text, isCut: isCut || page.isCut };
}

type Head = { title: string; base: string };

/** The title of a page, and what its links are relative to. */
function readHead(root: HtmlElement): Head {
  let title = "";
  let socialTitle = "";
  let base = "";
  const visit = (element: HtmlElement): void => {
    const { name, attributes, children } = element;
    if (name === "title") title ||= children.filter((child) => typeof child === "string").join("");
    else if (name === "meta" && attributes.property === "og:title") socialTitle ||= attributes.content ?? "";
    else if (name === "base") base ||= attributes.href ?? "";
    for (const child of children) if (typeof child !== "string") visit(child);
  };
  visit(root);
  return { title: clip((title.trim() || socialTitle).replaceAll(/\s+/g, " ").trim(), WEB_LIMITS.titleChars), base };
}
