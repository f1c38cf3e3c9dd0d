import { lstatSync, type Stats } from "node:fs";
import { lstat, stat } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import { errnoOf, isAbsent, readAtMost } from "../../core/files.ts";
import type { HeldDirectory } from "../../core/held-directory.ts";
import { isLocalDirectory } from "../../core/local-directory.ts";
import { TOOL_LIMITS } from "../limits.ts";
import { readEntries, SKIPPED_DIRECTORIES } from "../tree.ts";
import { OutsidePathError, type FilePermit, type WorkspaceFiles } from "../workspace-files.ts";
import type { IndexedNote } from "./note-index.ts";

/** Notes beside those of the directory. */
const ROOT_NOTES: readonly string[] = ["MEMORY.md", "USER.md"];
const DIRECTORY = "memory";
/** A directory that changed less than so long ago may change again without another time of change. */
const SETTLED_MS = 1_000;

/** What a look at all notes has found. */
export type NoteScan = {
  notes: ReadonlyMap<string, IndexedNote>;
  /** When each directory changed; null where it may change again without a trace. */
  directories: ReadonlyMap<string, number | null>;
  /** Why something is not searched, one sentence each. */
  problems: readonly string[];
};

/** Whether a path, relative to the workspace, can be one of a note. Pure. */
export const isNotePath = (path: string): boolean =>
  ROOT_NOTES.includes(path) || (path.startsWith(`${DIRECTORY}/`) && path.endsWith(".md") && !path.split("/").includes(".."));

/** The notes of a workspace: two files in it, and the Markdown files beneath its directory `memory`. No link is one. */
export class NoteFiles {
  readonly #files: WorkspaceFiles;
  readonly #now: () => number;

  constructor(files: WorkspaceFiles, now: () => number) {
    this.#files = files;
    this.#now = now;
  }

  /** The text of a note, of a large one its beginning, with what it was when it was read. Null: it is not there any more. */
  async read(path: string, permit: FilePermit): Promise<{ note: IndexedNote; text: string; isCut: boolean } | null> {
    let handle;
    try {
      handle = await this.#files.openFile(path, permit);
    } catch (err) {
      if (isAbsent(err)) return null;
      throw err;
    }
    try {
      const stats = await handle.stat();
      const bytes = await readAtMost(handle, Math.min(stats.size, TOOL_LIMITS.noteBytes));
      const text = new TextDecoder().decode(bytes);
      return { note: toNote(path, stats), text, isCut: stats.size > TOOL_LIMITS.noteBytes };
    } finally {
      await handle.close();
    }
  }

  /** Looks at all notes. Rejects with the system's error where the workspace cannot be used. */
  async scan(permit: FilePermit): Promise<NoteScan> {
    const scan: OpenScan = { notes: new Map(), directories: new Map(), problems: [] };
    const workspace = await this.#enter(".", permit, scan);
    if (workspace === null) return scan;
    try {
      await this.#addNotes(workspace, "", ROOT_NOTES, scan);
    } finally {
      workspace.close();
    }
    const directory = await this.#enter(DIRECTORY, permit, scan);
    if (directory !== null) await this.#scanBeneath(directory, DIRECTORY, scan);
    if (scan.isLimited) scan.problems.push(LIMITED);
    return scan;
  }

  /** Whether one of these notes, one of the notes in the workspace itself, or a directory has changed since a scan. */
  async hasChanged(scan: NoteScan, recent: readonly IndexedNote[], permit: FilePermit): Promise<boolean> {
    const workspace = await this.#enter(".", permit, { problems: [] });
    if (workspace === null) return scan.notes.size > 0;
    try {
      const look = await looker(workspace);
      for (const [path, changedAt] of scan.directories) if ((await look(path))?.mtimeMs !== changedAt) return true;
      for (const path of new Set([...ROOT_NOTES, ...recent.map((note) => note.path)])) {
        const stats = await look(path);
        const stamp = stats?.isFile() === true ? toNote(path, stats).stamp : undefined;
        if (stamp !== scan.notes.get(path)?.stamp) return true;
      }
      return false;
    } finally {
      workspace.close();
    }
  }

