import { TOOL_LIMITS } from "./limits.ts";

/** A part of a text. `limit` is what ended it; null for the whole text. */
export type TextPart = { text: string; lines: number; limit: "lines" | "bytes" | null };

const bytesOf = (text: string): number => Buffer.byteLength(text);

/** The lines of a text; a final line break ends the last line instead of beginning another one. Pure. */
function linesOf(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** The number of leading items of `lines` that fit, and what ended it. */
function fit(lines: readonly string[]): { count: number; limit: "lines" | "bytes" } {
  let bytes = -1;
  let count = 0;
  for (const line of lines) {
    if (count === TOOL_LIMITS.resultLines) return { count, limit: "lines" };
    bytes += bytesOf(line) + 1;
    if (bytes > TOOL_LIMITS.resultBytes) return { count, limit: "bytes" };
    count += 1;
  }
  return { count, limit: "bytes" };
}

const fits = (text: string, lines: readonly string[]): boolean =>
  lines.length <= TOOL_LIMITS.resultLines && bytesOf(text) <= TOOL_LIMITS.resultBytes;

/** The first whole lines within the limits of a result; no line when the first one is too long. Pure. */
export function keepFirstLines(text: string): TextPart {
  const lines = linesOf(text);
  if (fits(text, lines)) return { text, lines: lines.length, limit: null };
  const { count, limit } = fit(lines);
  return { text: lines.slice(0, count).join("\n"), lines: count, limit };
}

/** The end of a text. `lines`: how many whole lines it has; 0 for the end of one line. */
export type TextEnd = { text: string; lines: number; isCut: boolean };

/** The last whole lines with at most `maxChars` characters, or the end of the last line when that one is too long. Pure. */
export function keepLastChars(text: string, maxChars: number): TextEnd {
  if (text.length <= maxChars) return { text, lines: linesOf(text).length, isCut: false };
  const from = text.length - maxChars;
  const lineStart = text.indexOf("\n", from - 1) + 1;
  const isInside = lineStart > 0 && lineStart < text.length;
  if (isInside) return { text: text.slice(lineStart), lines: linesOf(text.slice(lineStart)).length, isCut: true };
  return { text: text.slice(from).replace(/^[\uDC00-\uDFFF]/, ""), lines: 0, isCut: true };
}

/** The first position at or after `start` that does not lie inside a UTF-8 character. Pure. */
export function characterStart(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at > 0 && at < bytes.length && at < start + 3 && (bytes[at]! & 0xc0) === 0x80) at += 1;
  return at;
}

/** How many bytes at the end are the beginning of a UTF-8 character. Pure. */
export function incompleteCharacter(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back]!;
    // 10xxxxxx continues a character; 110xxxxx, 1110xxxx and 11110xxx begin one of two, three and four bytes.
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

/** A size for people: `12 bytes`, `50.0 KB`, `4.5 MB`. Pure. */
export function formatBytes(bytes: number): string {
  if (bytes < 1_024) return `${bytes} bytes`;
  return bytes < 1_048_576 ? `${(bytes / 1_024).toFixed(1)} KB` : `${(bytes / 1_048_576).toFixed(1)} MB`;
}
