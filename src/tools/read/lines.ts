import type { FileHandle } from "node:fs/promises";
import { TOOL_LIMITS } from "../limits.ts";
import { throwIfStopped } from "../results.ts";
import { formatBytes, keepFirstLines } from "../truncation.ts";

/** `offset` is the first line, from 1; a smaller one means 1. */
export type LineRange = { offset: number; limit: number | null };

const CHUNK_BYTES = 262_144;
const NEWLINE = 10;

/** What the lines before, in and after a range have; the text only as far as a result can hold. */
type ScannedLines = {
  bytes: Buffer;
  /** Bytes of the first line of the range, also of those that were not kept. */
  firstLineBytes: number;
  totalLines: number;
  /** False when the file is so large that its last lines were not counted. */
  isCounted: boolean;
};

/** The lines of a range with a notice of how to go on when there are more. Rejects when the range lies behind the end of the file. */
export async function readLines(handle: FileHandle, range: LineRange, signal: AbortSignal): Promise<string> {
  const first = Math.max(1, Math.trunc(range.offset));
  const limit = range.limit === null ? Infinity : Math.trunc(range.limit);
  const lines = await scan(handle, first - 1, limit, signal);
  if (first > lines.totalLines) throw new Error(`offset ${first} is behind the end of the file, which has ${count(lines)}.`);
  const part = keepFirstLines(lines.bytes.toString());
  if (part.limit !== null && part.lines === 0) {
    const size = formatBytes(lines.firstLineBytes);
    return `[Line ${first} has ${size}, more than the ${formatBytes(TOOL_LIMITS.resultBytes)} of a result. Read a part of it with a command, e.g. sed -n ${first}p FILE | cut -c 1-20000]`;
  }
  const last = part.limit === null ? Math.min(first - 1 + limit, lines.totalLines) : first - 1 + part.lines;
  if (part.limit === null && last >= lines.totalLines && lines.isCounted) return part.text;
  return `${part.text}\n\n[Lines ${first} to ${last} of ${count(lines)}. Continue with offset=${last + 1}.]`;
}

const count = ({ totalLines, isCounted }: ScannedLines): string => (isCounted ? `${totalLines} lines` : `more than ${totalLines} lines`);

/** Reads a file of any size in bounded memory. A line break at the end of the file begins one more, empty line. */
async function scan(handle: FileHandle, first: number, limit: number, signal: AbortSignal): Promise<ScannedLines> {
  const { size } = await handle.stat();
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const kept: Buffer[] = [];
  let [keptBytes, line, firstLineBytes] = [0, 0, 0];
  const isFull = (): boolean => keptBytes > TOOL_LIMITS.resultBytes || line > first + TOOL_LIMITS.resultLines;
  for (let position = 0; ;) {
    throwIfStopped(signal);
    const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, position);
    if (bytesRead === 0) break;
    position += bytesRead;
    for (let at = 0; at < bytesRead;) {
      const newline = chunk.subarray(0, bytesRead).indexOf(NEWLINE, at);
      const end = newline === -1 ? bytesRead : newline + 1;
      if (line === first) firstLineBytes += (newline === -1 ? bytesRead : newline) - at;
      if (line >= first && line < first + limit && !isFull()) {
        // The last line of a limit is returned without its line break.
        const bytes = Buffer.from(chunk.subarray(at, newline !== -1 && line === first + limit - 1 ? newline : end));
        kept.push(bytes);
        keptBytes += bytes.length;
      }
      if (newline !== -1) line += 1;
      at = end;
    }
    const isDone = isFull() || line >= first + limit;
    if (isDone && line > first && size > TOOL_LIMITS.countedBytes)
      return { bytes: Buffer.concat(kept), firstLineBytes, totalLines: line + 1, isCounted: false };
  }
  return { bytes: Buffer.concat(kept), firstLineBytes, totalLines: line + 1, isCounted: true };
}
