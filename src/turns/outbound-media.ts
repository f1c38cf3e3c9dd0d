import { realpath, type FileHandle } from "node:fs/promises";
import { basename, extname, isAbsolute, join } from "node:path";
import { reasonOf } from "../core/errors.ts";
import { openBeneath, readAtMost, UnsafePathError } from "../core/files.ts";
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

/** The content of a regular file beneath one of the roots; null when it is not beneath one, or is too large. */
async function readInside(path: string, roots: readonly (string | null)[]): Promise<Uint8Array | null> {
  for (const root of roots) {
    const file = root === null ? null : await tryOpenBeneath(root, path);
    if (file === null) continue;
    try {
      const bytes = await readAtMost(file, Math.min((await file.stat()).size, LIMITS.mediaBytes) + 1);
      return bytes.length > LIMITS.mediaBytes ? null : bytes;
    } finally {
      await file.close();
    }
  }
  return null;
}

/** Null when the path does not lead to a regular file beneath the root, or the root does not exist. */
async function tryOpenBeneath(root: string, path: string): Promise<FileHandle | null> {
  const realRoot = await realpath(root).catch(() => null);
  if (realRoot === null) return null;
  try {
    return await openBeneath(realRoot, path);
  } catch (err) {
    if (err instanceof UnsafePathError) return null;
    throw err;
  }
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
