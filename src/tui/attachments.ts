import { readdirSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Attachment } from "../client/conversation/outbox.ts";
import { LIMITS } from "../core/limits.ts";
import { formatBytes } from "./item-lines.ts";
import { TUI_LIMITS } from "./limits.ts";

const MIME_TYPES: Readonly<Record<string, string>> = {
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".jpeg": "image/jpeg",
  ".gif": "image/gif",
  ".webp": "image/webp",
  ".mp3": "audio/mpeg",
  ".m4a": "audio/mp4",
  ".ogg": "audio/ogg",
  ".wav": "audio/wav",
  ".mp4": "video/mp4",
  ".webm": "video/webm",
  ".pdf": "application/pdf",
};
const TEXT_TYPES: Readonly<Record<string, string>> = {
  ".txt": "text/plain",
  ".log": "text/plain",
  ".md": "text/markdown",
  ".csv": "text/csv",
  ".json": "application/json",
};

/** What one message may carry, as the gateway has said. */
export type AttachmentLimits = { readonly maxBytes: number; readonly maxImageBytes: number };

/** Where paths that are typed begin. */
export type Here = { readonly cwd: string; readonly home: string };

/** Its message says why the file is not attached, and what helps. */
export class AttachmentError extends Error {}

export function toPath(typed: string, { cwd, home }: Here): string {
  const text = /^(["']).*\1$/.test(typed) ? typed.slice(1, -1) : typed.replaceAll(/\\(?=[ ()'"&[\]\\])/g, "");
  return resolve(cwd, text === "~" || text.startsWith("~/") ? join(home, text.slice(1)) : text);
}

/** Reads a file for the next message, beside those that are `already` with it. Throws AttachmentError. */
export async function readAttachment(path: string, limits: AttachmentLimits, already: readonly Attachment[]): Promise<Attachment> {
  const name = basename(path);
  if (already.length >= LIMITS.messageFiles)
    throw new AttachmentError(`A message takes at most ${LIMITS.messageFiles} files. Send these first, or /detach takes them away.`);
  const mimeType = MIME_TYPES[extname(path).toLowerCase()] ?? TEXT_TYPES[extname(path).toLowerCase()] ?? "application/octet-stream";
  const isImage = mimeType.startsWith("image/");
  const most = isImage ? limits.maxImageBytes : limits.maxBytes;
  const bytes = await readWithin(path, most);
  if (bytes.length === 0) throw new AttachmentError(`${name} is empty.`);
  const total = already.reduce((sum, { sizeBytes }) => sum + sizeBytes, bytes.length);
  if (total > limits.maxBytes)
    throw new AttachmentError(
      `With ${name} the message would have ${formatBytes(total)} of files; at most ${formatBytes(limits.maxBytes)} are taken. Send the others first.`,
    );
  return { type: isImage ? "image" : "file", mimeType, fileName: name, content: bytes.toString("base64"), sizeBytes: bytes.length };
}

/** A pipe or a device is never waited for. */
async function readWithin(path: string, most: number): Promise<Buffer> {
  try {
    if (!statSync(path).isFile()) throw new AttachmentError(`${path} is not a file.`);
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      if (size > most)
        throw new AttachmentError(
          `${basename(path)} has ${formatBytes(size)}; the gateway takes at most ${formatBytes(most)} of this kind.`,
        );
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (err) {
    if (err instanceof AttachmentError) throw err;
    const { code } = err as NodeJS.ErrnoException;
    const why =
      code === "ENOENT" ? "does not exist" : code === "EACCES" ? "may not be read by you" : `cannot be read (${code ?? "unknown"})`;
    throw new AttachmentError(`${path} ${why}.`);
  }
}

/**
 * The file that a paste names: terminals paste the path of a file that is dropped on them. Only pictures, sound, video and PDF are taken;
 * the path of any other file is mostly meant as text. Null for everything else.
 */
export function pastedFile(paste: string, here: Here): string | null {
  const text = paste.trim();
  if (text.length > 4_096 || text.includes("\n")) return null;
  const isUrl = text.startsWith("file://");
  if (!isUrl && !/^["']?[/~]/.test(text)) return null;
  try {
    const path = isUrl ? fileURLToPath(text) : toPath(text, here);
    return MIME_TYPES[extname(path).toLowerCase()] !== undefined && statSync(path).isFile() ? path : null;
  } catch {
    return null;
  }
}

/** Files and directories that a typed beginning of a path may mean, as they would be typed; directories end in a slash. */
export function completePath(typed: string, here: Here): readonly string[] {
  const at = typed.lastIndexOf("/") + 1;
  const [folder, start] = [typed.slice(0, at), typed.slice(at)];
  try {
    return readdirSync(toPath(folder === "" ? "." : folder, here), { withFileTypes: true })
      .filter(({ name }) => name.startsWith(start) && (start !== "" || !name.startsWith(".")))
      .slice(0, TUI_LIMITS.pathCompletions)
      .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? "/" : ""}`)
      .toSorted();
  } catch {
    return [];
  }
}

/** `photo.png (12 KB), notes.md (300 B)` */
export const describeAttachments = (files: readonly Attachment[]): string =>
  files.map(({ fileName, sizeBytes }) => `${fileName} (${formatBytes(sizeBytes)})`).join(", ");
