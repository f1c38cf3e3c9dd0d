// What makes the processes of the tests start faster, without changing what they do: the bundle instead of the sources, and code
// that an earlier test has compiled already.
import { chmodSync, cpSync, existsSync, globSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CACHE = join(ROOT, ".cache", "tests");

/** Compiled code of the gateway, for NODE_COMPILE_CACHE. */
export const COMPILE_CACHE = join(CACHE, "compiled");
const PI_CACHE = join(CACHE, "pi");
const piCacheOf = (stateDir: string): string => join(stateDir, "gateway", "cache", "pi");

/** The sources as they are, for a test that loads one of their modules into the gateway. */
export const SOURCE_ENTRY = join(ROOT, "src", "main.ts");

/** What is generated is newer than its build, which makes it. */
const isBundled = (path: string): boolean => !path.endsWith(".test.ts") && !path.startsWith("src/protocol/gen/");

/** dist/main.js, when no source is newer than the build of it; src/main.ts otherwise. */
export function gatewayEntry(): string {
  const stamp = join(ROOT, ".cache", "bundled");
  const bundle = join(ROOT, "dist", "main.js");
  if (existsSync(stamp) && existsSync(bundle)) {
    const built = statSync(stamp).mtimeMs;
    const sources = globSync(["src/**/*.{ts,sql}", "scripts/build.ts", "package-lock.json"], { cwd: ROOT });
    const isNewer = (path: string): boolean => isBundled(path) && statSync(join(ROOT, path)).mtimeMs > built;
    if (!sources.some(isNewer)) return bundle;
  }
  return SOURCE_ENTRY;
}

/** Gives a new state directory the compiled code of Pi. */
export function seedPiCache(stateDir: string): void {
  const cache = piCacheOf(stateDir);
  if (!existsSync(PI_CACHE) || existsSync(dirname(cache))) return;
  mkdirSync(dirname(cache), { recursive: true, mode: 0o700 });
  cpSync(PI_CACHE, cache, { recursive: true });
  // A copy gets the modes of the umask; the gateway's own are private.
  for (const path of [cache, ...readdirSync(cache, { recursive: true }).map((name) => join(cache, String(name)))])
    chmodSync(path, statSync(path).isDirectory() ? 0o700 : 0o600);
}

/** Keeps the compiled code of Pi for later tests; the first one wins. */
export function keepPiCache(stateDir: string): void {
  const cache = piCacheOf(stateDir);
  if (existsSync(PI_CACHE) || !existsSync(cache) || readdirSync(cache).length === 0) return;
  const copy = `${PI_CACHE}-${process.pid}`;
  mkdirSync(CACHE, { recursive: true });
  cpSync(cache, copy, { recursive: true });
  try {
    renameSync(copy, PI_CACHE);
  } catch (err) {
    // Another test has kept its own meanwhile.
    rmSync(copy, { recursive: true, force: true });
    if (!existsSync(PI_CACHE)) throw err;
  }
}
