import { realpath, stat } from "node:fs/promises";
import { isAbsent, isAtOrBeneath } from "../../core/files.ts";
import { resolvePath } from "../paths.ts";
import { fileError } from "../results.ts";

export type AllowedRoots = {
  workspace: string;
  /** Absolute directories beside the workspace; `/` is everything. */
  outside: readonly string[];
  home: string;
};

/** The real path of the directory that a call means, which must lie in one of the roots. Throws, with the reason, otherwise. */
export async function findWorkingDirectory(given: string, roots: AllowedRoots): Promise<string> {
  const path = resolvePath(given || ".", roots);
  let real: string;
  try {
    real = await realpath(path);
    if (!(await stat(real)).isDirectory()) throw Object.assign(new Error("not a directory"), { code: "ENOTDIR" });
  } catch (err) {
    throw fileError("run a command in", path, err);
  }
  for (const root of [roots.workspace, ...roots.outside]) if (isAtOrBeneath(await toReal(root), real)) return real;
  throw new Error(`Cannot run a command in ${path}: it is outside the workspace ${roots.workspace}. Nothing was run.`);
}

/** A root that does not exist contains nothing. */
async function toReal(root: string): Promise<string> {
  try {
    return await realpath(root);
  } catch (err) {
    if (isAbsent(err)) return root;
    throw err;
  }
}
