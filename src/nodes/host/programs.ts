import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";

/** Where a program is, by the search path; null: it is nowhere. A path with a slash has to be absolute. */
export function findProgram(name: string, pathEnv: string): string | null {
  if (name.includes("/")) return isAbsolute(name) && isExecutable(name) ? name : null;
  for (const directory of pathEnv.split(delimiter)) {
    if (!isAbsolute(directory)) continue;
    const path = join(directory, name);
    if (isExecutable(path)) return path;
  }
  return null;
}

/** The file that a path leads to, which is what the list of allowed programs names. */
export const realProgram = (path: string): string => realpathSync(path);

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false; // it is somewhere else, or not allowed to us
  }
}
