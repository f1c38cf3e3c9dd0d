import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { ensureDirectory, isAbsent } from "../core/files.ts";
import { holdDirectory, type HeldDirectory, type HoldDirectory } from "../core/held-directory.ts";
import { checkRegular, directoryError, FileTarget } from "./file-target.ts";
import { OutsideError, Roots, walk, type Location, type WalkOptions, type Walked } from "./path-walk.ts";
import { resolvePath, spellingsOf } from "./paths.ts";
import type { ToolCaller, ToolPermit } from "./tool.ts";

export type WorkspaceFilesOptions = {
  /** `~` in paths. */
  home: string;
  /**
   * Directories of the gateway with files that it names to agents, such as the whole output of a command. One may be read by its name,
   * which must be random: the directories are not listed, and none of their files is guessed.
   */
  named?: readonly string[];
  hold?: HoldDirectory;
};

/** What a call may reach. */
export type FilePermit = Pick<ToolPermit, "workspace" | "outside" | "skills"> & { caller: Pick<ToolCaller, "agentId" | "surface"> };

/** What a path led to. The caller closes it. */
export type Place = { file: FileHandle; name: string } | { directory: HeldDirectory };

/** Longest path that a model may name, in characters; as long as Linux takes one. */
const MAX_PATH_CHARS = 4_096;
/** Part of a name that cannot be guessed. */
const RANDOM_NAME = /[0-9a-f]{16}/;
/** Never waits for the writer of a pipe. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * The files that the tools may use. Each path that a model writes is resolved here, and leads to the workspace or to a directory beside it
 * that the configuration names (`outside`), or to an error: also through links, and also when a program replaces a part of the path at the
 * same time. A hard link counts as the file that it is: only a program that may read the file already can make one.
 *
 * Rejects with OutsidePathError, or with the system's error; `fileError` makes the answer of both.
 */
export class WorkspaceFiles {
  readonly #home: string;
  readonly #named: readonly string[];
  readonly #hold: HoldDirectory;

  constructor({ home, named = [], hold = holdDirectory }: WorkspaceFilesOptions) {
    this.#home = home;
    this.#named = named;
    this.#hold = hold;
  }

  /** Opens a regular file for reading, also one of a skill. The caller closes it. */
  async openFile(path: string, permit: FilePermit): Promise<FileHandle> {
    const outside = [...permit.outside, ...(permit.skills?.directories ?? [])];
    const place = await this.#open(path, { ...permit, outside }, "file");
    if ("file" in place) return place.file;
    place.directory.close();
    throw directoryError();
  }

