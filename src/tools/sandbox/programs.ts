import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { errnoOf, isAbsent } from "../../core/files.ts";

/** What every sandbox needs, and what one of root needs besides. */
export const PROGRAMS = ["bwrap", "choom", "prlimit"] as const;
export const ROOT_PROGRAMS = ["perl", "setpriv"] as const;
type Program = (typeof PROGRAMS)[number] | (typeof ROOT_PROGRAMS)[number];

export const AS_USER = "run the gateway as an ordinary user instead of root";

/** How to get a program, as a sentence. */
export const INSTALL: Readonly<Record<Program, string>> = {
  bwrap: "Install the package bubblewrap, version 0.8.0 or newer (Debian and Ubuntu: apt-get install bubblewrap).",
  choom: "Install the package util-linux.",
  prlimit: "Install the package util-linux.",
  perl: `Best, ${AS_USER}. Or install the package perl.`,
  setpriv: `Best, ${AS_USER}. Or install the package util-linux.`,
};

/** Not the directories of PATH, which may lead into a workspace. */
const PROGRAM_DIRECTORIES = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"];

/** Absolute paths of programs; `missing` is the first that is not installed. */
export function findPrograms(names: readonly Program[]): { programs: Record<Program, string>; missing: Program | undefined } {
  const programs: Partial<Record<Program, string>> = {};
  for (const name of names) {
    const path = PROGRAM_DIRECTORIES.map((directory) => join(directory, name)).find(isExecutable);
    if (path !== undefined) programs[name] = path;
  }
  return { programs: programs as Record<Program, string>, missing: names.find((name) => programs[name] === undefined) };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (err) {
    if (isAbsent(err) || errnoOf(err) === "EACCES") return false;
    throw err;
  }
}
