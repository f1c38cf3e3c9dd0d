import { isUtf8 } from "node:buffer";
import { constants, type Stats } from "node:fs";
import { access, lstat, mkdir, open, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, isAbsent, readAtMost, stageFile, type StagedFile } from "../core/files.ts";
import type { HeldDirectory } from "../core/held-directory.ts";
import { TOOL_LIMITS } from "./limits.ts";
import type { Walked } from "./path-walk.ts";
import { formatBytes } from "./truncation.ts";

const DIRECTORY_MODE = 0o700;

export const absentError = (): Error => Object.assign(new Error("nothing is there"), { code: "ENOENT" });
export const directoryError = (): Error => Object.assign(new Error("it is a directory"), { code: "EISDIR" });

/** Throws unless it is a regular file. A rename would replace a device by a file, and reading one may never end. */
export function checkRegular(stats: Stats): void {
  if (stats.isDirectory()) throw directoryError();
  if (stats.isSymbolicLink()) throw new Error("it is a symbolic link");
  if (!stats.isFile()) throw new Error("it is a device, a pipe or a socket, not a regular file");
}

/**
 * A file that a tool changes: an entry of a directory that is held, so that the change happens where the path was found to lead. Rejects
 * with the system's errors.
 */
export class FileTarget {
  /** The path without links: the same for all paths that lead to the file. */
  readonly key: string;
  readonly #name: string;
  #directory: HeldDirectory;
  /** Directories between `#directory` and the file that do not exist yet. */
  #missing: readonly string[];
  /** What makeDirectories has made, with where. */
  readonly #made: { parent: HeldDirectory; name: string }[] = [];

  constructor({ directory, rest }: Pick<Walked, "directory" | "rest">) {
    this.key = join(directory.path, ...rest);
    this.#directory = directory;
    this.#missing = rest.slice(0, -1);
    this.#name = rest.at(-1) ?? "";
  }

  /** Makes what is missing of its directories, private to their owner. */
  async makeDirectories(): Promise<void> {
    for (let name = this.#missing[0]; name !== undefined; name = this.#missing[0]) {
      await this.#directory.confirm();
      const isMade = await makeDirectory(this.#directory.entry(name));
      if (isMade) this.#made.push({ parent: this.#directory, name });
      const parent = await this.#enter(name);
      if (!isMade) parent.close();
    }
  }

  /** Returns the directory above, which is still open. */
  async #enter(name: string): Promise<HeldDirectory> {
    const parent = this.#directory;
    this.#directory = await parent.enter(name);
    this.#missing = this.#missing.slice(1);
    return parent;
  }

  /** Removes the directories that makeDirectories has made, as far as they are empty. */
  async removeMadeDirectories(): Promise<void> {
    for (const { parent, name } of this.#made.toReversed()) {
      try {
        await rmdir(parent.entry(name));
      } catch (err) {
        if (!["ENOENT", "ENOTEMPTY", "EEXIST"].includes(errnoOf(err))) throw err;
        return;
      }
    }
  }

  /** What is there, without following a link; null for nothing. */
  async stats(): Promise<Stats | null> {
    if (this.#name === "") throw directoryError();
    try {
      // What was missing may have been made since.
      for (let name = this.#missing[0]; name !== undefined; name = this.#missing[0]) (await this.#enter(name)).close();
      return await lstat(this.#entry);
    } catch (err) {
      if (isAbsent(err)) return null;
      throw err;
    }
  }

  /** Rejects unless it is a regular file that may be written, or nothing: a rename needs no permission for the file itself. */
  async checkWritable(): Promise<Stats | null> {
    const stats = await this.stats();
    if (stats === null) return null;
    checkRegular(stats);
    await access(this.#entry, constants.W_OK);
    return stats;
  }

  /** The content of a file that is text and may be written. */
  async readText(): Promise<string> {
    const bytes = await this.readBytes();
    if (!isUtf8(bytes)) throw new Error("it is not UTF-8 text, and writing it would damage it. Change it with a command");
    return bytes.toString();
  }

  /** The content of a file that may be written. */
  async readBytes(): Promise<Buffer> {
    if ((await this.checkWritable()) === null) throw absentError();
    const handle = await open(this.#entry, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      await this.#directory.confirm({ name: this.#name, handle });
      const bytes = await readAtMost(handle, Math.min((await handle.stat()).size, TOOL_LIMITS.editedBytes) + 1);
      if (bytes.length <= TOOL_LIMITS.editedBytes) return bytes;
      throw new Error(`it is larger than ${formatBytes(TOOL_LIMITS.editedBytes)}. Change it with a command`);
    } finally {
      await handle.close();
    }
  }

  /** Writes new content beside the file. An existing file keeps its mode; a new one is private to its owner, or has `mode`. */
  async stage(content: string | Uint8Array, mode?: number): Promise<StagedFile> {
    await this.#directory.confirm();
    const staged = await stageFile(this.#entry, content, { preserve: true, refuseLink: true, ...(mode !== undefined && { mode }) });
    return {
      discard: staged.discard,
      commit: async () => {
        await this.#directory.confirm().catch(async (err: unknown) => {
          await staged.discard();
          throw err;
        });
        await staged.commit();
        await this.#directory.confirm();
      },
    };
  }

  /** Replaces the file as a whole. */
  async replace(content: string | Uint8Array): Promise<void> {
    await (await this.stage(content)).commit();
  }

  /** Removes the file; a link is removed itself. */
  async remove(): Promise<void> {
    await this.#directory.confirm();
    await unlink(this.#entry);
  }

  /** Rejects unless entries of its directory may be removed. */
  async checkRemovable(): Promise<void> {
    await access(this.#directory.self, constants.W_OK | constants.X_OK);
  }

  close(): void {
    for (const { parent } of this.#made) parent.close();
    this.#directory.close();
  }

  get #entry(): string {
    return this.#directory.entry(this.#name);
  }
}

/** False when something is there already; entering it then says whether it is a directory. */
async function makeDirectory(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: DIRECTORY_MODE });
    return true;
  } catch (err) {
    if (errnoOf(err) === "EEXIST") return false;
    throw err;
  }
}
