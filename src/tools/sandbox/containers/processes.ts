import { readdir, readFile, readlink } from "node:fs/promises";
import { errnoOf } from "../../../core/files.ts";

/** Of what may end, or belong to another user, while it is looked at. */
const EXPECTED = new Set(["ENOENT", "ESRCH", "EACCES", "EPERM"]);

async function readIfAllowed(read: Promise<string>): Promise<string | null> {
  try {
    return await read;
  } catch (err) {
    if (EXPECTED.has(errnoOf(err))) return null;
    throw err;
  }
}

const namespaceOf = (pid: number | string): Promise<string | null> => readIfAllowed(readlink(`/proc/${pid}/ns/pid`));

/**
 * Numbers, on this machine, of the processes in the container whose first process is `first`; null when this user may not see it. They
 * have a namespace of their own, which no process can leave or fake.
 */
export async function processesOf(first: number): Promise<readonly number[] | null> {
  const namespace = await namespaceOf(first);
  if (namespace === null) return null;
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(names.map(async (name) => ((await namespaceOf(name)) === namespace ? [Number(name)] : [])));
  return found.flat();
}

/** Those of them whose environment has this entry. */
export async function withVariable(pids: readonly number[], entry: string): Promise<readonly number[]> {
  const found = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readIfAllowed(readFile(`/proc/${pid}/environ`, "latin1"));
      return environment?.split("\0").includes(entry) === true ? [pid] : [];
    }),
  );
  return found.flat();
}

/** Kills processes; false when one belongs to another user. */
export function killAll(pids: readonly number[]): boolean {
  let isAllowed = true;
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (err) {
      if (errnoOf(err) === "EPERM") isAllowed = false;
      else if (errnoOf(err) !== "ESRCH") throw err;
    }
  }
  return isAllowed;
}

/** The most processes that the control group of a process may have; null when there is no limit, or none that can be seen. */
export async function processLimitOf(pid: number): Promise<number | null> {
  const groups = (await readIfAllowed(readFile(`/proc/${pid}/cgroup`, "latin1")))?.split("\n") ?? [];
  for (const line of groups) {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const isLimited = controllers.split(",").includes("pids");
    if (!isLimited && controllers !== "") continue;
    const text = await readIfAllowed(readFile(`/sys/fs/cgroup/${isLimited ? "pids" : ""}${path}/pids.max`, "latin1"));
    const limit = Number(text ?? "none");
    if (Number.isSafeInteger(limit)) return limit;
  }
  return null;
}
