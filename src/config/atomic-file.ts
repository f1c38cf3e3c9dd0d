import { chmod, copyFile, open, realpath, rename, rm, stat } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { ensureDirectory } from "./make-dir.ts";

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
 * keeps its mode and, when `backup` is given, is copied there first (0600). Directories are made 0700. A file that is mounted by
 * itself cannot be replaced: it is written in place, and its previous text is beside it until that is on disk.
 */
export async function writeAtomic(path: string, text: string, backup?: string): Promise<void> {
  const file = await target(path);
  const directory = dirname(file);
  ensureDirectory(directory);
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
    if (!(await replace(temporary, file))) {
      await writeInPlace(file, text, `${temporary.slice(0, -".tmp".length)}.previous`);
      await rm(temporary, { force: true });
    }
  } catch (err) {
    await rm(temporary, { force: true });
    throw err;
  }
  await syncDirectory(directory);
}

/** False for a mount point, which the system does not let go. */
async function replace(temporary: string, file: string): Promise<boolean> {
  try {
    await rename(temporary, file);
    return true;
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException;
    if (code === "EBUSY" || code === "EXDEV") return false;
    throw err;
  }
}

/** A crash in the middle leaves `previous`, which has the whole old text. */
async function writeInPlace(file: string, text: string, previous: string): Promise<void> {
  await copyFile(file, previous);
  await chmod(previous, PRIVATE);
  await sync(previous);
  const handle = await open(file, "r+");
  try {
    const bytes = Buffer.from(text, "utf8");
    await handle.write(bytes, 0, bytes.length, 0);
    await handle.truncate(bytes.length);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rm(previous, { force: true });
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the rename itself durable. */
const syncDirectory = sync;
