import { mkdtemp, readdir, readFile, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { readContent, type ContentFile } from "../contents.ts";
import { readArchive } from "./archive.ts";
import { FetchError, runProgram } from "./run-program.ts";

/** Where the content of a skill comes from. `origin`: as it is kept and shown. */
export type SkillOrigin = { kind: "folder" | "npm" | "git"; origin: string; folder: string };

export type FetchOptions = { env: NodeJS.ProcessEnv; signal: AbortSignal };

/**
 * What was named for `skills install`: `npm:<package>@<version>`, `git:<url>#<commit>`, or a directory. Null for a package without an
 * exact version or a repository without a commit: their content would be another one tomorrow.
 */
export function parseOrigin(text: string, folder: string, cwd: string): SkillOrigin | null {
  if (text.startsWith("npm:"))
    return /^npm:(?:@\w[\w.-]*\/)?\w[\w.-]*@\d+\.\d+\.\d+[\w.+-]*$/.test(text) ? { kind: "npm", origin: text, folder } : null;
  if (text.startsWith("git:"))
    return /^git:[^#\s-][^#\s]*#(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text) ? { kind: "git", origin: text, folder } : null;
  return { kind: "folder", origin: resolve(cwd, text), folder };
}

/** The files of the skill. Nothing of it is run. Rejects with ContentError, FetchError or the system's error. */
export async function fetchContent({ kind, origin, folder }: SkillOrigin, options: FetchOptions): Promise<readonly ContentFile[]> {
  if (kind === "folder") return await readContent(await realpath(join(origin, folder)));
  const directory = await mkdtemp(join(tmpdir(), "openclaw-skill-"));
  try {
    return kind === "npm" ? await fetchPackage(origin, folder, directory, options) : await fetchCommit(origin, folder, directory, options);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** npm checks the hash that the registry names. */
async function fetchPackage(origin: string, folder: string, cwd: string, { env, signal }: FetchOptions): Promise<readonly ContentFile[]> {
  const args = ["pack", "--ignore-scripts", "--pack-destination", cwd, "--silent", "--", origin.slice("npm:".length)];
  await runProgram("npm", args, { cwd, env, signal });
  const file = (await readdir(cwd)).find((name) => name.endsWith(".tgz"));
  if (file === undefined) throw new FetchError("npm has fetched no package");
  return readArchive(await readFile(join(cwd, file)), { folder, hasTopDirectory: true });
}

/** Git checks the commit. Its files are taken from an archive, so that no filter or hook of a working tree runs. */
async function fetchCommit(origin: string, folder: string, cwd: string, { env, signal }: FetchOptions): Promise<readonly ContentFile[]> {
  const [url, commit] = origin.slice("git:".length).split("#") as [string, string];
  const options = { cwd, signal, env: { ...env, GIT_TERMINAL_PROMPT: "0", GIT_DIR: join(cwd, "repository") } };
  const git = (...args: string[]): Promise<Buffer> =>
    runProgram("git", ["-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never", ...args], options);
  await git("init", "--quiet", "--bare", join(cwd, "repository"));
  await git("fetch", "--quiet", "--depth", "1", "--no-tags", "--no-recurse-submodules", "--", url, commit);
  return readArchive(await git("archive", "--format=tar", commit), { folder });
}
