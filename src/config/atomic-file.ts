import { chmod, copyFile, mkdir, open, realpath, rename, rm, stat } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { basename, dirname, join } from "node:path";

const PRIVATE = 0o600;

/** The file behind a link, so that replacing it keeps the link; the path itself when there is nothing yet. */
async function target(path: string): Promise<string> {
  return realpath(path).catch((err: NodeJS.ErrnoException) => {
    if (err.code === "ENOENT") return path;
    throw err;
  });
}

async function modeOf(path: string): Promise<number | null> {
  return stat(path).then(
    (stats) => stats.mode & 0o777,
    (err: NodeJS.ErrnoException) => {
      if (err.code === "ENOENT") return null;
      throw err;
    },
  );
}

/**
 * Replaces a file as a whole: readers see the old or the new text, also after a crash. A file that is made is 0600; an old one
 * keeps its mode and, when `backup` is given, is copied there first (0600). Directories are made 0700.
 */
export async function writeAtomic(path: string, text: string, backup?: string): Promise<void> {
  const file = await target(path);
  const directory = dirname(file);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const mode = await modeOf(file);
  if (backup !== undefined && mode !== null) {
    await copyFile(file, backup);
    await chmod(backup, PRIVATE);
  }
  const temporary = join(directory, `.${basename(file)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    const handle = await open(temporary, "wx", PRIVATE);
    try {
      await handle.writeFile(text, "utf8");
      if (mode !== null) await handle.chmod(mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (err) {
    await rm(temporary, { force: true });
    throw err;
  }
  await syncDirectory(directory);
}

/** Makes the rename itself durable. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
