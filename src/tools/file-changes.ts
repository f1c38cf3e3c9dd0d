import { constants } from "node:fs";
import { access, readlink, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { errnoOf, isAbsent, writeFileAtomic } from "../core/files.ts";

/** As many links as Linux follows. */
const MAX_LINKS = 40;

/**
 * The file that a write to `path` changes, free of links: also where a link leads whose target does not exist yet. Parent directories
 * may be missing. Rejects with the system's error.
 */
export async function targetOf(path: string, links = MAX_LINKS): Promise<string> {
  try {
    return await realpath(path);
  } catch (err) {
    if (!isAbsent(err)) throw err;
  }
  const link = await linkAt(path);
  if (link !== null) {
    if (links === 0) throw Object.assign(new Error(`too many symbolic links: ${path}`), { code: "ELOOP" });
    return targetOf(resolve(dirname(path), link), links - 1);
  }
  const parent = dirname(path);
  return parent === path ? path : join(await targetOf(parent, links), basename(path));
}

async function linkAt(path: string): Promise<string | null> {
  try {
    return await readlink(path);
  } catch (err) {
    if (isAbsent(err) || errnoOf(err) === "EINVAL") return null;
    throw err;
  }
}

/**
 * Rejects with the system's error unless `target` is a regular file that may be written, or nothing. A rename would replace a device
 * by a file, and needs no permission for the file itself.
 */
export async function checkWritable(target: string): Promise<void> {
  try {
    const stats = await stat(target);
    if (stats.isDirectory()) throw Object.assign(new Error("it is a directory"), { code: "EISDIR" });
    if (!stats.isFile()) throw new Error("it is a device, a pipe or a socket, not a regular file");
    await access(target, constants.W_OK);
  } catch (err) {
    if (!isAbsent(err)) throw err;
  }
}

/** Replaces a file as a whole; an existing one keeps its mode, a new one is private to its owner. */
export const replaceFile = (target: string, data: string | Uint8Array): Promise<void> => writeFileAtomic(target, data, { preserve: true });

/** Serializes the changes of each file; different files change in parallel. */
export class FileLocks {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `change` after all earlier changes of `target`, a path as of `targetOf`. */
  async withLock<T>(target: string, change: () => Promise<T>): Promise<T> {
    const before = this.#last.get(target);
    const run = before === undefined ? change() : before.then(change, change);
    this.#last.set(target, run);
    try {
      return await run;
    } finally {
      if (this.#last.get(target) === run) this.#last.delete(target);
    }
  }
}
