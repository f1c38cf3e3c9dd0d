import { openSync, readdirSync, readFileSync } from "node:fs";
import { devNull } from "node:os";
import { isAbsent } from "../core/files.ts";

type Covered = "pipe" | "ignore" | number;

let known: { descriptors: readonly number[]; devNull: number } | null = null;

/**
 * The same descriptors for a child, and /dev/null in the place of those that it would inherit besides. The gateway itself may have inherited
 * some, and Node marks only the lowest of them as its own. A directory among them would be a way out of a sandbox.
 */
export function coverInherited(stdio: readonly Covered[]): Covered[] {
  if (process.platform !== "linux") return [...stdio];
  known ??= { descriptors: findInheritable(), devNull: openSync(devNull, "r") };
  const covered = [...stdio];
  for (const descriptor of known.descriptors) {
    if (descriptor < stdio.length) continue;
    while (covered.length <= descriptor) covered.push("ignore");
    covered[descriptor] = known.devNull;
  }
  return covered;
}

const findInheritable = (): number[] =>
  readdirSync("/proc/self/fd")
    .map(Number)
    .filter((descriptor) => descriptor > 2 && isInheritable(descriptor));

const CLOSE_ON_EXEC = 0o2000000;

function isInheritable(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1"))?.[1] ?? "0";
    return (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
  } catch (err) {
    // That by which the directory was read is closed.
    if (isAbsent(err)) return false;
    throw err;
  }
}
