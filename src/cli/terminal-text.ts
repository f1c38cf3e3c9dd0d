// Text for terminals: widths, cutting, wrapping, and taking out what could steer the terminal. Pure.

/** C0, C1, bidirectional marks, line separators and the byte order mark: what text from outside must not send to a terminal. */
// oxlint-disable-next-line no-control-regex
const CONTROL_CHARS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** JSON that cannot steer the terminal: what JSON.stringify lets through of the above is written as an escape, so the value is the same. */
export function toSafeJson(value: unknown, indent?: number): string {
  return (JSON.stringify(value, null, indent) ?? "null").replaceAll(JSON_CONTROL_CHARS, escapeChar);
}

/** A line of JSON from outside in the same way. Escapes are valid wherever these characters can be: within strings. */
export const safeJsonLine = (line: string): string => line.replaceAll(JSON_CONTROL_CHARS, escapeChar);

const escapeChar = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
// oxlint-disable-next-line no-control-regex
const JSON_CONTROL_CHARS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** Text from outside as one line that cannot steer the terminal. */
export function sanitizeLine(text: string): string {
  return text
    .replaceAll(/\s*[\r\n\u2028\u2029]+\s*/g, " ")
    .replaceAll("\t", " ")
    .replaceAll(CONTROL_CHARS, "");
}

/** Text from outside that keeps its lines and cannot steer the terminal. */
export function sanitizeText(text: string): string {
  return text.replaceAll("\r\n", "\n").replaceAll(CONTROL_CHARS, "");
}

/**
 * Text that a person decides about, with its lines. What a terminal would not show, or show like something else, is written as its code
 * point: a command must not look like another one.
 */
export const revealText = (text: string): string =>
  text.replaceAll(UNSEEN_CHARS, (char) => (VISIBLE_CHARS.has(char) ? char : `\\u{${char.codePointAt(0)!.toString(16)}}`));

/** The same as one line. */
export const revealLine = (text: string): string =>
  revealText(text)
    .trim()
    .replaceAll(/[ \t]*\n[ \t\n]*/g, " ⏎ ")
    .replaceAll("\t", " ");

const UNSEEN_CHARS = /[\p{Cc}\p{Cf}\p{Cs}\p{Zs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const VISIBLE_CHARS: ReadonlySet<string> = new Set([" ", "\t", "\n"]);

const WIDE_CHARS =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const ZERO_WIDTH_CHARS = /[\p{Mn}\p{Me}\p{Cf}\ufe00-\ufe0f]/u;

const charWidth = (char: string): number => (char < "\u0300" ? 1 : ZERO_WIDTH_CHARS.test(char) ? 0 : WIDE_CHARS.test(char) ? 2 : 1);

/** Columns that a text takes. */
export function textWidth(text: string): number {
  let width = 0;
  for (const char of text) width += charWidth(char);
  return width;
}

/** At most `limit` columns; a cut is shown by an ellipsis. */
export function truncateText(text: string, limit: number): string {
  if (textWidth(text) <= limit) return text;
  let out = "";
  let width = 0;
  for (const char of text) {
    width += charWidth(char);
    if (width > limit - 1) break;
    out += char;
  }
  return `${out}…`;
}

export function padText(text: string, width: number, align: "left" | "right" = "left"): string {
  const space = " ".repeat(Math.max(0, width - textWidth(text)));
  return align === "right" ? space + text : text + space;
}

/** Breaks at spaces; `indent` precedes every line but the first, which starts at column `from`. */
export function wrapText(text: string, limit: number, indent = "", from = 0): string[] {
  const lines: string[] = [];
  let line = /^ */.exec(text)![0];
  for (const word of text.slice(line.length).split(" ")) {
    const used = (lines.length === 0 ? from : indent.length) + textWidth(line);
    if (line.trim() !== "" && used + 1 + textWidth(word) > limit) {
      lines.push((lines.length === 0 ? "" : indent) + line);
      line = word;
    } else {
      line = line.trim() === "" ? line + word : `${line} ${word}`;
    }
  }
  lines.push((lines.length === 0 ? "" : indent) + line);
  return lines;
}

const UNITS: readonly [name: string, ms: number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];

/** 93_000 -> "1 min 33 s"; the two largest units. */
export function formatDuration(durationMs: number): string {
  const parts: string[] = [];
  let rest = Math.max(0, Math.round(durationMs));
  for (const [name, ms] of UNITS) {
    const count = Math.floor(rest / ms);
    rest -= count * ms;
    if (count > 0) parts.push(`${count} ${name}`);
    if (parts.length === 2) break;
  }
  return parts.join(" ") || (durationMs >= 1 ? `${Math.round(durationMs)} ms` : "0 s");
}

/** "5 min ago"; "-" where there is no time. `at` and `now` in milliseconds since the epoch. */
export function formatAge(at: unknown, now: number): string {
  if (typeof at !== "number" || at <= 0) return "-";
  const age = Math.abs(now - at);
  if (age < 1_000) return "now";
  const [name, ms] = UNITS.find(([, size]) => age >= size)!;
  const text = `${Math.round(age / ms)} ${name}`;
  return at > now ? `in ${text}` : `${text} ago`;
}

/** "3 sessions", "1 session". */
export function plural(count: number, noun: string, many = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : many}`;
}
