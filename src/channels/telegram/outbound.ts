import { renderStyledText, parseStyledText, type StyleSpan, type TextStyle, type StyledText } from "../styled-text.ts";

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const escapeValue = (text: string): string => escape(text).replaceAll('"', "&quot;");

const TAGS: Readonly<Record<Exclude<TextStyle, "link" | "block">, string>> = {
  bold: "b",
  heading: "b",
  italic: "i",
  strike: "s",
  code: "code",
  quote: "blockquote",
};

function open({ style, info }: StyleSpan): string {
  if (style === "link") return `<a href="${escapeValue(info ?? "")}">`;
  if (style !== "block") return `<${TAGS[style]}>`;
  const language = /^[\w+#.-]{1,40}$/.test(info ?? "") ? info! : null;
  return language ? `<pre><code class="language-${escapeValue(language)}">` : "<pre>";
}

function close({ style, info }: StyleSpan): string {
  if (style === "link") return "</a>";
  if (style !== "block") return `</${TAGS[style]}>`;
  return /^[\w+#.-]{1,40}$/.test(info ?? "") ? "</code></pre>" : "</pre>";
}

/** Telegram knows no quote inside a quote, and the same emphasis twice says nothing more. */
function withoutRedundantLinks({ text, spans }: StyledText): StyledText {
  const within: StyleSpan[] = [];
  const kept = spans.filter((span) => {
    while (within.length > 0 && within.at(-1)!.end <= span.start) within.pop();
    const repeated = within.some(({ style }) => tagOf(style) === tagOf(span.style));
    if (!repeated) within.push(span);
    return !repeated;
  });
  return { text, spans: kept };
}

const tagOf = (style: TextStyle): string => (style === "heading" ? "bold" : style);

/** Markdown as Telegram's HTML. */
export function toTelegramHtml(markdown: string): string {
  return renderStyledText(withoutRedundantLinks(parseStyledText(markdown)), { escape, open, close });
}

/** The text as it is shown and counted: markup is gone, entities are characters. */
export function toVisibleTelegram(markdown: string): string {
  return parseStyledText(markdown).text;
}

/** The last resort when the markup is refused: no markup, links with their address where there is room. */
export function toPlainTelegram(markdown: string, limit: number): string {
  const { text, spans } = parseStyledText(markdown);
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
