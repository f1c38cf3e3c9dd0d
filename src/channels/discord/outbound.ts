import { createHash } from "node:crypto";
import { isRule, tableCells, tableRule, withoutClosingMarks } from "../../core/markdown/blocks.ts";
import { MultipartForm } from "../api.ts";
import type { OutboundPart } from "../channel.ts";
import { toPlainInlineText } from "../styled-text.ts";

const MAX_BUTTONS_PER_ROW = 5;
const MAX_ACTION_ROWS = 5;
const LABEL_CHARS = 80;

const FENCE = /^ {0,3}(`{3,}|~{3,})([^\n]*)$/;

/**
 * Markdown as Discord shows it: its own markup is Markdown, so only what it does not know is changed. Tables become a code block with
 * even columns, deep headings bold lines, pictures links, rules a line. Nothing inside a code block is touched. Pure.
 */
export function toDiscord(markdown: string): string {
  const lines = markdown.split("\n");
  const out: string[] = [];
  let fence: string | null = null;
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    const mark = FENCE.exec(line);
    if (fence !== null) {
      if (mark && mark[1]!.startsWith(fence) && mark[2]!.trim() === "") {
        fence = null;
        // Discord closes a block with backticks only.
        out.push("```");
      } else out.push(line.replaceAll("```", "`\u200b``"));
    } else if (mark && !(mark[1]!.startsWith("`") && mark[2]!.includes("`"))) {
      fence = mark[1]!;
      out.push(`\`\`\`${/^\s*([\w+#.-]*)/.exec(mark[2]!)![1]!}`);
    } else if (isTableAt(lines, at)) {
      const rows = tableRows(lines, at);
      out.push(...toTable(rows.cells));
      at = rows.end - 1;
    } else out.push(toDiscordLine(line));
  }
  return out.join("\n").trim();
}

function toDiscordLine(line: string): string {
  const heading = /^ {0,3}#{4,6}(?=\s+\S)/.exec(line)?.[0];
  if (heading !== undefined) return `**${withoutClosingMarks(line.slice(heading.length).trim()).replaceAll("**", "")}**`;
  if (/^ {0,3}\S/.test(line) && isRule(line.trim())) return "———";
  return escapeMultiplication(line)
    .replace(/^(\s*[-*+]\s+)\[([ xX])\]\s+/, (_, lead: string, box: string) => `${lead}${box === " " ? "☐" : "☑"} `)
    .replaceAll(/!\[([^\][]*)\]\((https?:[^\s()]+)\)/g, (_, label: string, url: string) => (label ? `[${label}](${url})` : url));
}

/** Discord reads a `*` between letters or digits as markup, where it multiplies: outside of code it gets a backslash. */
function escapeMultiplication(line: string): string {
  if (!line.includes("*")) return line;
  const pieces = line.split(/(`+[^`]*`+)/);
  return pieces.map((piece, index) => (index % 2 === 1 ? piece : piece.replaceAll(MULTIPLICATION_SIGN, "\\*"))).join("");
}

const WORD_CHAR = "[\\p{Script=Latin}\\p{Script=Greek}\\p{Script=Cyrillic}\\p{N}]";
const MULTIPLICATION_SIGN = new RegExp(`(?<=${WORD_CHAR})\\*(?=${WORD_CHAR})`, "gu");

/** More columns, and wider ones, are no table that anyone could read; its rows would be padded to many times their length. */
const TABLE_COLUMNS = 32;
const COLUMN_CHARS = 60;

function isTableAt(lines: readonly string[], at: number): boolean {
  const next = lines[at + 1];
  if (!lines[at]!.includes("|") || next === undefined || !next.includes("|")) return false;
  const columns = tableRule(next.trim())?.length ?? 0;
  return columns > 0 && columns <= TABLE_COLUMNS;
}

const cellsOf = (line: string): readonly string[] => tableCells(line).map((cell) => toPlainInlineText(cell).replaceAll("```", "'''"));

function tableRows(lines: readonly string[], at: number): { cells: readonly (readonly string[])[]; end: number } {
  let end = at + 2;
  while (end < lines.length && lines[end]!.includes("|") && lines[end]!.trim() !== "") end++;
  return { cells: [lines[at]!, ...lines.slice(at + 2, end)].map(cellsOf), end };
}

const widthOf = (cell: string | undefined): number => (cell === undefined ? 0 : [...cell].length);

function toTable(rows: readonly (readonly string[])[]): readonly string[] {
  const columns = Math.min(
    TABLE_COLUMNS,
    rows.reduce((most, row) => Math.max(most, row.length), 0),
  );
  const widths = Array.from({ length: columns }, (_, column) =>
    rows.reduce((most, row) => Math.max(most, Math.min(COLUMN_CHARS, widthOf(row[column]))), 0),
  );
  const line = (row: readonly string[]): string => {
    const even = widths.map((width, column) => (row[column] ?? "") + " ".repeat(Math.max(0, width - widthOf(row[column]))));
    return [...even, ...row.slice(columns)].join(" | ").trimEnd();
  };
  const [head, ...body] = rows.map(line);
  return ["```", head!, widths.map((width) => "-".repeat(width)).join("-+-"), ...body, "```"];
}

/** The key by which Discord recognizes a repetition: a digest of our key, since it may have at most 25 characters. */
export function nonceOf(key: string): string {
  return createHash("sha256").update(key).digest("base64url").slice(0, 25);
}

/** A message of an agent notifies only the author of the message that it answers. */
const MENTIONS = { parse: [], replied_user: true } as const;

/** The text of a part and its buttons, as both a new message and an edit have them. */
export function toMessageBody(part: OutboundPart): { content: string; allowed_mentions: typeof MENTIONS; components?: readonly object[] } {
  const content = toDiscord(part.text);
  return { content, allowed_mentions: MENTIONS, ...(part.buttons && { components: toActionRows(part.buttons) }) };
}

function toActionRows(buttons: NonNullable<OutboundPart["buttons"]>): readonly object[] {
  return buttons
    .flatMap((row) => chunks(row, MAX_BUTTONS_PER_ROW))
    .slice(0, MAX_ACTION_ROWS)
    .map((row) => ({
      type: 1,
      components: row.map(({ text, token }) => ({
        type: 2,
        style: 2,
        label: [...text].slice(0, LABEL_CHARS / 2).join(""),
        custom_id: token,
      })),
    }));
}

function chunks<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  const out: (readonly T[])[] = [];
  for (let at = 0; at < items.length; at += size) out.push(items.slice(at, at + size));
  return out;
}

/** A body with one file beside it. */
export async function toMultipartBody(body: object, media: NonNullable<OutboundPart["media"]>): Promise<MultipartForm> {
  const name = media.name.replaceAll(/[^\p{L}\p{N}._ -]/gu, "_").slice(-200) || "file";
  const payload = JSON.stringify({ ...body, attachments: [{ id: 0, filename: name }] });
  const file = { name, mimeType: media.mimeType, bytes: await media.read() };
  return new MultipartForm([
    { name: "payload_json", value: payload },
    { name: "files[0]", file },
  ]);
}
