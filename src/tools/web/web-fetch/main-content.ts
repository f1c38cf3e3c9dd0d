import { isHeading, setOf, type HtmlElement, type HtmlNode } from "../html-tree.ts";

/** Characters without white space, outside of links and in them. */
type Weight = { text: number; link: number; links: number };
type Weights = ReadonlyMap<HtmlElement, Weight>;

const SURROUNDING_NAMES = setOf("nav footer aside");
const SURROUNDING_ROLES = setOf("navigation banner contentinfo complementary search menu menubar toolbar dialog alertdialog");
/** Words of a class or an id that sites give to what surrounds the content. */
const SURROUNDING_WORDS =
  /(?:^|[\s_-])(?:nav|navbar|navigation|menu|sidebar|side-bar|breadcrumbs?|footer|cookies?|consent|share|sharing|social|related|recommended|recirc|newsletter|subscribe|signup|promo|advert|advertisement|ads?|sponsor|sponsored|outbrain|taboola|pagination|pager|toolbar|popup|modal|masthead|skip-link|noprint|printfooter|editsection)(?:$|[\s_-])/i;

/** Shares of the text of a page. */
const SHARE = {
  /** An element that a word calls surrounding is content when it has this much. */
  content: 0.4,
  /** `main`, or the only article, is the content when it has this much. */
  marked: 0.3,
  /** An element that has this much of what is around it is the content. */
  dense: 0.9,
  /** A block is a list of links when they are this much of it. */
  links: 0.8,
  /** Lists of links are left out when they are at most this much; a page that has more is about them. */
  lists: 0.5,
} as const;

/** Links from which on a block can be a list of links. */
const LIST_LINKS = 4;

/** The part of a page that it is about, without navigation and similar; the whole page where no part is. Pure. */
export function findMainContent(page: HtmlElement): HtmlElement {
  const visible = withoutSurroundings(page);
  const weights = weigh(visible);
  return withoutLinkLists(descend(findMarked(visible, weights) ?? visible, weights), weights);
}

/** A page without what it hides. Pure. */
export const withoutHidden = (page: HtmlElement): HtmlElement => filter(page, (element) => !isHidden(element));

function withoutSurroundings(page: HtmlElement): HtmlElement {
  const shown = withoutHidden(page);
  const weights = weigh(shown);
  const most = SHARE.content * weights.get(shown)!.text;
  return filter(shown, (element) => !isSurrounding(element) || weights.get(element)!.text > most);
}

function isHidden({ attributes }: HtmlElement): boolean {
  // MediaWiki hides the source of a formula behind a picture of it.
  if (attributes.class?.startsWith("mwe-math-mathml")) return false;
  if (attributes.hidden !== undefined || attributes["aria-hidden"] === "true") return true;
  const { style } = attributes;
  return style !== undefined && /(?:display\s{0,9}:\s{0,9}none|visibility\s{0,9}:\s{0,9}hidden)/i.test(style);
}

function isSurrounding({ name, attributes }: HtmlElement): boolean {
  if (name === "main" || name === "article" || name === "body") return false;
  if (SURROUNDING_NAMES.has(name) || SURROUNDING_ROLES.has(attributes.role ?? "")) return true;
  return SURROUNDING_WORDS.test(attributes.class ?? "") || SURROUNDING_WORDS.test(attributes.id ?? "");
}

/** A copy with only the elements that `keeps` accepts. The depth is limited by the tree. */
function filter(element: HtmlElement, keeps: (element: HtmlElement) => boolean): HtmlElement {
  const children = element.children.flatMap((child): HtmlNode[] => {
    if (typeof child === "string") return [child];
    return keeps(child) ? [filter(child, keeps)] : [];
  });
  return { ...element, children };
}

function weigh(root: HtmlElement): Weights {
  const weights = new Map<HtmlElement, Weight>();
  const visit = (element: HtmlElement, inLink: boolean): Weight => {
    const weight = { text: 0, link: 0, links: element.name === "a" ? 1 : 0 };
    for (const child of element.children) {
      if (typeof child === "string") weight[inLink ? "link" : "text"] += countChars(child);
      else {
        const inner = visit(child, inLink || child.name === "a");
        weight.text += inner.text;
        weight.link += inner.link;
        weight.links += inner.links;
      }
    }
    weights.set(element, weight);
    return weight;
  };
  visit(root, false);
  return weights;
}

function countChars(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 32) count += 1;
  return count;
}

/** What the page itself marks as its content. */
function findMarked(page: HtmlElement, weights: Weights): HtmlElement | null {
  const found: HtmlElement[] = [];
  const visit = (element: HtmlElement): void => {
    for (const child of element.children) {
      if (typeof child === "string") continue;
      if (child.name === "main" || child.name === "article" || child.attributes.role === "main") found.push(child);
      else visit(child);
    }
  };
  visit(page);
  const least = SHARE.marked * weights.get(page)!.text;
  const [only, other] = found.filter((element) => weights.get(element)!.text >= least);
  return only !== undefined && other === undefined ? only : null;
}

/** What only arranges other elements, besides elements that a site names itself. */
const CONTAINERS = setOf("html body main article section div center form");
const isContainer = (name: string): boolean => CONTAINERS.has(name) || name.includes("-");

/** The innermost container that has almost all of the text. */
function descend(from: HtmlElement, weights: Weights): HtmlElement {
  let at = from;
  for (;;) {
    const least = SHARE.dense * weights.get(at)!.text;
    const next = at.children.find((child) => typeof child !== "string" && isContainer(child.name) && weights.get(child)!.text > least);
    if (next === undefined || typeof next === "string") return at;
    at = next;
  }
}

function withoutLinkLists(content: HtmlElement, weights: Weights): HtmlElement {
  const lists = new Set<HtmlElement>();
  let chars = 0;
  const visit = (element: HtmlElement): void => {
    for (const child of element.children) {
      if (typeof child === "string") continue;
      const { text, link, links } = weights.get(child)!;
      if (links >= LIST_LINKS && link >= SHARE.links * (text + link) && !hasHeading(child)) {
        lists.add(child);
        chars += text + link;
      } else visit(child);
    }
  };
  visit(content);
  const { text, link } = weights.get(content)!;
  return chars > SHARE.lists * (text + link) ? content : filter(content, (element) => !lists.has(element));
}

const hasHeading = (element: HtmlElement): boolean =>
  isHeading(element.name) || element.children.some((child) => typeof child !== "string" && hasHeading(child));
