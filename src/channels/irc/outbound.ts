import { splitText } from "../split.ts";
import { cleanParam, LINE_BYTES } from "./line.ts";

/** Markdown as text that reads well without markup. Code keeps its content, links keep their address, blank lines go. */
export function toPlain(markdown: string): readonly string[] {
  const lines: string[] = [];
  let fence: string | null = null;
  for (const line of markdown.split(/\r\n|\r|\n/)) {
    const mark = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(line);
    if (fence !== null) {
      if (mark && mark[1]![0] === fence[0] && mark[1]!.length >= fence.length && mark[2]!.trim() === "") fence = null;
      else if (line.trim() !== "") lines.push(line.replaceAll("\t", "  ").trimEnd());
      continue;
    }
    if (mark && !(mark[1]!.startsWith("`") && mark[2]!.includes("`"))) fence = mark[1]!;
    else lines.push(...plainBlock(line));
  }
  return lines;
}

function plainBlock(line: string): readonly string[] {
  if (line.trim() === "" || /^ {0,3}([-*_])( *\1){2,} *$/.test(line) || /^[\s|:-]*\|[\s|:-]*$/.test(line)) return [];
  const heading = /^ {0,3}#{1,6}\s+(.*?)\s*#*\s*$/.exec(line);
  const table = /^\s*\|(.+)\|\s*$/.exec(line);
  const body = heading
    ? heading[1]!
    : table
      ? table[1]!
          .split("|")
          .map((cell) => cell.trim())
          .join(" | ")
      : line.replace(/^(\s*)[*+](\s+)/, "$1-$2");
  const plain = plainInline(body).trimEnd();
  return plain.trim() === "" ? [] : [plain];
}

/** Marks inside a line. Code spans and escaped characters are taken out first, so that nothing in them is read as markup. */
function plainInline(text: string): string {
  const kept: string[] = [];
  // Two private-use characters and a number stand for each kept piece; such characters in the text itself are kept the same way.
  const marked = text.replaceAll(
    /\\([\\`*_{}[\]()#+.!~>|-])|(`+)([^`]+)\2(?!`)|[\ue000\ue001]/g,
    (whole, escaped: string | undefined, _marks, code: string | undefined) => {
      const at = kept.push(escaped ?? (code === undefined ? whole : code.replace(/^ (.*) $/, "$1"))) - 1;
      return `\ue000${at}\ue001`;
    },
  );
  return plainMarks(marked).replaceAll(/\ue000(\d+)\ue001/g, (_, at: string) => kept[Number(at)] ?? "");
}

function plainMarks(text: string): string {
  return text
    .replaceAll(/!?\[([^\][]*)\]\(<?([^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*)>?(?:\s+"[^"]*")?\)/g, (_, label: string, url: string) =>
      label === "" || label === url ? url : `${label} (${url})`,
    )
    .replaceAll(/<((?:https?|mailto):[^\s>]+)>/g, "$1")
    .replaceAll(/(\*\*|__)(?=\S)(.+?)(?<=\S)\1/g, "$2")
    .replaceAll(/~~(?=\S)(.+?)(?<=\S)~~/g, "$1")
    .replaceAll(/(^|[^\p{L}\p{N}*])\*(?=[^\s*])([^*]+?)(?<=\S)\*(?![\p{L}\p{N}*])/gu, "$1$2")
    .replaceAll(/(^|[^\p{L}\p{N}_])_(?=[^\s_])([^_]+?)(?<=\S)_(?![\p{L}\p{N}_])/gu, "$1$2");
}

/** Bytes of text in one PRIVMSG, so that the server can put our prefix before it without cutting anything off. */
export function textBytes(target: string, prefixBytes: number): number {
  return LINE_BYTES - Buffer.byteLength(`:  PRIVMSG ${target} :\r\n`) - prefixBytes;
}

/** A reply as the texts of its lines, each within the limit. Empty when nothing visible is left. */
export function toLines(markdown: string, target: string, prefixBytes: number): readonly string[] {
  const limit = { unit: "utf8" as const, value: Math.max(16, textBytes(target, prefixBytes)) };
  return toPlain(markdown).flatMap((line) => {
    const indent = /^ */.exec(line)![0].slice(0, 40);
    const pieces = splitText(cleanParam(line).trim(), { unit: "utf8", value: limit.value - indent.length }, { fences: false });
    return pieces.map((piece) => indent + piece.text);
  });
}
