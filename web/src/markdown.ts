/** Markdown to HTML, for text that nobody vouches for. Raw HTML is shown as text, images from elsewhere become links. Needs no DOM. */
import { Marked } from "marked";
import type { Token, Tokens } from "marked";

const LINK = /^(https?:\/\/|mailto:)/i;
const PICTURE = /^data:image\/(png|jpeg|gif|webp|avif);base64,[a-z0-9+/=\s]+$/i;

const escapes: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (char) => escapes[char] as string);

/** The address, when it is one that a click may open; otherwise null. */
export function toSafeHref(href: string): string | null {
  const clean = [...href.trim()].filter((char) => char.charCodeAt(0) > 0x1f).join("");
  if (!LINK.test(clean)) return null;
  return URL.canParse(clean) ? clean : null;
}

const anchor = (href: string, inner: string, title: string | null | undefined): string =>
  `<a href="${escapeHtml(href)}"${title ? ` title="${escapeHtml(title)}"` : ""} target="_blank" rel="noopener noreferrer">${inner}</a>`;

function hostOf(href: string): string {
  return URL.canParse(href) ? new URL(href).host : href;
}

const marked = new Marked({
  gfm: true,
  breaks: true,
  async: false,
  renderer: {
    html: ({ text }) => escapeHtml(text),
    code: ({ text, lang }) => {
      const name = /^[\w+#.-]{1,24}/.exec(lang ?? "")?.[0] ?? "";
      const head = `<div class="code-head"><span>${escapeHtml(name || "text")}</span><button type="button" data-copy="code">Copy</button></div>`;
      return `<div class="code">${head}<pre tabindex="0" dir="ltr"><code>${escapeHtml(text)}</code></pre></div>`;
    },
    link(token) {
      const inner = this.parser.parseInline(token.tokens);
      const href = toSafeHref(token.href);
      return href === null ? inner : anchor(href, inner, token.title);
    },
    image: ({ href, text, title }) => {
      if (PICTURE.test(href)) return `<img src="${escapeHtml(href)}" alt="${escapeHtml(text)}">`;
      const safe = toSafeHref(href);
      const name = text === "" ? "Picture" : text;
      return safe === null ? escapeHtml(name) : anchor(safe, `${escapeHtml(name)} (picture at ${escapeHtml(hostOf(safe))})`, title);
    },
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
    table(token) {
      const cell = (one: Tokens.TableCell, tag: string): string =>
        `<${tag}${one.align ? ` align="${one.align}"` : ""}>${this.parser.parseInline(one.tokens)}</${tag}>`;
      const head = token.header.map((one) => cell(one, "th")).join("");
      const body = token.rows.map((row) => `<tr>${row.map((one) => cell(one, "td")).join("")}</tr>`).join("");
      return `<div class="table" tabindex="0"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
    },
  },
});

/** `id` changes when the HTML would. Calling `toHtml` is the expensive part. */
export type MarkdownBlock = { key: string; id: string; toHtml: () => string };

/**
 * The top-level blocks of a text, so that a growing text only changes its last one. The HTML still goes through the browser's
 * sanitiser: this renderer is the first wall, not the only one.
 */
export function toMarkdownBlocks(text: string): readonly MarkdownBlock[] {
  const tokens = marked.lexer(text);
  const definitions = Object.keys(tokens.links).length;
  return tokens
    .filter((token) => token.type !== "space" && token.type !== "def")
    .map((token: Token, at) => ({ key: `${at}${token.type}`, id: `${definitions}|${token.raw}`, toHtml: () => marked.parser([token]) }));
}

/** The whole text as one string of HTML. */
export const toHtml = (text: string): string =>
  toMarkdownBlocks(text)
    .map((block) => block.toHtml())
    .join("");
