import { closeSync, constants, existsSync, open, readlinkSync, type Stats } from "node:fs";
import { lstat, realpath, type FileHandle } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { promisify } from "node:util";

/**
 * A directory that is held: its entries are looked up in the directory itself and not along its path, so that a program which renames
 * it, or replaces a part of the path with a link, does not redirect what follows.
 *
 * Linux names an open directory as /proc/self/fd/N, and that is exact. Elsewhere the path without links is used, and `confirm` compares
 * what was found with what is there: a single replacement is noticed, several at the right moments are not.
 */
export interface HeldDirectory {
  /** Where it was when it was opened, without links. */
  readonly path: string;
  /** The directory itself, as a path for system calls and for the working directory of a process. */
  readonly self: string;
  /** One of its entries, as a path for a system call, which must not follow a link there. Throws unless `name` is a single name. */
  entry(name: string): string;
  /** A directory in it. Rejects with the system's error: ENOTDIR for a link and for a file. The caller closes it. */
  enter(name: string): Promise<HeldDirectory>;
  /** Rejects with ESTALE when the directory, or the file that was opened as `opened.name`, is not what the path leads to. */
  confirm(opened?: { name: string; handle: FileHandle }): Promise<void>;
  close(): void;
}

/** Opens directories to be held, following the links of the path. Rejects with the system's error. */
export type HoldDirectory = (path: string) => Promise<HeldDirectory>;

/** Holds a directory in the best way of this system. */
export const holdDirectory: HoldDirectory = (path) => (hasDescriptorPaths() ? DescriptorDirectory.open(path) : holdByPath(path));

let descriptorPaths: boolean | null = null;
const hasDescriptorPaths = (): boolean => (descriptorPaths ??= process.platform === "linux" && existsSync("/proc/self/fd"));

function checkName(name: string): string {
  if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes(sep))
    throw new Error(`${JSON.stringify(name)} is not the name of an entry`);
  return name;
}

// --- by descriptor

/** Opens without any right to read or write, which needs no permission for the directory itself. Node does not export it. */
const O_PATH = 0o10000000;
const openDescriptor = promisify(open);

class DescriptorDirectory implements HeldDirectory {
  readonly path: string;
  readonly #descriptor: number;
  #isOpen = true;

  private constructor(descriptor: number, path: string) {
    this.#descriptor = descriptor;
    this.path = path;
  }

  static async open(path: string): Promise<HeldDirectory> {
    const descriptor = await openDescriptor(path, O_PATH | constants.O_DIRECTORY);
    try {
      // The kernel answers this from memory.
      return new DescriptorDirectory(descriptor, readlinkSync(`/proc/self/fd/${descriptor}`));
    } catch (err) {
      closeSync(descriptor);
      throw err;
    }
  }

  /** After `close` the number may be that of another file. */
  get self(): string {
    if (!this.#isOpen) throw new Error(`the directory ${this.path} is used after it was closed`);
    return `/proc/self/fd/${this.#descriptor}`;
  }

  entry(name: string): string {
    return `${this.self}/${checkName(name)}`;
  }

  async enter(name: string): Promise<HeldDirectory> {
    const descriptor = await openDescriptor(this.entry(name), O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    return new DescriptorDirectory(descriptor, join(this.path, name));
  }

  confirm(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    if (this.#isOpen) closeSync(this.#descriptor);
    this.#isOpen = false;
  }
}

// --- by path

/** Holds a directory by its path, for systems without /proc. */
export async function holdByPath(path: string): Promise<HeldDirectory> {
  const real = await realpath(path);
  return new PathDirectory(real, await directoryAt(real));
}

async function directoryAt(path: string): Promise<Stats> {
  const stats = await lstat(path);
  if (stats.isDirectory()) return stats;
  throw Object.assign(new Error(`not a directory: ${path}`), { code: "ENOTDIR" });
}

const isSameFile = (a: Stats, b: Stats): boolean => a.dev === b.dev && a.ino === b.ino;

class PathDirectory implements HeldDirectory {
  readonly path: string;
  readonly #stats: Stats;

  constructor(path: string, stats: Stats) {
    this.path = path;
    this.#stats = stats;
  }

  get self(): string {
    return this.path;
  }

  entry(name: string): string {
    return join(this.path, checkName(name));
  }

  async enter(name: string): Promise<HeldDirectory> {
    const stats = await directoryAt(this.entry(name));
    // As the file system spells it.
    const real = await realpath(this.entry(name));
    if (dirname(real) !== this.path || !isSameFile(stats, await lstat(real))) throw replacedError();
    return new PathDirectory(real, stats);
  }

  async confirm(opened?: { name: string; handle: FileHandle }): Promise<void> {
    const isHere = (await realpath(this.path)) === this.path && isSameFile(this.#stats, await lstat(this.path));
    if (!isHere) throw replacedError();
    if (opened && !isSameFile(await opened.handle.stat(), await lstat(this.entry(opened.name)))) throw replacedError();
  }

  close(): void {
    // Nothing is open.
  }
}

const replacedError = (): Error => Object.assign(new Error("a part of the path was replaced meanwhile"), { code: "ESTALE" });
