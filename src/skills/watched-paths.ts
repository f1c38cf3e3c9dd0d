import { lstatSync, type BigIntStats } from "node:fs";
import { lstat } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf } from "../core/files.ts";
import { isLocalDirectory } from "../core/local-directory.ts";

/**
 * Paths that an answer was made from, with what they looked like before they were read. To look again costs one call of the system for
 * each; a watch of the system would cost nothing then, but descriptors all the time, and reports nothing on network file systems and for
 * directories that do not exist yet.
 */
export class WatchedPaths {
  readonly #stamps = new Map<string, { stamp: string; isLocal: boolean }>();

  /** Must be called before `path` is read. `directory`: one of the same file system; where it does not exist, the next one above it counts. */
  async add(path: string, directory: string): Promise<void> {
    const isLocal = await isLocalDirectory(await existingDirectory(directory));
    this.#stamps.set(path, { stamp: await stampOf(path, isLocal), isLocal });
  }

  async isUnchanged(): Promise<boolean> {
    for (const [path, { stamp, isLocal }] of this.#stamps) {
      const now = isLocal ? stampSync(path) : await stampOf(path, false);
      if (now !== stamp) return false;
    }
    return true;
  }
}

async function existingDirectory(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) if (at === dirname(at) || (await stampOf(at, false)) !== "absent") return at;
}

const toStamp = (stats: BigIntStats | undefined): string =>
  stats === undefined ? "absent" : `${stats.dev}:${stats.ino}:${stats.mode}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`;

function stampSync(path: string): string {
  try {
    return toStamp(lstatSync(path, { bigint: true, throwIfNoEntry: false }));
  } catch (err) {
    return unreadable(err);
  }
}

async function stampOf(path: string, isLocal: boolean): Promise<string> {
  if (isLocal) return stampSync(path);
  try {
    return toStamp(await lstat(path, { bigint: true }));
  } catch (err) {
    return unreadable(err);
  }
}

function unreadable(err: unknown): string {
  const code = errnoOf(err);
  if (code === "") throw err;
  return code === "ENOENT" ? "absent" : code;
}
