import { TOOL_LIMITS } from "../limits.ts";
import type { NoteChunk } from "./note-index.ts";

const HEADING = /^#{1,6}\s/;

/**
 * A note in parts that are found by themselves: whole lines with at most `maxChars` characters. A heading begins a new part once the last
 * one is half full; a longer line is a part for each piece of it. Parts without letters or digits are left out. Pure.
 */
export function toChunks(text: string, maxChars: number = TOOL_LIMITS.noteChunkChars): readonly NoteChunk[] {
  const chunks: NoteChunk[] = [];
  let open: NoteChunk | null = null;
  for (const [index, line] of text.split(/\r\n|[\n\r]/).entries()) {
    const number = index + 1;
    for (const piece of piecesOf(line, maxChars)) {
      const isFull = open !== null && open.text.length + piece.length + 1 > maxChars;
      const isNewPart = open !== null && HEADING.test(piece) && open.text.length > maxChars / 2;
      if (open === null || isFull || isNewPart) chunks.push((open = { firstLine: number, lastLine: number, text: piece }));
      else Object.assign(open, { lastLine: number, text: `${open.text}\n${piece}` });
    }
  }
  return chunks.filter((chunk) => /[\p{L}\p{N}]/u.test(chunk.text));
}

function piecesOf(line: string, maxChars: number): string[] {
  if (line.length <= maxChars) return [line];
  const pieces: string[] = [];
  for (let at = 0; at < line.length; at += maxChars) pieces.push(line.slice(at, at + maxChars).toWellFormed());
  return pieces;
}
