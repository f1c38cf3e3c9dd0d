import { statfs } from "node:fs/promises";
import { errnoOf } from "./files.ts";
import { LIMITS } from "./limits.ts";

/** Types of file systems of Linux, as `statfs` reports them, whose calls never wait for another machine or process. */
const LOCAL_TYPES: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0xf2f52010, // f2fs
  0x2fc12fc1, // zfs
  0xca451a4e, // bcachefs
  0x52654973, // reiserfs
  0x3153464a, // jfs
  0x01021994, // tmpfs
  0x858458f6, // ramfs
  0x794c7630, // overlayfs
]);

/** Whether a file system is local. Every type that is not known counts as remote, as do all of other platforms, which number them differently. */
export const isLocalType = (type: number, platform: NodeJS.Platform): boolean => platform === "linux" && LOCAL_TYPES.has(type);

/** The answer for each directory. */
const known = new Map<string, boolean>();

/**
 * Whether synchronous calls in a directory are safe: they cost a tenth of the CPU of asynchronous ones, but on a network file system
 * one of them can stop the process for as long as the server does not answer. Decided once for each directory.
 */
export async function isLocalDirectory(dir: string): Promise<boolean> {
  const decided = known.get(dir);
  if (decided !== undefined) return decided;
  const type = await typeOf(dir);
  if (type === null) return false;
  const isLocal = isLocalType(type, process.platform);
  if (known.size >= LIMITS.workspaceFilesCached) known.delete(known.keys().next().value!);
  known.set(dir, isLocal);
  return isLocal;
}

/** Null when the system does not say it, e.g. in a sandbox; the calls that follow report what is wrong with the directory. */
async function typeOf(dir: string): Promise<number | null> {
  try {
    return (await statfs(dir)).type;
  } catch (err) {
    if (errnoOf(err) !== "") return null;
    throw err;
  }
}
