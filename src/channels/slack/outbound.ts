import { SLACK_LIMITS } from "./limits.ts";
import type { Button } from "../channel.ts";
import { renderStyledText, parseStyledText, type StyleSpan, type TextStyle } from "../styled-text.ts";
import { splitText } from "../split-text.ts";

/** Makes a text safe: Slack reads these three characters as markup, and no others need it. */
export const escapeText = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const MARKS: Readonly<Record<TextStyle, readonly [open: string, close: string]>> = {
  bold: ["*", "*"],
  heading: ["*", "*"],
  italic: ["_", "_"],
  strike: ["~", "~"],
  code: ["`", "`"],
  block: ["```\n", "\n```"],
  quote: ["> ", ""],
  link: ["", ">"],
};

function escape(text: string, within: readonly TextStyle[]): string {
  // A bar or a line break inside a link would end its label.
  const safe = within.includes("link") ? escapeText(text).replaceAll("|", "¦").replaceAll("\n", " ") : escapeText(text);
  return within.includes("quote") ? safe.replaceAll("\n", "\n> ") : safe;
}

function open({ style, info }: StyleSpan): string {
  if (style === "link")
    return `<${escapeText(info ?? "")
      .replaceAll("|", "%7C")
      .replaceAll(/\s/g, "%20")}|`;
  return MARKS[style][0];
}

const linkText = (style: TextStyle): string => (style === "heading" ? "bold" : style);

/** The same emphasis twice says nothing more, and Slack shows nothing inside code. */
function withoutRedundantLinks(spans: readonly StyleSpan[]): readonly StyleSpan[] {
  const within: StyleSpan[] = [];
  return spans.filter((span) => {
    while (within.length > 0 && within.at(-1)!.end <= span.start) within.pop();
    const kept = !within.some(({ style }) => linkText(style) === linkText(span.style) || style === "code" || style === "block");
    if (kept) within.push(span);
    return kept;
  });
}

/** Markdown as Slack's mrkdwn. */
export function toMrkdwn(markdown: string): string {
  const { text, spans } = parseStyledText(markdown);
  return renderStyledText({ text, spans: withoutRedundantLinks(spans) }, { escape, open, close: ({ style }) => MARKS[style][1] });
}

/** The last resort when markup is refused: no markup, links with their address. Still escaped, since Slack reads it so in any case. */
export function toPlainSlack(markdown: string): string {
  const { text, spans } = parseStyledText(markdown);
  let out = "";
  let at = 0;
  for (const { end, info } of spans.filter(({ style, start, end: last, info: to }) => style === "link" && to !== text.slice(start, last))) {
    if (end < at) continue;
    out += `${text.slice(at, end)} (${info})`;
    at = end;
  }
  return escapeText(out + text.slice(at));
}

/** In front of the ids of our buttons, so that those of others are told apart. */
export const BUTTON_ACTION_ID = "openclaw:";

/** A text with buttons under it as Block Kit. */
export function toBlocks(markdown: string, rows: readonly (readonly Button[])[]): readonly unknown[] {
  // What was rendered to be measured is what is sent.
  const rendered = new Map<string, string>();
  const render = (part: string): string => {
    const text = toMrkdwn(part);
    rendered.set(part, text);
    return text;
  };
  const pieces = splitText(markdown, { unit: "utf16", value: SLACK_LIMITS.blockChars }, { render });
  const sections = pieces.map(({ text }) => ({ type: "section", text: { type: "mrkdwn", text: rendered.get(text) ?? toMrkdwn(text) } }));
  const actions = rows
    .filter((row) => row.length > 0)
    .map((row, index) => ({
      type: "actions",
      elements: row.slice(0, SLACK_LIMITS.rowButtons).map(({ text, token }, place) => ({
        type: "button",
        action_id: `${BUTTON_ACTION_ID}${index}:${place}`,
        text: { type: "plain_text", text: [...text].slice(0, 70).join("") || "…", emoji: true },
        value: token,
      })),
    }));
  return [...sections, ...actions];
}