  /** Holds a directory. The caller closes it. */
  async openDirectory(path: string, permit: FilePermit): Promise<HeldDirectory> {
    return this.#inFirstSpelling(path, permit, "directory", ({ directory, rest, problem }) => {
      if (rest.length > 0) throw problem;
      return directory;
    });
  }

  /** Opens what lies at a path: a directory, or a regular file for reading. */
  openPlace(path: string, permit: FilePermit): Promise<Place> {
    return this.#open(path, permit, "directory");
  }

  /**
   * The file that a change of `path` changes; it and its directories may be missing. A link leads to its target, but with `entry` the link
   * itself is meant. The caller closes it.
   */
  async findTarget(path: string, permit: FilePermit, wanted: "file" | "entry" = "file"): Promise<FileTarget> {
    const roots = rootsOf(permit);
    try {
      const location = await this.#locate(path, permit, roots);
      const hold: HoldDirectory = (root) => this.#holdOrMake(root, permit);
      return new FileTarget(await walk(location, { roots, hold, wanted }));
    } catch (err) {
      throw explain(err, permit);
    }
  }

  /** A workspace is made with the first file in it. */
  async #holdOrMake(root: string, { workspace }: FilePermit): Promise<HeldDirectory> {
    if (root === resolve(workspace)) await ensureDirectory(root);
    return this.#hold(root);
  }

  #resolve(path: string, { workspace }: FilePermit): string {
    const absolute = resolvePath(path, { workspace, home: this.#home });
    if (absolute.includes("\0")) throw Object.assign(new Error("NUL in a path"), { code: "ERR_INVALID_ARG_VALUE" });
    if (absolute.length > MAX_PATH_CHARS) throw Object.assign(new Error("long path"), { code: "ENAMETOOLONG" });
    return absolute;
  }

  async #locate(path: string, permit: FilePermit, roots: Roots): Promise<Location> {
    const absolute = this.#resolve(path, permit);
    const location = await roots.locate(absolute);
    if (location === null) throw new OutsideError(absolute, false);
    return location;
  }

  async #open(path: string, permit: FilePermit, wanted: WalkOptions["wanted"]): Promise<Place> {
    const named = this.#findNamed(path, permit);
    if (named !== null) return { file: await this.#openNamed(named), name: basename(named) };
    return this.#inFirstSpelling(path, permit, wanted, async ({ directory, rest, problem }) => {
      const [name, ...below] = rest;
      if (name === undefined) return { directory };
      if (below.length > 0) throw problem;
      const file = await openRegular(directory, name);
      directory.close();
      return { file, name };
    });
  }

  /** Walks to the spellings of a path until one exists; otherwise the path as it is written counts. */
  async #inFirstSpelling<T>(
    path: string,
    permit: FilePermit,
    wanted: WalkOptions["wanted"],
    use: (walked: Walked) => Promise<T> | T,
  ): Promise<T> {
    const options = { roots: rootsOf(permit), hold: this.#hold, wanted };
    try {
      const { root, names } = await this.#locate(path, permit, options.roots);
      let firstProblem: unknown = null;
      for (const spelling of spellingsOf(names.join("/"))) {
        try {
          return await useWalked(await walk({ root, names: spelling.split("/").filter((name) => name !== "") }, options), use);
        } catch (err) {
          if (!isAbsent(err)) throw firstProblem ?? err;
          firstProblem ??= err;
        }
      }
      throw firstProblem;
    } catch (err) {
      throw explain(err, permit);
    }
  }

  /** A file that the gateway has named to an agent: directly in one of its directories, by a random name. */
  #findNamed(path: string, permit: FilePermit): string | null {
    const absolute = this.#resolve(path, permit);
    return this.#named.includes(dirname(absolute)) && RANDOM_NAME.test(basename(absolute)) ? absolute : null;
  }

  async #openNamed(path: string): Promise<FileHandle> {
    const directory = await this.#hold(dirname(path));
    try {
      return await openRegular(directory, basename(path));
    } finally {
      directory.close();
    }
  }
}

/** Closes the directory when `use` rejects. */
async function useWalked<T>(walked: Walked, use: (walked: Walked) => Promise<T> | T): Promise<T> {
  try {
    return await use(walked);
  } catch (err) {
    walked.directory.close();
    throw err;
  }
}

const rootsOf = ({ workspace, outside }: FilePermit): Roots => new Roots([workspace, ...outside]);

/** A path outside of what a call may use; the message says which setting opens it. */
export class OutsidePathError extends Error {}

function explain(err: unknown, { workspace, caller }: FilePermit): unknown {
  if (!(err instanceof OutsideError)) return err;
  const key = caller.surface === "channel" ? `agents.entries.${caller.agentId}.tools.fs.paths` : "tools.fs.paths";
  const where = err.isLink ? `a link leads out of the workspace (${workspace})` : `it is outside of the workspace (${workspace})`;
  return new OutsidePathError(`${where}. The setting ${key} names directories that may be used besides`, { cause: err });
}

async function openRegular(directory: HeldDirectory, name: string): Promise<FileHandle> {
  const handle = await open(directory.entry(name), READ);
  try {
    await directory.confirm({ name, handle });
    checkRegular(await handle.stat());
    return handle;
  } catch (err) {
    await handle.close();
    throw err;
  }
}
