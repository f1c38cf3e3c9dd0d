import { chmod, lstat, mkdir, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { Log } from "./log.ts";

/**
 * Creates a private directory of the gateway (0700) and its missing parents. A file in the place of one of them is renamed, not
 * deleted, so that its owner can still inspect it.
 */
export async function makePrivateDir(dir: string, log: Pick<Log, "warn">): Promise<void> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
  } catch (err) {
    if (!["EEXIST", "ENOTDIR"].includes((err as NodeJS.ErrnoException).code ?? "")) throw err;
    const found = await fileInTheWay(dir);
    if (found === null) throw err;
    const keptAs = `${found}.not-a-directory-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
    await rename(found, keptAs);
    log.warn("a file was in the place of a directory and was renamed", { path: found, keptAs });
    await mkdir(dir, { recursive: true, mode: 0o700 });
  }
  await chmod(dir, 0o700);
}

/** The deepest existing part of the path, when it is a regular file. */
async function fileInTheWay(dir: string): Promise<string | null> {
  for (let at = dir; at !== dirname(at); at = dirname(at)) {
    try {
      return (await lstat(at)).isFile() ? at : null;
    } catch (err) {
      if (!["ENOENT", "ENOTDIR"].includes((err as NodeJS.ErrnoException).code ?? "")) throw err;
    }
  }
  return null;
}
