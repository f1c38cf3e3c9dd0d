import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { Clock } from "../core/clock.ts";
import { errnoOf } from "../core/files.ts";
import { SKILL_LIMITS } from "./limits.ts";

export type ProgramsOptions = { path: () => string; clock: Pick<Clock, "monotonic"> };

/** Which programs are installed, by the directories of PATH. An answer is remembered for a while. */
export class Programs {
  readonly #options: ProgramsOptions;
  readonly #known = new Map<string, boolean>();
  #path = "";
  #lookedUpAt = -Infinity;
  #generation = 0;

  constructor(options: ProgramsOptions) {
    this.#options = options;
  }

  /** Changes whenever an answer may be another one. */
  get generation(): number {
    const { path, clock } = this.#options;
    if (path() !== this.#path || clock.monotonic() - this.#lookedUpAt >= SKILL_LIMITS.programsMs) this.forget();
    return this.#generation;
  }

  forget(): void {
    this.#path = this.#options.path();
    this.#lookedUpAt = this.#options.clock.monotonic();
    this.#known.clear();
    this.#generation += 1;
  }

  has(name: string): boolean {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const found =
      isProgramName(name) && this.#path.split(delimiter).some((directory) => directory !== "" && isProgram(join(directory, name)));
    this.#known.set(name, found);
    return found;
  }
}

/** A path is not the name of a program. */
const isProgramName = (name: string): boolean => name !== "." && name !== ".." && !/[/\\\0]/.test(name);

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch (err) {
    if (errnoOf(err) !== "") return false;
    throw err;
  }
}
