import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { errnoOf, isAbsent } from "../core/files.ts";
import type { HeldDirectory } from "../core/held-directory.ts";
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
 * Every entry beneath `root`, directory by directory, without following links. Directories that cannot be read, or that were replaced
 * meanwhile, are left out, and those of SKIPPED_DIRECTORIES are not entered. Throws when the call is stopped, or when the root itself
 * cannot be read.
 */
export async function* walkTree(root: HeldDirectory, signal: AbortSignal): AsyncGenerator<TreeEntry> {
  const waiting: string[] = [""];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    throwIfStopped(signal);
    const entries = at === "" ? await readEntries(root) : await readEntriesBelow(root, at);
    const below: string[] = [];
    for (const entry of entries) {
      const path = at === "" ? entry.name : `${at}/${entry.name}`;
      yield { path, entry };
      if (entry.isDirectory() && !SKIPPED_DIRECTORIES.includes(entry.name)) below.push(path);
    }
    waiting.push(...below.toReversed());
  }
}

/** The entries of a directory by name. Rejects with the system's error. */
export async function readEntries(directory: HeldDirectory): Promise<Dirent[]> {
  const entries = await readdir(directory.self, { withFileTypes: true });
  await directory.confirm();
  return entries.toSorted((a, b) => compareNames(a.name, b.name));
}

async function readEntriesBelow(root: HeldDirectory, path: string): Promise<Dirent[]> {
  let at = root;
  try {
    for (const name of path.split("/")) {
      const next = await at.enter(name);
      if (at !== root) at.close();
      at = next;
    }
    return await readEntries(at);
  } catch (err) {
    if (isAbsent(err) || ["EACCES", "EPERM", "ESTALE"].includes(errnoOf(err))) return [];
    throw err;
  } finally {
    if (at !== root) at.close();
  }
}
