import { accessSync, constants, readFileSync } from "node:fs";
import { join } from "node:path";
import type { OtherUserPrograms } from "./records.ts";

/** Not the directories of PATH, which may lead into a workspace. */
const DIRECTORIES = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/** False for root of a user namespace, as in a rootless container: outside of it, that is an ordinary user. */
export function isRootOfMachine(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  return /^ *0 +0 /m.test(readFileSync("/proc/self/uid_map", "latin1"));
}

/** What a browser of root needs to run as another user; null where it is missing. */
export function findUserPrograms(): OtherUserPrograms | null {
  const { arch } = process;
  if (arch !== "x64" && arch !== "arm64") return null;
  const [perl, setpriv] = ["perl", "setpriv"].map((name) => DIRECTORIES.map((each) => join(each, name)).find(isExecutable));
  return perl === undefined || setpriv === undefined ? null : { perl, setpriv, architecture: arch };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Whatever the reason is, it cannot be used.
    return false;
  }
}
