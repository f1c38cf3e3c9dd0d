import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
  type Stats,
} from "node:fs";
import {
  chmod,
  copyFile,
  link,
  lstat,
  mkdir,
  open,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
  type FileHandle,
} from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { reasonOf } from "./errors.ts";

const PRIVATE_FILE = 0o600;
const PRIVATE_DIRECTORY = 0o700;

/** The system's code of an error (`ENOENT`), or an empty string. */
export const errnoOf = (err: unknown): string => String((err as NodeJS.ErrnoException | null)?.code ?? "");

const FILE_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  EEXIST: "there is a file where a directory is needed",
  ENOTDIR: "a part of the path is a file, not a directory",
  EISDIR: "it is a directory",
  EACCES: "permission denied",
  EPERM: "the system does not permit it",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  ELOOP: "there are too many symbolic links",
  ENAMETOOLONG: "the name is too long",
  EMFILE: "no file descriptors are left",
  ENFILE: "the system has no file descriptors left",
  ENXIO: "it is a device or a pipe without a reader",
  ERR_INVALID_ARG_VALUE: "the path contains a NUL character",
};

/** Why a path could not be used, in words, with the code of the system: `it does not exist (ENOENT)`. */
export function fileProblemOf(err: unknown): string {
  const code = errnoOf(err);
  const problem = FILE_PROBLEMS[code];
  return problem === undefined ? reasonOf(err) : `${problem} (${code})`;
}

// --- directories

/**
 * Makes a directory (0700) and what is missing above it. Throws the system's error. Not `recursive`: below /proc and other
 * file systems that refuse new entries with ENOENT, Node's recursive mkdir never returns.
 */
export function ensureDirectorySync(path: string): void {
  const missing: string[] = [];
  for (let at = resolve(path); !isDirectorySync(at); at = dirname(at)) missing.unshift(at);
  for (const each of missing) {
    try {
      mkdirSync(each, { mode: PRIVATE_DIRECTORY });
    } catch (err) {
      if (errnoOf(err) !== "EEXIST" || !isDirectorySync(each)) throw err;
    }
  }
}

/** As ensureDirectorySync, without blocking. */
export async function ensureDirectory(path: string): Promise<void> {
  const missing: string[] = [];
  for (let at = resolve(path); !(await isDirectory(at)); at = dirname(at)) missing.unshift(at);
  for (const each of missing) {
    try {
      await mkdir(each, { mode: PRIVATE_DIRECTORY });
    } catch (err) {
      if (errnoOf(err) !== "EEXIST" || !(await isDirectory(each))) throw err;
    }
  }
}

/** Whether an error means that there is nothing at the path. */
export const isAbsent = (err: unknown): boolean => ["ENOENT", "ENOTDIR"].includes(errnoOf(err));

function isDirectorySync(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (err) {
    if (isAbsent(err)) return false;
    throw err;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (err) {
    if (isAbsent(err)) return false;
    throw err;
  }
}

// --- atomic, durable writes

export type AtomicWriteOptions = {
  /** Mode of the file. Default 0600. */
  mode?: number;
  /**
   * The file belongs to a person: an existing file keeps its mode and, if the system permits, its owner; a symbolic link keeps
   * pointing to the file that is replaced, and a file that is a mount point is written in place (its previous text lies beside it
   * until that is on disk).
   */
  preserve?: boolean;
  /** With `preserve`: a symbolic link at the path is refused, also one that is put there meanwhile. */
  refuseLink?: boolean;
  /** Where an existing file is copied (0600) before it is replaced. */
  backup?: string;
};

/** New content of a file, complete and on disk beside it. */
export type StagedFile = {
  /** Replaces the file. File and directory are on disk when it resolves; when it rejects, the old file is left. */
  commit: () => Promise<void>;
  /** Removes the new content, unless it has replaced the file. */
  discard: () => Promise<void>;
};

const temporaryName = (path: string): string => join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);

