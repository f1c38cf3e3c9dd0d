import { readlink, realpath } from "node:fs/promises";
import { dirname, isAbsolute, resolve, sep } from "node:path";
import { errnoOf, isAbsent, isAtOrBeneath } from "../core/files.ts";
import type { HeldDirectory, HoldDirectory } from "../core/held-directory.ts";

/** As many links as Linux follows in one path. */
const MAX_LINKS = 40;
/** Names that are looked up for one path: links with many `..` make it start over. */
const MAX_STEPS = 4_096;

/** A path that leads out of the directories that may be used; `isLink`: by a link, not by its own text. */
export class OutsideError extends Error {
  readonly isLink: boolean;

  constructor(path: string, isLink: boolean) {
    super(`${path} leads out of the directories that may be used`);
    this.name = "OutsideError";
    this.isLink = isLink;
  }
}

/** A place beneath one of the roots, by name. */
export type Location = { root: string; names: readonly string[] };

/** The directories that may be used. */
export class Roots {
  readonly #paths: readonly string[];
  #withReal: Promise<readonly string[]> | null = null;

  /** `paths`: absolute. */
  constructor(paths: readonly string[]) {
    this.#paths = paths.map((path) => resolve(path));
  }

  /** The root that an absolute path lies in, by its text: as the root is written, or as it is without links. Null: in none. */
  async locate(path: string): Promise<Location | null> {
    return locateIn(this.#paths, path) ?? locateIn(await (this.#withReal ??= this.#realPaths()), path);
  }

  async #realPaths(): Promise<readonly string[]> {
    const paths = this.#paths.map((path) =>
      realpath(path).catch((err: unknown) => {
        // What does not exist cannot be used either; opening it reports that.
        if (errnoOf(err) !== "") return path;
        throw err;
      }),
    );
    return Promise.all(paths);
  }
}

function locateIn(roots: readonly string[], path: string): Location | null {
  const root = roots.find((each) => isAtOrBeneath(each, path));
  return root === undefined ? null : { root, names: path.slice(root.length).split(sep).filter(isName) };
}

/** Whether a part of a path, split at its separators, leads anywhere. */
const isName = (part: string): boolean => part !== "" && part !== ".";

/**
 * Where a walk ended: in the directory that was asked for (`rest` is empty), or above what is missing or not a directory. The caller
 * closes the directory.
 */
export type Walked = {
  directory: HeldDirectory;
  rest: readonly string[];
  /** What the system said about the first name of `rest`. */
  problem: unknown;
};

export type WalkOptions = {
  roots: Roots;
  hold: HoldDirectory;
  /**
   * `directory`: the path is entered. `file`: its last name is not entered, but followed when it is a link. `entry`: its last name is not
   * even followed.
   */
  wanted: "directory" | "file" | "entry";
};

/**
 * Walks to a path name by name, each one looked up in the directory that is held. Links are followed here and not by the system, as long
 * as they stay in one of the roots. Rejects with OutsideError, or with the system's error.
 */
export const walk = (location: Location, options: WalkOptions): Promise<Walked> => new Walk(options).run(location);

class Walk {
  readonly #options: WalkOptions;
  #at: HeldDirectory | null = null;
  /** Names still to be looked up, the next one at the end; `..` comes from links only. */
  #pending: string[] = [];
  #links = 0;
  #steps = 0;

  constructor(options: WalkOptions) {
    this.#options = options;
  }

  async run(location: Location): Promise<Walked> {
    try {
      await this.#startAt(location);
      while (this.#pending.length > 0) {
        const end = await this.#step(this.#at!, this.#pending.pop()!);
        if (end !== null) return end;
      }
      return { directory: this.#at!, rest: [], problem: null };
    } catch (err) {
      this.#at?.close();
      throw err;
    }
  }

  async #startAt({ root, names }: Location): Promise<void> {
    const directory = await this.#options.hold(root);
    this.#at?.close();
    this.#at = directory;
    this.#pending.push(...names.toReversed());
  }

  async #step(at: HeldDirectory, name: string): Promise<Walked | null> {
    if (++this.#steps > MAX_STEPS) throw tooManyLinks(name);
    if (name === "..") return this.#restart(dirname(at.path));
    const { wanted } = this.#options;
    const isLast = this.#pending.length === 0;
    let problem: unknown = null;
    if (!isLast || wanted === "directory") {
      try {
        this.#at = await at.enter(name);
        at.close();
        return null;
      } catch (err) {
        if (!isAbsent(err)) throw err;
        problem = err;
      }
    }
    const link = errnoOf(problem) === "ENOENT" || (isLast && wanted === "entry") ? null : await linkAt(at.entry(name));
    if (link !== null) return this.#follow(link);
    const rest = [name, ...this.#pending.toReversed()];
    const isFileInTheWay = !isLast && errnoOf(problem) === "ENOTDIR";
    if (isFileInTheWay || rest.includes("..")) throw problem;
    return { directory: at, rest, problem };
  }

  async #follow(link: string): Promise<null> {
    if (++this.#links > MAX_LINKS) throw tooManyLinks(link);
    if (isAbsolute(link)) return this.#restart(resolve(link));
    this.#pending.push(...link.split(sep).filter(isName).toReversed());
    return null;
  }

  /** Continues at an absolute path. What lies between the roots is not looked at: there the text of the path decides. */
  async #restart(path: string): Promise<null> {
    const { roots } = this.#options;
    let location = await roots.locate(path);
    if (location === null) {
      location = await roots.locate(resolve(path, ...this.#pending.toReversed()));
      this.#pending = [];
    }
    if (location === null) throw new OutsideError(path, true);
    await this.#startAt(location);
    return null;
  }
}

const tooManyLinks = (path: string): Error => Object.assign(new Error(`too many symbolic links: ${path}`), { code: "ELOOP" });

/** The text of a link; null for what is not a link, or not there. */
async function linkAt(path: string): Promise<string | null> {
  try {
    return await readlink(path);
  } catch (err) {
    if (isAbsent(err) || errnoOf(err) === "EINVAL") return null;
    throw err;
  }
}
