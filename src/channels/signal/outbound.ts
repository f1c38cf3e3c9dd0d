import { parseStyledText, type TextStyle, type StyledText } from "../styled-text.ts";

/** A stretch of a text, in UTF-16 units as Signal counts. */
export type SignalTextStyle = { start: number; length: number; style: "BOLD" | "ITALIC" | "STRIKETHROUGH" | "MONOSPACE" };

const STYLES: Readonly<Record<Exclude<TextStyle, "link" | "quote">, SignalTextStyle["style"]>> = {
  bold: "BOLD",
  heading: "BOLD",
  italic: "ITALIC",
  strike: "STRIKETHROUGH",
  code: "MONOSPACE",
  block: "MONOSPACE",
};

/** Signal has no links with a text: the address follows the text. Each line of a quote begins with its sign. */
function countChars(markdown: string): StyledText {
  const styled = parseStyledText(markdown);
  const inserts: { at: number; text: string; after: boolean }[] = [];
  for (const { style, start, end, info } of styled.spans) {
    const label = styled.text.slice(start, end);
    if (style === "link" && info !== undefined && info !== label && info !== `mailto:${label}`)
      inserts.push({ at: end, text: label === "" ? info : ` (${info})`, after: true });
    if (style !== "quote") continue;
    for (let at = start; at < end; at = styled.text.indexOf("\n", at) + 1 || end) inserts.push({ at, text: "> ", after: false });
  }
  inserts.sort((a, b) => a.at - b.at || Number(b.after) - Number(a.after));
  let text = "";
  let from = 0;
  /** Characters that were put in by the end of each insert. */
  const grown: number[] = [];
  for (const insert of inserts) {
    text += styled.text.slice(from, insert.at) + insert.text;
    from = insert.at;
    grown.push((grown.at(-1) ?? 0) + insert.text.length);
  }
  text += styled.text.slice(from);
  // What is put in at the end of a stretch, or where the next one begins, stays outside of both.
  const moved = (at: number, isEnd: boolean): number => {
    const count = minLevel(inserts.length, (i) => inserts[i]!.at > at || (inserts[i]!.at === at && isEnd));
    return at + (grown[count - 1] ?? 0);
  };
  return { text, spans: styled.spans.map((span) => ({ ...span, start: moved(span.start, false), end: moved(span.end, true) })) };
}

/** The lowest index below `length` for which a condition holds that holds for all above it as well; `length` when there is none. */
function minLevel(length: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The text as it is shown and counted. */
export function toVisibleSignal(markdown: string): string {
  return countChars(markdown).text;
}

/** Markdown as a plain text with styled stretches: what signal-cli's JSON-RPC takes. */
export function toTextStyles(markdown: string): { text: string; ranges: SignalTextStyle[] } {
  const { text, spans } = countChars(markdown);
  const ranges = spans.flatMap(({ style, start, end }): SignalTextStyle[] =>
    style === "link" || style === "quote" || end <= start ? [] : [{ start, length: end - start, style: STYLES[style] }],
  );
  return { text, ranges };
}

/** Between two marks that would be read as one of another kind. It is not shown. */
const JOINER = "\u2060";
const MARKS: Readonly<Record<SignalTextStyle["style"], string>> = { BOLD: "**", ITALIC: "*", STRIKETHROUGH: "~", MONOSPACE: "`" };

/** A mark that was written as a letter gets a backslash. */
const escape = (text: string): string => text.replaceAll(/\*|~|`|\|\|/g, "\\$&");
const isMark = (letter: string | undefined): boolean => letter !== undefined && "*~`|\\".includes(letter);

/** Markdown in the marks of the REST container, which knows no style inside another: of nested ones the outer counts. */
export function toMarkedSignal(markdown: string): string {
  const { text, ranges } = toTextStyles(markdown);
  let out = "";
  let last: string | undefined;
  const write = (piece: string): void => {
    out += isMark(last) && isMark(piece[0]) ? JOINER + piece : piece;
    last = piece.at(-1) ?? last;
  };
  let at = 0;
  for (const { start, length, style } of ranges.toSorted((a, b) => a.start - b.start || b.length - a.length)) {
    if (start < at) continue;
    write(escape(text.slice(at, start)));
    at = start + length;
    write(MARKS[style]);
    write(escape(text.slice(start, at)));
    write(MARKS[style]);
  }
  write(escape(text.slice(at)));
  return out;
}