/**
 * Replaces a file as a whole: a reader, also one after a crash or power failure, finds the old or the new content. File and
 * directory are on disk when it resolves. A failed write leaves the old file and no temporary file. The directory must exist.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array, options: AtomicWriteOptions = {}): Promise<void> {
  await (await stageFile(path, data, options)).commit();
}

/** The first half of writeFileAtomic: everything that usually fails (space, permissions) fails here, and then nothing has changed. */
export async function stageFile(path: string, data: string | Uint8Array, options: AtomicWriteOptions = {}): Promise<StagedFile> {
  const { preserve = false, refuseLink = false, backup } = options;
  const target = preserve && !refuseLink ? await existingTarget(path) : path;
  const old = preserve || backup !== undefined ? await statsOf(target, refuseLink ? lstat : stat) : null;
  if (refuseLink && old?.isSymbolicLink()) throw new Error("it is a symbolic link");
  const mode = (preserve && old ? old.mode & 0o777 : null) ?? options.mode ?? PRIVATE_FILE;
  if (backup !== undefined && old !== null) {
    await copyFile(target, backup);
    await chmod(backup, PRIVATE_FILE);
  }
  const temporary = temporaryName(target);
  const discard = (): Promise<void> => rm(temporary, { force: true });
  try {
    const handle = await open(temporary, "wx", PRIVATE_FILE);
    try {
      await handle.writeFile(data);
      if (preserve && old !== null) await copyOwner(old, handle);
      if (mode !== PRIVATE_FILE) await handle.chmod(mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (err) {
    await discard();
    throw err;
  }
  const commit = async (): Promise<void> => {
    try {
      if (!(await tryReplace(temporary, target, preserve))) {
        await writeInPlace(target, data, `${temporary.slice(0, -".tmp".length)}.previous`);
        await discard();
      }
    } catch (err) {
      await discard();
      throw err;
    }
    await syncDirectory(dirname(target));
  };
  return { commit, discard };
}

/**
 * Writes a file (0600) that is not there yet, as a whole: after a crash or on a full disk there is all of it or nothing. False, and nothing
 * is changed, when there is something at the path.
 */
export async function writeNewFile(path: string, data: string | Uint8Array): Promise<boolean> {
  const temporary = temporaryName(path);
  try {
    const handle = await open(temporary, "wx", PRIVATE_FILE);
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (!(await takeFreeName(temporary, path))) return false;
  } finally {
    await rm(temporary, { force: true });
  }
  await syncDirectory(dirname(path));
  return true;
}

async function takeFreeName(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (err) {
    if (errnoOf(err) === "EEXIST") return false;
    // File systems without hard links.
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(errnoOf(err))) throw err;
  }
  if (await statsOf(to, lstat)) return false;
  await rename(from, to);
  return true;
}

/** As writeFileAtomic, for content that is not in memory. Mode 0600. */
export async function writePartsAtomic(path: string, parts: AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = temporaryName(path);
  try {
    const handle = await open(temporary, "wx", PRIVATE_FILE);
    try {
      await handle.writeFile(parts);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (err) {
    await rm(temporary, { force: true });
    throw err;
  }
  await syncDirectory(dirname(path));
}

/** As writeFileAtomic, for code that cannot wait. */
export function writeFileAtomicSync(path: string, data: string | Uint8Array, { mode = PRIVATE_FILE }: { mode?: number } = {}): void {
  const temporary = temporaryName(path);
  try {
    const descriptor = openSync(temporary, "wx", PRIVATE_FILE);
    try {
      writeAllSync(descriptor, typeof data === "string" ? Buffer.from(data) : data);
      if (mode !== PRIVATE_FILE) fchmodSync(descriptor, mode);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (err) {
    rmSync(temporary, { force: true });
    throw err;
  }
  syncDirectorySync(dirname(path));
}

function writeAllSync(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at);
}

/** The file behind a link; the path itself when it does not exist yet. */
async function existingTarget(path: string): Promise<string> {
  return realpath(path).catch((err: unknown) => {
    if (errnoOf(err) === "ENOENT") return path;
    throw err;
  });
}

async function statsOf(path: string, read: (path: string) => Promise<Stats>): Promise<Stats | null> {
  return read(path).catch((err: unknown) => {
    if (errnoOf(err) === "ENOENT") return null;
    throw err;
  });
}

/** Only root may give a file to another user. */
async function copyOwner(old: Stats, handle: FileHandle): Promise<void> {
  const now = await handle.stat();
  if (old.uid === now.uid && old.gid === now.gid) return;
  await handle.chown(old.uid, old.gid).catch((err: unknown) => {
    if (errnoOf(err) !== "EPERM") throw err;
  });
}

/** False for a mount point, which cannot be renamed over, when that is allowed. */
async function tryReplace(temporary: string, path: string, allowMountPoint: boolean): Promise<boolean> {
  try {
    await rename(temporary, path);
    return true;
  } catch (err) {
    if (allowMountPoint && ["EBUSY", "EXDEV"].includes(errnoOf(err))) return false;
    throw err;
  }
}

/** A crash in the middle leaves `previous`, which has the whole old content. */
async function writeInPlace(path: string, data: string | Uint8Array, previous: string): Promise<void> {
  const handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    await writeFile(previous, await handle.readFile(), { flag: "wx", mode: PRIVATE_FILE });
    await syncPath(previous);
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at, bytes.length - at, at)).bytesWritten;
    await handle.truncate(bytes.length);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rm(previous, { force: true });
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Some file systems cannot sync a directory; there a rename is as durable as they make it. */
const cannotSync = (err: unknown): boolean => ["EINVAL", "ENOTSUP"].includes(errnoOf(err));

/** Makes new, renamed and removed entries of a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    await syncPath(path);
  } catch (err) {
    if (!cannotSync(err)) throw err;
  }
}

export function syncDirectorySync(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } catch (err) {
    if (!cannotSync(err)) throw err;
  } finally {
    closeSync(descriptor);
  }
}

// --- reading files that others may have placed

/** Never waits for a writer of a named pipe, and fails with ELOOP when the last part of the path is a link. */
const SAFE_READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** A path that may not be opened: it leads out of its root, or is a device, pipe or directory. */
export class UnsafePathError extends Error {
  readonly reason: "outside" | "not-a-file";

  constructor(path: string, reason: "outside" | "not-a-file") {
    super(reason === "outside" ? `${path} leads out of its directory` : `${path} is not a regular file`);
    this.name = "UnsafePathError";
    this.reason = reason;
  }
}

/**
 * Opens a regular file for reading that lies beneath `root`, which must exist. Links inside the root may be used; what they lead to
 * must lie beneath it too. The opened file itself is checked again, so replacing a part of the path meanwhile gains nothing.
 * Rejects with UnsafePathError or the system's error. The caller closes the handle.
 */
export async function openBeneath(root: string, path: string): Promise<FileHandle> {
  const realRoot = await realpath(root);
  const real = await realpath(resolve(realRoot, path));
  if (!isBeneath(realRoot, real)) throw new UnsafePathError(path, "outside");
  const handle = await open(real, SAFE_READ);
  try {
    if (!(await handle.stat()).isFile()) throw new UnsafePathError(path, "not-a-file");
    if (!isBeneath(realRoot, await openedPath(handle, real))) throw new UnsafePathError(path, "outside");
    return handle;
  } catch (err) {
    await handle.close();
    throw err;
  }
}

/** Whether `path` lies below `root`; both are absolute and free of links. Pure. */
export const isBeneath = (root: string, path: string): boolean => path.startsWith(root.endsWith(sep) ? root : root + sep);

/** Whether `path` is `root` or lies below it; both as above. Pure. */
export const isAtOrBeneath = (root: string, path: string): boolean => path === root || isBeneath(root, path);

/** Where the opened file lies. Without /proc: where `path` leads now, provided that it is still the same file. */
async function openedPath(handle: FileHandle, path: string): Promise<string> {
  try {
    return await readlink(`/proc/self/fd/${handle.fd}`);
  } catch (err) {
    if (!isAbsent(err)) throw err;
  }
  const [now, there, opened] = [await realpath(path), await stat(path), await handle.stat()];
  return there.dev === opened.dev && there.ino === opened.ino ? now : "";
}

/** Opens a regular file for reading; a link in the last part of the path, a device and a pipe are refused. The caller closes it. */
export function openRegularFileSync(path: string): number {
  const descriptor = openSync(path, SAFE_READ);
  if (fstatSync(descriptor).isFile()) return descriptor;
  closeSync(descriptor);
  throw new UnsafePathError(path, "not-a-file");
}

/** Reads at most `maxBytes` from the start of a file. Ask for one more than a limit to see that a file is larger. */
export async function readAtMost(handle: FileHandle, maxBytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(maxBytes);
  let length = 0;
  for (let read = -1; read !== 0 && length < maxBytes; length += read)
    read = (await handle.read(buffer, length, maxBytes - length, length)).bytesRead;
  return buffer.subarray(0, length);
}

/** As readAtMost, for a descriptor. */
export function readAtMostSync(descriptor: number, maxBytes: number): Buffer {
  const buffer = Buffer.alloc(maxBytes);
  let length = 0;
  for (let read = -1; read !== 0 && length < maxBytes; length += read)
    read = readSync(descriptor, buffer, length, maxBytes - length, length);
  return buffer.subarray(0, length);
}
