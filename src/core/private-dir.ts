import { chmod, lstat, mkdir, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { Log } from "./log.ts";

/**
 * Makes a directory of the gateway's own (0700) and what is missing above it. A file in the place of one of them is renamed, not deleted:
 * what belongs below can be made again, and whatever the file was stays for its owner.
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
    log.warn("a file stood in the place of a directory and was renamed", { path: found, keptAs });
    await mkdir(dir, { recursive: true, mode: 0o700 });
  }
  await chmod(dir, 0o700);
}

/** The lowest part of the path that is there, when it is a regular file. */
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
