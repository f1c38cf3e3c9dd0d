import type { Dirent } from "node:fs";
import { opendir } from "node:fs/promises";
import { join } from "node:path";
import { isAbsent } from "../core/files.ts";
import { throwIfStopped } from "./results.ts";

/** What a list of entries shows behind a name: `/` for a directory, `@` for a link. */
export const markOf = (entry: Pick<Dirent, "isDirectory" | "isSymbolicLink">): string =>
  entry.isDirectory() ? "/" : entry.isSymbolicLink() ? "@" : "";

/** By code points: the same order on every machine. */
export const compareNames = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Directories that hold what programs made; searches of a whole tree leave them out. */
export const SKIPPED_DIRECTORIES: readonly string[] = [".git", "node_modules"];

export type TreeEntry = { /** Relative to the root, with `/`. */ path: string; entry: Dirent };

/**
 * Every entry beneath `root`, directory by directory, without following links. Directories that cannot be read are left out, and those of
 * SKIPPED_DIRECTORIES are not entered. Throws when the call is stopped, or when the root itself cannot be read.
 */
export async function* walkTree(root: string, signal: AbortSignal): AsyncGenerator<TreeEntry> {
  const waiting: string[] = [""];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    throwIfStopped(signal);
    const entries = await readEntries(join(root, at), at === "");
    const below: string[] = [];
    for (const entry of entries) {
      const path = at === "" ? entry.name : `${at}/${entry.name}`;
      yield { path, entry };
      if (entry.isDirectory() && !SKIPPED_DIRECTORIES.includes(entry.name)) below.push(path);
    }
    waiting.push(...below.toReversed());
  }
}

async function readEntries(path: string, mustExist: boolean): Promise<Dirent[]> {
  try {
    const entries: Dirent[] = [];
    for await (const entry of await opendir(path)) entries.push(entry);
    return entries.toSorted((a, b) => compareNames(a.name, b.name));
  } catch (err) {
    if (mustExist) throw err;
    const { code } = err as NodeJS.ErrnoException;
    if (isAbsent(err) || code === "EACCES" || code === "EPERM") return [];
    throw err;
  }
}
