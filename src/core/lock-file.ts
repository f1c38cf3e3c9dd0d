import { randomBytes } from "node:crypto";
import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { errnoOf } from "./files.ts";
import { isProcessRunning } from "./pid-file.ts";

/** Locks that this process has or tries to take. */
const own = new Set<string>();

/** `isTaken`: the caller has the lock until it calls `release`. Otherwise `holder` has it; 0: it was just removed, or there is no telling. */
export type LockAttempt = { isTaken: true; release: () => Promise<void> } | { isTaken: false; holder: number };

/**
 * Tries to take a lock between processes. The file names its process from the first moment: one that is ended while it takes the lock leaves
 * none that no one could take over. The lock of a process that is gone is removed, and can be taken with the next attempt.
 */
export async function tryLock(path: string): Promise<LockAttempt> {
  if (own.has(path)) return { isTaken: false, holder: process.pid };
  own.add(path);
  const made = `${path}.${process.pid}.${randomBytes(6).toString("hex")}`;
  let isTaken = false;
  try {
    await writeFile(made, String(process.pid), { flag: "wx", mode: 0o600 });
    isTaken = await isLinked(made, path);
    if (isTaken) return { isTaken, release: () => release(path) };
    const holder = await holderOf(path);
    if (!isGone(holder)) return { isTaken, holder };
    await removeStale(path, made);
    return { isTaken, holder: 0 };
  } finally {
    await rm(made, { force: true });
    if (!isTaken) own.delete(path);
  }
}

/** Moves the lock away first: of two processes that find it stale, one gets it, and a new one that came meanwhile goes back. */
async function removeStale(path: string, aside: string): Promise<void> {
  try {
    await rename(path, aside);
  } catch (err) {
    if (errnoOf(err) === "ENOENT") return;
    throw err;
  }
  if (!isGone(await holderOf(aside))) await isLinked(aside, path);
}

async function isLinked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (err) {
    if (errnoOf(err) === "EEXIST") return false;
    throw err;
  }
}

async function release(path: string): Promise<void> {
  await rm(path, { force: true });
  own.delete(path);
}

/** A lock with the id of this process that it has not taken is of an earlier one, as the same ids come again in containers. */
const isGone = (holder: number): boolean => holder === 0 || holder === process.pid || !isProcessRunning(holder);

/** 0: no process can be read from it. */
async function holderOf(path: string): Promise<number> {
  const holder = Number(await readFile(path, "utf8").catch(() => ""));
  return Number.isSafeInteger(holder) && holder > 0 ? holder : 0;
}
