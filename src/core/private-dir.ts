import { chmod, lstat, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { ensureDirectory, errnoOf } from "./files.ts";
import type { Log } from "./log.ts";

/**
 * Creates a private directory of the gateway (0700) and its missing parents. A file in the place of one of them is renamed, not
 * deleted, so that its owner can still inspect it.
 */
export async function makePrivateDir(dir: string, log: Pick<Log, "warn">): Promise<void> {
  try {
    await ensureDirectory(dir);
  } catch (err) {
    if (!["EEXIST", "ENOTDIR"].includes(errnoOf(err))) throw err;
    const found = await fileInTheWay(dir);
    if (found === null) throw err;
    const keptAs = `${found}.not-a-directory-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
    await rename(found, keptAs);
    log.warn("a file was in the place of a directory and was renamed", { path: found, keptAs });
    await ensureDirectory(dir);
  }
  await chmod(dir, 0o700);
}

/** The deepest existing part of the path, when it is a regular file. */
async function fileInTheWay(dir: string): Promise<string | null> {
  for (let at = dir; at !== dirname(at); at = dirname(at)) {
    try {
      return (await lstat(at)).isFile() ? at : null;
    } catch (err) {
      if (!["ENOENT", "ENOTDIR"].includes(errnoOf(err))) throw err;
    }
  }
  return null;
}
