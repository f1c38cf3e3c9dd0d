// Bundles the gateway into dist/: src/main.ts as ES modules that load the rarely needed parts on first use, the SQL migrations, the
// page, and the license texts of bundled packages. The same sources give the same bytes.
//   node scripts/build.ts [--quiet] [--clean]   --clean removes what earlier builds left (a running gateway may still load it)
import { spawn } from "node:child_process";
import { cpSync, existsSync, globSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { bundle, type BundledFile } from "./bundle.ts";
import { buildIfStale } from "./stale.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, "dist");
const quiet = process.argv.includes("--quiet");
/** A gateway that runs from dist/ loads its chunks lazily; those of an earlier build stay this long. */
const KEEP_OLD_CHUNKS_MS = 24 * 3_600_000;

const printProgress = (text: string): void => {
  if (!quiet) console.error(text);
};

/** Runs a Node script; rejects with its output when it fails. */
function runNode(args: readonly string[], cwd = root): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve() : reject(new Error(`${args[0]} ended with code ${code}:\n${output}`))));
  });
}

/** The license texts of bundled packages. */
function writeNotices(files: readonly BundledFile[]): void {
  const packages = new Set<string>();
  for (const module of files.flatMap(({ modules }) => modules)) {
    const found = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(module);
    if (found) packages.add(found[1]!);
  }
  const parts = [...packages].toSorted().map((name) => {
    const dir = join(root, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(dir, "package.json"), "utf8")) as { version: string; license: string };
    const file = readdirSync(dir).find((each) => /^licen[cs]e/i.test(each));
    return `${name} ${version} (${license})\n\n${file ? readFileSync(join(dir, file), "utf8").trim() : ""}\n`;
  });
  writeFileSync(join(dist, "THIRD-PARTY-LICENSES.txt"), parts.join(`\n${"-".repeat(80)}\n\n`));
}

/** The types of `openclaw-gateway/channel` and `openclaw-gateway/tool`, for those who write a channel or a tool. */
async function emitTypes(): Promise<void> {
  const inputs = [...globSync("src/{core,channels,tools,tools/plugins}/*.ts", { cwd: root }), "tsconfig.json", "package-lock.json"];
  const options = [
    "--ignoreConfig",
    "--declaration",
    "--emitDeclarationOnly",
    "--rewriteRelativeImportExtensions",
    "--skipLibCheck",
    "--strict",
  ];
  const target = ["--target", "es2024", "--module", "nodenext", "--types", "node", "--rootDir", "src", "--outDir", "dist/types"];
  await buildIfStale("types", inputs, join(dist, "types/tools/plugins/sdk.d.ts"), () =>
    runNode([join(root, "node_modules/typescript/bin/tsc"), ...options, ...target, "src/channels/sdk.ts", "src/tools/plugins/sdk.ts"]),
  );
}

/** Files that modules load from beside themselves: source -> place in dist/. */
const ASSETS = { "src/store/migrations": "migrations", "src/protocol/gen/validators": "gen/validators" };

function copyAssets(): void {
  for (const [source, target] of Object.entries(ASSETS)) {
    if (process.argv.includes("--clean")) rmSync(join(dist, target), { recursive: true, force: true });
    cpSync(join(root, source), join(dist, target), { recursive: true });
    // What an earlier build left would be read as well: a migration that has another name now would run twice.
    for (const name of readdirSync(join(dist, target), { recursive: true, encoding: "utf8" }))
      if (!existsSync(join(root, source, name))) rmSync(join(dist, target, name), { recursive: true, force: true });
  }
}

/** Removes files of earlier builds: all of them with --clean, else those that no running gateway should need any more. */
function removeOldChunks(files: readonly BundledFile[]): void {
  const current = new Set(files.map(({ name }) => name));
  const now = new Date();
  for (const name of readdirSync(dist).filter((each) => /\.m?js$/.test(each))) {
    const path = join(dist, name);
    if (current.has(name)) utimesSync(path, now, now);
    else if (process.argv.includes("--clean") || now.getTime() - statSync(path).mtimeMs > KEEP_OLD_CHUNKS_MS) rmSync(path);
  }
}

async function buildPage(): Promise<void> {
  if (!existsSync(join(root, "web/index.html"))) return;
  const inputs = globSync(["web/src/**/*", "web/public/**/*", "web/*.{html,ts,json}", "package-lock.json"], {
    cwd: root,
    withFileTypes: true,
  })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
  await buildIfStale("page", inputs, join(dist, "web/index.html"), () =>
    runNode([join(root, "node_modules/vite/bin/vite.js"), "build", "web"]),
  );
}

/** Dated at the start of the build: a source that is saved meanwhile is newer. Tests of the process run the bundle if none is. */
function stampBuild(): void {
  const stamp = join(root, ".cache", "bundled");
  const date = new Date(started);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, "");
  utimesSync(stamp, date, date);
}

const started = Date.now();
mkdirSync(dist, { recursive: true });
try {
  await runNode([join(root, "scripts/gen-protocol.ts")]);
  const page = buildPage();
  const files = await bundle(dist);
  writeNotices(files);
  await emitTypes();
  copyAssets();
  await page;
  removeOldChunks(files);
  stampBuild();
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  printProgress(`dist/: ${files.length} files, ${Math.round(bytes / 1_024)} KB of code, ${((Date.now() - started) / 1_000).toFixed(1)} s`);
} catch (err) {
  console.error(err instanceof Error ? err.message : err);
  process.exitCode = 1;
}
