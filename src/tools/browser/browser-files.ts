import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, rm, writeFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { readAtMost } from "../../core/files.ts";
import type { FileLocks } from "../file-locks.ts";
import { fileError, throwIfStopped } from "../results.ts";
import type { ToolContext } from "../tool.ts";
import { formatBytes } from "../truncation.ts";
import type { WorkspaceFiles } from "../workspace-files.ts";
import { BROWSER_LIMITS } from "./limits.ts";

/** Where downloads without a path go, in the workspace. */
const DOWNLOADS = "downloads";
/** Characters of the name of a download, and how many numbers are tried for one that is taken. */
const NAME_CHARS = 120;
const NUMBERS = 1_000;
const PRIVATE = 0o600;

/** What the browser takes from the workspace, and puts into it. */
export class BrowserFiles {
  readonly #files: WorkspaceFiles;
  readonly #locks: FileLocks;

  constructor(files: WorkspaceFiles, locks: FileLocks) {
    this.#files = files;
    this.#locks = locks;
  }

  /** Moves a file of the driver to `path`, or to a free name among the downloads. Resolves to its path and size. */
  async save(file: { path: string; name: string }, path: string, context: ToolContext): Promise<{ path: string; bytes: number }> {
    try {
      return await this.store({ content: await readLimited(file.path), name: file.name }, path, context);
    } finally {
      await rm(file.path, { force: true });
    }
  }

  /** The same with what is in memory. */
  async store(file: { content: Buffer; name: string }, path: string, context: ToolContext): Promise<{ path: string; bytes: number }> {
    const { content } = file;
    const isFree = path === "" || path.endsWith("/");
    const named = isFree ? (path || `${DOWNLOADS}/`) + safeName(file.name) : path;
    for (let number = 0; number < NUMBERS; number += 1) {
      const candidate = number === 0 ? named : numbered(named, number);
      if (await this.#write(candidate, content, { isFree, context })) return { path: candidate, bytes: content.length };
    }
    throw new Error(`Cannot save ${named}: ${NUMBERS} files have this name. Name another path.`);
  }

  /** Copies files of the workspace to where the driver may read them. Resolves to the paths of the copies. */
  async share(paths: readonly string[], directory: string, context: ToolContext): Promise<string[]> {
    const copies: string[] = [];
    for (const path of paths) {
      const content = await this.#read(path, context);
      const place = join(directory, randomUUID());
      await mkdir(place, { recursive: true, mode: 0o700 });
      const copy = join(place, basename(path));
      await writeFile(copy, content, { mode: PRIVATE });
      copies.push(copy);
    }
    return copies;
  }

  async #read(path: string, context: ToolContext): Promise<Buffer> {
    try {
      const handle = await this.#files.openFile(path, context);
      try {
        return limited(await readAtMost(handle, BROWSER_LIMITS.fileBytes + 1));
      } finally {
        await handle.close();
      }
    } catch (err) {
      throw fileError("upload", path, err);
    }
  }

  /** False when a free name was wanted and the file exists. */
  async #write(path: string, content: Buffer, { isFree, context }: { isFree: boolean; context: ToolContext }): Promise<boolean> {
    try {
      const target = await this.#files.findTarget(path, context);
      try {
        return await this.#locks.withLock(target.key, async () => {
          throwIfStopped(context.signal);
          if (isFree && (await target.stats()) !== null) return false;
          await target.makeDirectories();
          await target.checkWritable();
          await target.replace(content);
          return true;
        });
      } finally {
        target.close();
      }
    } catch (err) {
      throw fileError("save", path, err);
    }
  }
}

async function readLimited(path: string): Promise<Buffer> {
  // The browser may be another user: a link of it leads nowhere.
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    return limited(await readAtMost(handle, BROWSER_LIMITS.fileBytes + 1));
  } finally {
    await handle.close();
  }
}

function limited(content: Buffer): Buffer {
  if (content.length <= BROWSER_LIMITS.fileBytes) return content;
  throw new Error(`it is larger than ${formatBytes(BROWSER_LIMITS.fileBytes)}`);
}

/** A name from a site as one of a file: one part of a path, visible, without characters that programs read as something else. Pure. */
export function safeName(name: string): string {
  const last = name.slice(Math.max(name.lastIndexOf("/"), name.lastIndexOf("\\")) + 1);
  const clean = last
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}<>:"|?*]/gu, "_")
    .replace(/^[.\s-]{1,200}/, "")
    .trimEnd();
  const ending = extname(clean).slice(0, 20);
  if (clean === "") return "download";
  return clean.length > NAME_CHARS ? clean.slice(0, NAME_CHARS - ending.length) + ending : clean;
}

function numbered(path: string, number: number): string {
  const ending = extname(path);
  return `${path.slice(0, path.length - ending.length)}-${number}${ending}`;
}
