/** A line with its line break, of any kind; the last one may have none. */
const LINE = /[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+$/g;

/** The lines of a text, each with its line break. Pure. */
export const splitLines = (text: string): readonly string[] => text.match(LINE) ?? [];

export const toLineFeeds = (text: string): string => text.replace(/\r\n?/g, "\n");

/** The line break of a file, which new lines get: that of its first line. Pure. */
export const lineBreakOf = (content: string): string => (/\r?\n/.exec(content)?.[0] === "\r\n" ? "\r\n" : "\n");

/** It does not belong to the first line, because a model does not see it. */
export const BYTE_ORDER_MARK = "\uFEFF";

/** Changes a text without its byte order mark, which is kept. Pure. */
export function changeAfterMark(content: string, change: (text: string) => string): string {
  return content.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK + change(content.slice(1)) : change(content);
}

// eslint-disable-next-line no-control-regex
const IS_ASCII = /^[\0-\x7F]*$/;
const trimLineEnds = (text: string): string =>
  text.includes("\n")
    ? text
        .split("\n")
        .map((line) => line.trimEnd())
        .join("\n")
    : text.trimEnd();

/**
 * Text as models write it back: compatibility forms, typographic quotes, dashes and spaces become the plain character, and spaces at the
 * end of a line do not count. Pure.
 */
export function toPlainForm(text: string): string {
  if (IS_ASCII.test(text)) return trimLineEnds(text);
  return trimLineEnds(text.normalize("NFKC"))
    .replace(/[\u2018-\u201B]/g, "'")
    .replace(/[\u201C-\u201F]/g, '"')
    .replace(/[\u2010-\u2015\u2212]/g, "-")
    .replace(/[\u00A0\u2002-\u200A\u202F\u205F\u3000]/g, " ");
}
