// Makes a clone ready to run: Node 24, the locked dependencies, and (for `build`) an up-to-date dist/. Plain JavaScript for
// Node 18 and newer, because it runs before the right Node is there.
//   node scripts/bootstrap.js build              used by ./openclaw
//   node scripts/bootstrap.js run FILE [ARG...]  used by the npm scripts: the first two steps, then FILE on that Node
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensurePinnedNode, isNewEnough, npm, reportFailure, runInPlace, SetupError, withLock } from "../bin/toolchain.js";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(root, ".cache");
const hidden = join(root, "node_modules", ".package-lock.json");

const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));

/** Prints "[n/3] text" and returns the function that adds how long it took. */
function progress(step) {
  return (text) => {
    const started = Date.now();
    process.stderr.write(`[${step}/3] ${text} …${process.stderr.isTTY ? "" : "\n"}`);
    return () => {
      const took = `${((Date.now() - started) / 1_000).toFixed(1)} s\n`;
      process.stderr.write(process.stderr.isTTY ? ` ${took}` : `[${step}/3] done in ${took}`);
    };
  };
}

async function findNode() {
  if (isNewEnough(process.version)) return process.execPath;
  return await ensurePinnedNode(cache, progress(1));
}

/** Whether node_modules holds what the lockfile names. Optional packages may be missing: they are for other machines. */
function hasDependencies() {
  if (!existsSync(hidden)) return false;
  const installed = readJson(hidden).packages;
  for (const [path, wanted] of Object.entries(readJson(join(root, "package-lock.json")).packages)) {
    if (path === "" || wanted.link || !path.includes("node_modules/")) continue;
    const found = installed[path];
    if (!found && (wanted.optional || wanted.peer)) continue;
    if (found?.version !== wanted.version || found?.integrity !== wanted.integrity) return false;
  }
  return true;
}

async function ensureDependencies() {
  const stamp = join(cache, "dependencies");
  const isCurrent = () =>
    existsSync(stamp) && existsSync(hidden) && statSync(stamp).mtimeMs >= statSync(join(root, "package-lock.json")).mtimeMs;
  if (isCurrent()) return;
  await withLock(join(cache, "dependencies.lock"), progress(2), async () => {
    if (isCurrent()) return;
    if (!hasDependencies()) {
      const done = progress(2)("the locked dependencies (npm ci, about 145 MB)");
      await npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], root);
      done();
    }
    writeFileSync(stamp, "");
  });
}

/** What the launcher looks at as well: a source that is newer than `.cache/ready` asks for a build. */
const SOURCES = [
  "src",
  "web/src",
  "web/public",
  "web/index.html",
  "web/vite.config.ts",
  "scripts",
  "bin",
  "toolchain",
  "package.json",
  "package-lock.json",
];

function isBuilt(ready) {
  if (!existsSync(ready) || !existsSync(join(root, "dist", "main.js"))) return false;
  const { mtimeMs } = statSync(ready);
  const isOlder = (path) => statSync(path).mtimeMs <= mtimeMs;
  return SOURCES.map((name) => join(root, name))
    .filter((path) => existsSync(path))
    .every((path) => (statSync(path).isDirectory() ? filesBelow(path).every(isOlder) : isOlder(path)));
}

function filesBelow(dir) {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return path.endsWith(join("protocol", "gen")) ? [] : filesBelow(path);
    return entry.name.endsWith(".test.ts") ? [] : [path];
  });
}

/** Builds, and stamps `.cache/ready` with the moment before it: what is saved meanwhile is newer than the stamp. */
async function ensureBuild(node) {
  const ready = join(cache, "ready");
  await withLock(join(cache, "build.lock"), progress(3), async () => {
    // Another start may have done it while this one waited.
    if (isBuilt(ready)) return;
    const began = new Date();
    const done = progress(3)("build");
    const code = await runInPlace(node, [join(root, "scripts", "build.ts"), "--quiet"]);
    if (code !== 0) {
      throw new SetupError("the build failed", {
        why: `scripts/build.ts ended with code ${code}; its own message is above.`,
        fix: "git status shows what differs from the release; npm run build repeats it.",
      });
    }
    done();
    writeFileSync(ready, `${node}\n`);
    utimesSync(ready, began, began);
  });
}

function makeCache() {
  try {
    mkdirSync(cache, { recursive: true, mode: 0o700 });
  } catch (err) {
    if (err.code !== "EACCES" && err.code !== "EROFS") throw err;
    throw new SetupError(`cannot write to ${root}`, {
      why: "a clone keeps its dependencies and its build beside the sources.",
      fix: "make the directory writable for this user, or install the package: npm install -g openclaw-gateway.",
    });
  }
}

async function main([task, ...rest]) {
  makeCache();
  const node = await findNode();
  await ensureDependencies();
  if (task === "build") {
    await ensureBuild(node);
    return 0;
  }
  if (task !== "run" || rest.length === 0) {
    process.stderr.write("usage: node scripts/bootstrap.js build | run FILE [ARG...]\n");
    return 2;
  }
  // Programs that the script starts as `node` are then the same Node.
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ""}` };
  return await runInPlace(node, rest, env);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (err) {
  process.exitCode = reportFailure(err);
}
