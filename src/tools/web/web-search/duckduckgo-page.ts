import { decodeText } from "../decode-text.ts";
import { parseHtml, type HtmlElement } from "../html-tree.ts";
import type { SearchHit } from "./search-provider.ts";

export type ResultPageRequest = { bytes: Uint8Array; charset: string | null };
/** `isChallenge`: the page asks for a proof that a person searches. */
export type ResultPage = { hits: readonly SearchHit[]; isChallenge: boolean };

/** The results on a page of DuckDuckGo for browsers without scripts, without advertisements. Pure. */
export function readResultPage({ bytes, charset }: ResultPageRequest): ResultPage {
  const { root } = parseHtml(decodeText(bytes, charset));
  const hits = findAll(root, (element) => hasClass(element, "result") && !hasClass(element, "result--ad")).flatMap((result) => {
    const [link] = findAll(result, (element) => hasClass(element, "result__a"));
    const [snippet] = findAll(result, (element) => hasClass(element, "result__snippet"));
    const url = targetOf(link?.attributes.href);
    return link === undefined || url === null ? [] : [{ title: textOf(link), url, snippet: snippet ? textOf(snippet) : "" }];
  });
  return { hits, isChallenge: findAll(root, ({ attributes }) => attributes.id === "challenge-form").length > 0 };
}

const hasClass = ({ attributes }: HtmlElement, name: string): boolean => attributes.class?.split(/\s/).includes(name) ?? false;

/** The elements that `matches` accepts, but for those inside of another one, in order. */
function findAll(root: HtmlElement, matches: (element: HtmlElement) => boolean): HtmlElement[] {
  const found: HtmlElement[] = [];
  const visit = (element: HtmlElement): void => {
    for (const child of element.children) {
      if (typeof child === "string") continue;
      if (matches(child)) found.push(child);
      else visit(child);
    }
  };
  visit(root);
  return found;
}

const textOf = (element: HtmlElement): string =>
  element.children
    .map((child) => (typeof child === "string" ? child : textOf(child)))
    .join("")
    .replaceAll(/\s{2,}|\s/g, " ")
    .trim();

/** Where a link leads: some go through a page of DuckDuckGo that has the address in `uddg`, and those of advertisements through `y.js`. */
function targetOf(href: string | undefined): string | null {
  const url = URL.parse(href ?? "", "https://duckduckgo.com/");
  if (url === null) return null;
  const isOwn = url.hostname === "duckduckgo.com" || url.hostname.endsWith(".duckduckgo.com");
  const target = isOwn ? URL.parse(url.searchParams.get("uddg") ?? "") : url;
  return target !== null && /^https?:$/.test(target.protocol) ? target.href : null;
}
