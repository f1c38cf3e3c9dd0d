import { isRule, tableCells, withoutClosingMarks } from "../../core/markdown/blocks.ts";
import { toPlainInlineText } from "../styled-text.ts";
import { splitText } from "../split-text.ts";
import { sanitizeParam, LINE_BYTES } from "./message-line.ts";

/** Markdown as text that reads well without markup. Code keeps its content, links keep their address, blank lines go. */
export function toPlainIrc(markdown: string): readonly string[] {
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
  const text = line.trim();
  if (text === "" || isRule(text) || (text.includes("|") && /^[\s|:-]+$/.test(text))) return [];
  const heading = /^ {0,3}#{1,6}(?=\s)/.exec(line)?.[0];
  const isRow = text.length > 2 && text.startsWith("|") && text.endsWith("|");
  const body =
    heading !== undefined
      ? withoutClosingMarks(line.slice(heading.length).trim())
      : isRow
        ? tableCells(text).join(" | ")
        : line.replace(/^(\s*)[*+](\s+)/, "$1-$2");
  const indent = /^\s*/.exec(body)![0];
  const plain = indent + toPlainInlineText(body.slice(indent.length), (label, url) => `${label} (${url})`).trimEnd();
  return plain.trim() === "" ? [] : [plain];
}

/** Bytes of text in one PRIVMSG, so that the server can put our prefix before it without cutting anything off. */
export function utf8Length(target: string, prefixBytes: number): number {
  return LINE_BYTES - Buffer.byteLength(`:  PRIVMSG ${target} :\r\n`) - prefixBytes;
}

/** A reply as the texts of its lines, each within the limit. Empty when nothing visible is left. */
export function splitIntoLines(markdown: string, target: string, prefixBytes: number): readonly string[] {
  const limit = { unit: "utf8" as const, value: Math.max(16, utf8Length(target, prefixBytes)) };
  return toPlainIrc(markdown).flatMap((line) => {
    const indent = /^ */.exec(line)![0].slice(0, 40);
    const pieces = splitText(sanitizeParam(line).trim(), { unit: "utf8", value: limit.value - indent.length }, { fences: false });
    return pieces.map((piece) => indent + piece.text);
  });
}
