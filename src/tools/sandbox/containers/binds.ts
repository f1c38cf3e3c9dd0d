import { realpath } from "node:fs/promises";
import { normalize } from "node:path";
import { isAbsent, isAtOrBeneath } from "../../../core/files.ts";

/** What would give commands the machine, its users or its programs. */
const REFUSED = ["/boot", "/dev", "/etc", "/proc", "/root", "/run", "/sys", "/var/lib/containers", "/var/lib/docker", "/var/run"];
/** Programs of the machine may be read. */
const READ_ONLY = ["/bin", "/lib", "/lib64", "/sbin", "/usr"];

/** Throws when `sandbox.docker.binds` shows what no command may reach, or lets commands change programs of this machine. Pure. */
export function checkBinds(binds: readonly string[], hidden: readonly string[]): void {
  for (const bind of binds) {
    const [source = "", target = "", access] = bind.split(":");
    const problem = findProblem(source, target, { access, hidden });
    if (problem !== null) throw new Error(`sandbox.docker.binds has ${bind}: ${problem}`);
  }
}

/**
 * Throws when the source of a bind leads elsewhere: engines follow links, and a command that may change a directory above it could put a link
 * to anything in its place.
 */
export async function checkSources(binds: readonly string[]): Promise<void> {
  for (const bind of binds) {
    const [source = ""] = bind.split(":");
    const real = await realpath(source).catch((err: unknown) => {
      if (isAbsent(err)) throw new Error(`sandbox.docker.binds has ${bind}: there is no ${source}`);
      throw err;
    });
    if (real !== source) throw new Error(`sandbox.docker.binds has ${bind}: ${source} is a link to ${real}; name where it leads`);
  }
}

function findProblem(
  source: string,
  target: string,
  { access, hidden }: { access: string | undefined; hidden: readonly string[] },
): string | null {
  if (normalize(source) !== source || normalize(target) !== target) return "its paths have detours";
  if (target === "/") return "it would replace the files of the image";
  const overlaps = (path: string): boolean => isAtOrBeneath(path, source) || isAtOrBeneath(source, path);
  const refused = [...REFUSED, ...hidden].find(overlaps);
  if (refused !== undefined) return `no command may reach ${refused}`;
  const readOnly = READ_ONLY.find(overlaps);
  if (readOnly !== undefined && access !== "ro") return `${readOnly} has programs of this machine, which commands may only read: add :ro`;
  return null;
}
