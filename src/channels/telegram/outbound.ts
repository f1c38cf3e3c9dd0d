import { render, toStyled, type Span, type Style, type Styled } from "../markdown.ts";

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const escapeValue = (text: string): string => escape(text).replaceAll('"', "&quot;");

const TAGS: Readonly<Record<Exclude<Style, "link" | "block">, string>> = {
  bold: "b",
  heading: "b",
  italic: "i",
  strike: "s",
  code: "code",
  quote: "blockquote",
};

function open({ style, info }: Span): string {
  if (style === "link") return `<a href="${escapeValue(info ?? "")}">`;
  if (style !== "block") return `<${TAGS[style]}>`;
  const language = /^[\w+#.-]{1,40}$/.test(info ?? "") ? info! : null;
  return language ? `<pre><code class="language-${escapeValue(language)}">` : "<pre>";
}

function close({ style, info }: Span): string {
  if (style === "link") return "</a>";
  if (style !== "block") return `</${TAGS[style]}>`;
  return /^[\w+#.-]{1,40}$/.test(info ?? "") ? "</code></pre>" : "</pre>";
}

/** Telegram knows no quote inside a quote, and the same emphasis twice says nothing more. */
function withoutRepeats({ text, spans }: Styled): Styled {
  const within: Span[] = [];
  const kept = spans.filter((span) => {
    while (within.length > 0 && within.at(-1)!.end <= span.start) within.pop();
    const repeated = within.some(({ style }) => tagOf(style) === tagOf(span.style));
    if (!repeated) within.push(span);
    return !repeated;
  });
  return { text, spans: kept };
}

const tagOf = (style: Style): string => (style === "heading" ? "bold" : style);

/** Markdown as Telegram's HTML. */
export function toHtml(markdown: string): string {
  return render(withoutRepeats(toStyled(markdown)), { escape, open, close });
}

/** The text as it is shown and counted: markup is gone, entities are characters. */
export function toVisible(markdown: string): string {
  return toStyled(markdown).text;
}

/** The last resort when the markup is refused: no markup, links with their address where there is room. */
export function toPlain(markdown: string, limit: number): string {
  const { text, spans } = toStyled(markdown);
  const links = spans.filter(({ style, start, end, info }) => style === "link" && info !== text.slice(start, end));
  let out = "";
  let at = 0;
  for (const { end, info } of links) {
    if (end < at) continue;
    out += `${text.slice(at, end)} (${info})`;
    at = end;
  }
  out += text.slice(at);
  return out.length <= limit ? out : text;
}
