import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { openBeneath, readAtMost } from "../core/files.ts";
import { SKILL_LIMITS } from "./limits.ts";

/** One file of a skill. `path`: relative, with `/`. */
export type ContentFile = { path: string; bytes: Buffer; isExecutable: boolean };

/** A directory that is not accepted as the content of a skill; the message says why. */
export class ContentError extends Error {}

export type ReadContentOptions = {
  /** Called before each directory and file is read. */
  onRead?: (path: string) => Promise<void>;
};

/** All files of a skill's directory, by path. Links, devices and too large contents are refused with a ContentError. */
export async function readContent(
  directory: string,
  { onRead = async () => {} }: ReadContentOptions = {},
): Promise<readonly ContentFile[]> {
  const files: ContentFile[] = [];
  let left: number = SKILL_LIMITS.contentBytes;
  const pending = [""];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const absolute = join(directory, at);
    await onRead(absolute);
    for (const entry of await readdir(absolute, { withFileTypes: true })) {
      const path = at === "" ? entry.name : `${at}/${entry.name}`;
      checkContentPath(path);
      if (entry.isDirectory()) {
        if (entry.name !== ".git") pending.push(path);
        continue;
      }
      if (!entry.isFile()) throw new ContentError(`${JSON.stringify(path)} is neither a file nor a directory`);
      if (files.length === SKILL_LIMITS.contentFiles) throw new ContentError(`it has more than ${SKILL_LIMITS.contentFiles} files`);
      await onRead(join(directory, path));
      const file = await readFile(directory, path);
      left -= file.bytes.length;
      if (left < 0) throw new ContentError(`it is larger than ${SKILL_LIMITS.contentBytes} bytes`);
      files.push(file);
    }
  }
  return files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

const MAX_PATH_CHARS = 500;

/** Refuses names that a terminal, a model or another system could take for something else. */
export function checkContentPath(path: string): void {
  const isPlain =
    path.length <= MAX_PATH_CHARS &&
    !/[\p{C}\\:*?"<>|]/u.test(path) &&
    !path.split("/").some((part) => part === "" || part === "." || part === "..");
  if (!isPlain) throw new ContentError(`the name ${JSON.stringify(path.slice(0, 100))} is not accepted`);
}

async function readFile(directory: string, path: string): Promise<ContentFile> {
  const handle = await openBeneath(directory, path);
  try {
    const bytes = await readAtMost(handle, SKILL_LIMITS.contentFileBytes + 1);
    checkFileSize(path, bytes.length);
    return { path, bytes, isExecutable: ((await handle.stat()).mode & 0o100) !== 0 };
  } finally {
    await handle.close();
  }
}

export function checkFileSize(path: string, bytes: number): void {
  if (bytes > SKILL_LIMITS.contentFileBytes)
    throw new ContentError(`${JSON.stringify(path)} is larger than ${SKILL_LIMITS.contentFileBytes} bytes`);
}

/** The same for the same names, contents and marks of executable files. Pure. */
export function hashContent(files: readonly ContentFile[]): string {
  const hash = createHash("sha256");
  for (const { path, bytes, isExecutable } of files)
    hash.update(`${JSON.stringify(path)} ${isExecutable ? "x" : "-"} ${bytes.length}\n`).update(bytes);
  return hash.digest("hex");
}
