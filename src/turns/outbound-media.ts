import { constants } from "node:fs";
import { open, realpath } from "node:fs/promises";
import { basename, extname, isAbsolute, join, sep } from "node:path";
import { reasonOf } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { StoredFile, MediaStore } from "../store/media.ts";

/** Where files may lie that an answer names. Absolute paths. */
export type MediaRoots = { workspace: string | null; media: MediaStore; log: Log };

export type OutboundMedia = { text: string; media: readonly StoredFile[] };

type ReplyLine = { text: string; /** What a MEDIA line outside of code names; null for all other lines. */ file: string | null };

/** The lines of an answer. Code is never read as an instruction. Pure. */
function parseMediaLines(text: string): ReplyLine[] {
  let fence: string | null = null;
  return text.split("\n").map((line): ReplyLine => {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (mark && fence === null) fence = mark;
    else if (mark && fence !== null && mark[0] === fence[0] && mark.length >= fence.length) fence = null;
    const named = fence === null && !mark ? /^\s*MEDIA:\s*(\S.*?)\s*$/.exec(line)?.[1] : undefined;
    return { text: line, file: named ? stripQuotes(named) : null };
  });
}

const stripQuotes = (text: string): string => /^(["'`])(.+)\1$/.exec(text)?.[2] ?? text;

/** The text without its MEDIA lines, for what is shown before they have been looked at. Pure. */
export function stripMediaLines(text: string): string {
  if (!text.includes("MEDIA:")) return text;
  return joinLines(parseMediaLines(text).filter((line) => line.file === null));
}

const joinLines = (lines: readonly ReplyLine[]): string =>
  lines
    .map((line) => line.text)
    .join("\n")
    .trimEnd();

/**
 * Takes the files that an answer names with `MEDIA:<path>` into the media store. A line that names nothing that may be sent
 * stays in the text: addresses are not fetched, and only regular files inside of the given roots are read.
 */
export async function collectOutboundMedia(text: string, roots: MediaRoots): Promise<OutboundMedia> {
  if (!text.includes("MEDIA:")) return { text, media: [] };
  const media: StoredFile[] = [];
  const left: ReplyLine[] = [];
  for (const line of parseMediaLines(text)) {
    const kept = line.file === null || media.length >= LIMITS.answerFiles ? null : await saveOutboundFile(line.file, roots);
    if (kept) media.push(kept);
    else left.push(line);
  }
  return media.length === 0 ? { text, media } : { text: joinLines(left), media };
}

async function saveOutboundFile(name: string, roots: MediaRoots): Promise<StoredFile | null> {
  if (/^[a-z][a-z0-9+.-]*:/i.test(name) || name.includes("\0")) return null;
  if (!isAbsolute(name) && roots.workspace === null) return null;
  const path = isAbsolute(name) ? name : join(roots.workspace!, name);
  try {
    const bytes = await readInside(path, [roots.workspace, roots.media.dir]);
    return bytes && (await roots.media.saveFile(describeFile(path), bytes));
  } catch (err) {
    roots.log.warn("a file that an answer names was not sent", { cause: reasonOf(err) });
    return null;
  }
}

/** The content of a regular file whose real path lies in one of the roots; null when it does not, or is too large. */
async function readInside(path: string, roots: readonly (string | null)[]): Promise<Uint8Array | null> {
  const real = await realpath(path);
  if (!(await isInside(real, roots))) return null;
  // Opened without following links and without waiting for a pipe; what was opened is what counts from here on.
  const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const facts = await file.stat();
    if (!facts.isFile() || facts.size > LIMITS.mediaBytes) return null;
    // A directory on the way may have become a link since it was looked at.
    if ((await realpath(path)) !== real) return null;
    const bytes = new Uint8Array(facts.size);
    let filled = 0;
    while (filled < bytes.length) {
      const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  } finally {
    await file.close();
  }
}

async function isInside(real: string, roots: readonly (string | null)[]): Promise<boolean> {
  for (const root of roots) {
    if (root === null) continue;
    const top = await realpath(root).catch(() => null);
    if (top !== null && real.startsWith(top.endsWith(sep) ? top : top + sep)) return true;
  }
  return false;
}

const TYPES: Readonly<Record<string, readonly [StoredFile["kind"], string]>> = {
  ".png": ["image", "image/png"],
  ".jpg": ["image", "image/jpeg"],
  ".jpeg": ["image", "image/jpeg"],
  ".gif": ["image", "image/gif"],
  ".webp": ["image", "image/webp"],
  ".mp3": ["audio", "audio/mpeg"],
  ".ogg": ["audio", "audio/ogg"],
  ".opus": ["audio", "audio/ogg"],
  ".m4a": ["audio", "audio/mp4"],
  ".wav": ["audio", "audio/wav"],
  ".mp4": ["video", "video/mp4"],
  ".mov": ["video", "video/quicktime"],
  ".webm": ["video", "video/webm"],
  ".pdf": ["file", "application/pdf"],
  ".zip": ["file", "application/zip"],
  ".txt": ["file", "text/plain"],
  ".md": ["file", "text/markdown"],
  ".csv": ["file", "text/csv"],
  ".json": ["file", "application/json"],
  ".html": ["file", "text/html"],
  ".svg": ["file", "image/svg+xml"],
};

/** What a file is, by its name, and a name that can be shown. Pure. */
export function describeFile(path: string): Pick<StoredFile, "kind" | "name" | "mimeType"> {
  const clean = basename(path).replaceAll(/[\p{C}/\\]+/gu, "_");
  const ending = extname(clean).slice(0, 16);
  const name = clean.length > LIMITS.fileNameChars ? clean.slice(0, LIMITS.fileNameChars - ending.length) + ending : clean;
  const [kind, mimeType] = TYPES[ending.toLowerCase()] ?? ["file", "application/octet-stream"];
  return { kind, name: name || "file", mimeType };
}