  /** Null for a directory that is not there, or that is not searched, which becomes a problem. */
  async #enter(path: string, permit: FilePermit, { problems }: { problems: string[] }): Promise<HeldDirectory | null> {
    try {
      return await this.#files.openDirectory(path, permit);
    } catch (err) {
      if (isAbsent(err)) return null;
      if (!(err instanceof OutsidePathError)) throw err;
      problems.push(`The directory ${path} is not searched: ${err.message}.`);
      return null;
    }
  }

  /** Closes the directory. */
  async #scanBeneath(directory: HeldDirectory, path: string, scan: OpenScan): Promise<void> {
    const below: string[] = [];
    try {
      const { mtimeMs } = await stat(directory.self);
      const entries = await readEntries(directory);
      scan.directories.set(path, this.#now() - mtimeMs > SETTLED_MS ? mtimeMs : null);
      const names = entries.filter((entry) => entry.isFile() && entry.name.endsWith(".md")).map(({ name }) => name);
      await this.#addNotes(directory, `${path}/`, names, scan);
      below.push(...entries.filter((entry) => entry.isDirectory() && !SKIPPED_DIRECTORIES.includes(entry.name)).map(({ name }) => name));
      for (const name of below) {
        scan.isLimited ||= scan.directories.size >= TOOL_LIMITS.noteDirectories || path.split("/").length >= TOOL_LIMITS.noteDepth;
        if (scan.isLimited) return;
        const next = await enterBelow(directory, name);
        if (next === null) scan.problems.push(`The directory ${path}/${name} is not searched: it cannot be read.`);
        else await this.#scanBeneath(next, `${path}/${name}`, scan);
      }
    } finally {
      directory.close();
    }
  }

  async #addNotes(directory: HeldDirectory, prefix: string, names: readonly string[], scan: OpenScan): Promise<void> {
    const look = await looker(directory);
    for (const [index, name] of names.entries()) {
      if (index % TOOL_LIMITS.noteBatchFiles === TOOL_LIMITS.noteBatchFiles - 1) await nextTurn();
      scan.isLimited ||= scan.notes.size >= TOOL_LIMITS.notes;
      if (scan.isLimited) return;
      const stats = await look(name);
      if (stats?.isFile() === true) scan.notes.set(`${prefix}${name}`, toNote(`${prefix}${name}`, stats));
    }
  }
}

type OpenScan = { notes: Map<string, IndexedNote>; directories: Map<string, number | null>; problems: string[]; isLimited?: boolean };

const LIMITED = `Only ${TOOL_LIMITS.notes} notes in ${TOOL_LIMITS.noteDirectories} directories, ${TOOL_LIMITS.noteDepth} of them deep, are searched; there are more.`;

const toNote = (path: string, { ino, size, mtimeMs }: Stats): IndexedNote => ({
  path,
  stamp: `${ino}:${size}:${mtimeMs}`,
  changedAt: mtimeMs,
});

/** Looks at what lies beneath a directory, without following a link at its end; in the cheapest way that cannot block for long. */
async function looker(directory: HeldDirectory): Promise<(path: string) => Promise<Stats | null> | Stats | null> {
  if (await isLocalDirectory(directory.path)) return (path) => lstatSync(`${directory.self}/${path}`, { throwIfNoEntry: false }) ?? null;
  return (path) =>
    lstat(`${directory.self}/${path}`).catch((err: unknown) => {
      if (isAbsent(err)) return null;
      throw err;
    });
}

async function enterBelow(directory: HeldDirectory, name: string): Promise<HeldDirectory | null> {
  try {
    return await directory.enter(name);
  } catch (err) {
    if (isAbsent(err) || ["EACCES", "EPERM", "ESTALE"].includes(errnoOf(err))) return null;
    throw err;
  }
}
