import { constants } from "node:fs";
import { access, realpath, stat } from "node:fs/promises";
import { errnoOf, isAbsent } from "../core/files.ts";

/** Resolves to the real path of a file that this process may execute; undefined when there is none at `path`. */
export async function executableAt(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile() ? await realpath(path) : undefined;
  } catch (err) {
    if (isAbsent(err) || ["EACCES", "ELOOP", "ENAMETOOLONG"].includes(errnoOf(err))) return undefined;
    throw err;
  }
}
