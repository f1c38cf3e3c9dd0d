/** Markdown to HTML, for untrusted text. Raw HTML is shown as text, images from elsewhere become links. Needs no DOM. */
import { parseMarkdown, type MarkdownBlock, type ListItem } from "../../src/core/markdown/blocks.ts";
import { parseInline, type Definitions, type Inline } from "../../src/core/markdown/inline.ts";
import { highlight } from "./highlight.ts";

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

const anchorStart = (href: string, title: string | undefined): string =>
  `<a href="${escapeHtml(href)}"${title ? ` title="${escapeHtml(title)}"` : ""} target="_blank" rel="noopener noreferrer">`;
const anchor = (href: string, inner: string, title: string): string => `${anchorStart(href, title)}${inner}</a>`;

function hostOf(href: string): string {
  return URL.canParse(href) ? new URL(href).host : href;
}

const TAGS = { strong: "strong", em: "em", strike: "del" } as const;

function toPicture(token: Inline & { type: "image" }): string {
  const { href, alt, title } = token;
  const name = alt === "" ? "Picture" : alt;
  // Data that is not a picture shows its name.
  if (PICTURE.test(href)) return `<img src="${escapeHtml(href)}" alt="${escapeHtml(name)}">`;
  const safe = toSafeHref(href);
  return safe === null ? escapeHtml(name) : anchor(safe, `${escapeHtml(name)} (picture at ${escapeHtml(hostOf(safe))})`, title);
}

/** A file of the gateway's machine cannot be opened from here: its address follows the label. */
const refusedAddress = (href: string): string => (/^file:/i.test(href) ? ` (<code>${escapeHtml(href)}</code>)` : "");

function inlineHtml(text: string, definitions: Definitions): string {
  let html = "";
  /** The end tags of what is open; empty for a link that leads nowhere, whose label stays. */
  const ends: string[] = [];
  for (const token of parseInline(text, definitions)) {
    if (token.type === "text") html += escapeHtml(token.text);
    else if (token.type === "code") html += `<code>${escapeHtml(token.text)}</code>`;
    else if (token.type === "break") html += "<br>";
    else if (token.type === "image") html += toPicture(token);
    else if (token.type === "close") html += ends.pop() ?? "";
    else if (token.style === "link") {
      const href = toSafeHref(token.href ?? "");
      if (href !== null) html += anchorStart(href, token.title);
      ends.push(href === null ? refusedAddress(token.href ?? "") : "</a>");
    } else {
      html += `<${TAGS[token.style]}>`;
      ends.push(`</${TAGS[token.style]}>`);
    }
  }
  return html;
}

const coloredHtml = (text: string, language: string): string =>
  highlight(text, language)
    .map((piece) => (piece.kind === null ? escapeHtml(piece.text) : `<span class="code-${piece.kind}">${escapeHtml(piece.text)}</span>`))
    .join("");

function codeHtml(text: string, language: string): string {
  const name = /^[\w+#.-]{1,24}/.exec(language)?.[0] ?? "";
  const head = `<div class="code-head"><span>${escapeHtml(name || "text")}</span><button type="button" data-copy="code">Copy</button></div>`;
  return `<div class="code">${head}<pre tabindex="0" dir="ltr"><code>${coloredHtml(text, name)}</code></pre></div>`;
}

function tableHtml({ align, header, rows }: MarkdownBlock & { type: "table" }, definitions: Definitions): string {
  const line = (cells: readonly string[], tag: "th" | "td"): string => {
    const parts = cells.map((cell, at) => `<${tag}${align[at] ? ` align="${align[at]}"` : ""}>${inlineHtml(cell, definitions)}</${tag}>`);
    return `<tr>${parts.join("")}</tr>`;
  };
  const body = rows.length > 0 ? `<tbody>${rows.map((row) => line(row, "td")).join("")}</tbody>` : "";
  return `<div class="table" tabindex="0"><table><thead>${line(header, "th")}</thead>${body}</table></div>`;
}

function itemHtml({ checked, blocks }: ListItem, loose: boolean, definitions: Definitions): string {
  const box = checked === null ? "" : checked ? "☑ " : "☐ ";
  const parts = blocks.map((block, at) => {
    const prefix = at === 0 ? box : "";
    if (block.type !== "paragraph") return prefix + blockHtml(block, definitions);
    const inner = prefix + inlineHtml(block.text, definitions);
    return loose ? `<p>${inner}</p>\n` : inner;
  });
  return `<li${checked === null ? "" : ' class="task"'}>${parts.join("")}</li>\n`;
}

/** The nesting of blocks is bounded by the parser. */
function blockHtml(block: MarkdownBlock, definitions: Definitions): string {
  switch (block.type) {
    case "paragraph":
      return `<p>${inlineHtml(block.text, definitions)}</p>\n`;
    case "heading":
      return `<h${block.level}>${inlineHtml(block.text, definitions)}</h${block.level}>\n`;
    case "code":
      return codeHtml(block.text, block.language);
    case "quote":
      return `<blockquote>\n${block.blocks.map((inner) => blockHtml(inner, definitions)).join("")}</blockquote>\n`;
    case "list": {
      const tag = block.ordered ? "ol" : "ul";
      const start = block.ordered && block.start !== 1 ? ` start="${block.start}"` : "";
      return `<${tag}${start}>\n${block.items.map((item) => itemHtml(item, block.loose, definitions)).join("")}</${tag}>\n`;
    }
    case "table":
      return tableHtml(block, definitions);
    case "html":
      return `<p>${escapeHtml(block.text).replaceAll("\n", "<br>")}</p>\n`;
    case "rule":
      return "<hr>\n";
  }
}

/** Elements of one block, and blocks of one text, that a browser lays out without a pause; beyond them the text is shown as it was written. */
const MAX_ELEMENTS = 10_000;
const MAX_BLOCKS = 2_000;

/** A block within the bounds of the page. */
function boundedHtml(block: MarkdownBlock, raw: string, definitions: Definitions): string {
  const html = blockHtml(block, definitions);
  let elements = 0;
  // Text is escaped: every angle bracket begins a tag.
  for (let at = html.indexOf("<"); at >= 0; at = html.indexOf("<", at + 1)) if (++elements > 2 * MAX_ELEMENTS) return codeHtml(raw, "");
  return html;
}

/** `id` changes when the HTML would. `toHtml` is the expensive part. */
export type RenderedBlock = { key: string; id: string; toHtml: () => string };

/**
 * The top-level blocks of a text, so that a growing text only changes its last one. The HTML still goes through the browser's
 * sanitiser: this renderer is the first wall, not the only one. Never throws; linear in the text.
 */
export function splitMarkdownBlocks(text: string): readonly RenderedBlock[] {
  const { blocks, definitions } = parseMarkdown(text);
  const shown = blocks.slice(0, MAX_BLOCKS).map(({ block, raw }, at) => ({
    key: `${at}${block.type}`,
    id: `${definitions.size}|${raw}`,
    toHtml: () => boundedHtml(block, raw, definitions),
  }));
  if (blocks.length <= MAX_BLOCKS) return shown;
  const rest = blocks
    .slice(MAX_BLOCKS)
    .map(({ raw }) => raw)
    .join("\n\n");
  return [...shown, { key: "rest", id: rest, toHtml: () => codeHtml(rest, "") }];
}

/** The whole text as one string of HTML. */
export const markdownToHtml = (text: string): string =>
  splitMarkdownBlocks(text)
    .map((block) => block.toHtml())
    .join("");
