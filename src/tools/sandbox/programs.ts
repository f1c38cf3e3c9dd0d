import { join } from "node:path";
import { executableAt } from "../executable.ts";

/** What every sandbox needs, and what one of root needs besides. */
export const PROGRAMS = ["bwrap", "choom", "prlimit"] as const;
export const ROOT_PROGRAMS = ["perl", "setpriv"] as const;
/** Of the backends with containers. */
export const ENGINES = ["podman", "docker"] as const;
type Program = (typeof PROGRAMS)[number] | (typeof ROOT_PROGRAMS)[number] | (typeof ENGINES)[number];

export const AS_USER = "run the gateway as an ordinary user instead of root";

/** How to get a program, as a sentence. */
export const INSTALL: Readonly<Record<Program, string>> = {
  bwrap: "Install the package bubblewrap, version 0.8.0 or newer (Debian and Ubuntu: apt-get install bubblewrap).",
  choom: "Install the package util-linux.",
  prlimit: "Install the package util-linux.",
  perl: `Best, ${AS_USER}. Or install the package perl.`,
  setpriv: `Best, ${AS_USER}. Or install the package util-linux.`,
  podman: "Install podman (Debian and Ubuntu: apt-get install podman), or set sandbox.backend to another one.",
  docker: "Install Docker, or set sandbox.backend to another one.",
};

/** Not the directories of PATH, which may lead into a workspace. */
const PROGRAM_DIRECTORIES = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"];

/** Absolute paths of programs, as they are found: some are links to one program that goes by its name. `missing` is the first that is not installed. */
export async function findPrograms(
  names: readonly Program[],
): Promise<{ programs: Record<Program, string>; missing: Program | undefined }> {
  const programs: Partial<Record<Program, string>> = {};
  for (const name of names) {
    for (const path of PROGRAM_DIRECTORIES.map((directory) => join(directory, name))) {
      if ((await executableAt(path)) === undefined) continue;
      programs[name] = path;
      break;
    }
  }
  return { programs: programs as Record<Program, string>, missing: names.find((name) => programs[name] === undefined) };
}
