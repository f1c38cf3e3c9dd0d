// Builds only what is older than its inputs.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const root = dirname(import.meta.dirname);

/** SHA-256 over the names and contents of files. */
function hashOf(files: readonly string[]): string {
  const hash = createHash("sha256");
  for (const file of files.toSorted())
    hash
      .update(file)
      .update("\0")
      .update(readFileSync(join(root, file)))
      .update("\0");
  return hash.digest("hex");
}

/** Runs `work` unless its inputs are those of the last time and its result is still there. */
export async function buildIfStale(name: string, inputs: readonly string[], result: string, work: () => Promise<void>): Promise<void> {
  const stamp = join(root, ".cache", `built-${name}`);
  const hash = hashOf(inputs);
  if (existsSync(result) && existsSync(stamp) && readFileSync(stamp, "utf8") === hash) return;
  await work();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, hash);
}
