import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const src = fileURLToPath(new URL("../../src/", import.meta.url));

/** The marked points of the source, read from it, so that a point that is added cannot be forgotten here. */
export function findCrashPoints(): readonly string[] {
  const files = globSync("**/*.ts", { cwd: src, exclude: (name) => name === "gen" }).filter((name) => !name.endsWith(".test.ts"));
  const found = files.flatMap((name) =>
    [...readFileSync(src + name, "utf8").matchAll(/\bcrashPoint\("([a-z-]+)"\)/g)].map((match) => match[1]!),
  );
  return [...new Set(found)].toSorted();
}
