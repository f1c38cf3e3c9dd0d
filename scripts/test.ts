// Runs tests: generates and builds what they use, then `node --test`.
//   npm test                all groups, after the set-up of system packages
//   npm run test:unit       tests without processes and threads; nothing is built or installed (-- --all-rounds: every round of random input)
//   npm run test:wire       the gateway, the command line and the page as processes
//   npm run test:kit        channels, crashes and fuzzing
//   npm test -- FILE...     only these files
// A file of "wire" or "kit" that failed beside others runs once more, alone: a test that then passes is reported as unstable.
import { spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { findTests, isTestGroup, sharesProcess, TEST_GROUPS, type TestGroup } from "./test-groups.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const CORES = availableParallelism();
/** Tests of processes mostly wait for them. */
const WAITING_FILES = CORES * 2;
const FILE_LIMIT_MS = 600_000;
/** The tests of one process leave much behind: fewer collections of what is young cost less than their memory. */
const ROOM = "--max-semi-space-size=64";
/** With more failed files something is broken, and running them again only takes time. */
const UNSTABLE_FILES = 3;

const words = process.argv.slice(2);
const ALL_ROUNDS: Record<string, string> = words.includes("--all-rounds") ? { OPENCLAW_TEST_ALL_ROUNDS: "1" } : {};

/** Runs a Node program; resolves to its exit code. */
function runNode(args: readonly string[], more: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, NODE_COMPILE_CACHE: join(root, ".cache/tests/compiled"), ...more };
    const child = spawn(process.execPath, args, { cwd: root, stdio: "inherit", env });
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}

const runFiles = (files: readonly string[], concurrency: number, flags: readonly string[] = []): Promise<number> =>
  files.length === 0
    ? Promise.resolve(0)
    : runNode(["--test", `--test-concurrency=${concurrency}`, `--test-timeout=${FILE_LIMIT_MS}`, ...flags, ...files]);

/** Temporary files in memory, where there is a place for them: a store writes to the disk with every commit. */
function inMemory(): Record<string, string> {
  try {
    accessSync("/dev/shm", constants.W_OK);
    return { TMPDIR: "/dev/shm" };
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === undefined) throw err;
    return {};
  }
}

/**
 * A few processes for all that can share one: loading the sources costs more than most of these tests. There is one more than cores, which
 * works while the others wait.
 */
function runShared(files: readonly string[]): Promise<number>[] {
  const count = CORES + 1;
  const shares = Array.from({ length: count }, (_, at) => files.filter((_file, index) => index % count === at));
  const flags = [ROOM, "--test", "--test-isolation=none", "--test-force-exit", "--test-reporter=dot", `--test-timeout=${FILE_LIMIT_MS}`];
  return shares.map((share) => runNode([...flags, ...share], { ...inMemory(), ...ALL_ROUNDS }));
}

/** Runs files that start processes. Fails when a file fails beside others and alone, or when too many fail beside others. */
async function runProcessTests(files: readonly string[]): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), "openclaw-tests-"));
  try {
    const list = join(dir, "failed");
    const reporters = ["--test-reporter=spec", "--test-reporter-destination=stdout"];
    const failedFiles = [`--test-reporter=${join(root, "scripts/failed-files.ts")}`, `--test-reporter-destination=${list}`];
    const code = await runFiles(files, WAITING_FILES, [...reporters, ...failedFiles]);
    const failed = code === 0 ? [] : readFileSync(list, "utf8").split("\n").filter(Boolean);
    if (failed.length === 0 || failed.length > UNSTABLE_FILES) return code;
    console.log(`\nonce more, alone: ${failed.map((file) => relative(root, file)).join(", ")}`);
    const again = await runFiles(failed, 1);
    if (again === 0)
      console.log(
        `\nUNSTABLE, to be fixed: ${failed.map((file) => relative(root, file)).join(", ")} failed beside others and passed alone`,
      );
    return again;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Files of more than half a minute, the longest first. At the end one of them would run alone. */
const LONG_FILES = [
  "src/tools/sandbox/containers/escape.test.ts",
  "src/tools/sandbox/containers/containers.test.ts",
  "test/security/injection.test.ts",
  "test/wire/peers.test.ts",
  "src/tools/browser/browser.test.ts",
  "test/wire/tool-plugin.test.ts",
  "src/agents/pi/runtime-faults.test.ts",
  "test/wire/cron.test.ts",
  "src/tools/browser/driver-process.test.ts",
  "test/markup/cost.test.ts",
  "src/cli/connect-identity.test.ts",
  "test/security/hostile-acts-reader.test.ts",
] as const;

/** Tests of the page calculate, those of channels wait: in turns they leave no core idle, and before the short ones none runs alone at the end. */
function mixByLoad(files: readonly string[]): string[] {
  const page = files.filter((file) => file.startsWith("web/test/")).toReversed();
  const kit = files.filter((file) => file.startsWith("test/channel-kit/") || file.startsWith("test/crash/"));
  const long = Array.from({ length: Math.max(page.length, kit.length) }, (_, at) => [page[at], kit[at]]).flat();
  const first = [...long.filter((file) => file !== undefined), ...LONG_FILES.filter((file) => files.includes(file))];
  return [...first, ...files.filter((file) => !first.includes(file))];
}

async function runGroups(groups: readonly TestGroup[]): Promise<number> {
  const codes: number[] = [];
  if (groups.includes("unit")) {
    const files = findTests(root, "unit");
    const alone = files.filter((file) => !sharesProcess(root, file));
    codes.push(...(await Promise.all([...runShared(files.filter((file) => !alone.includes(file))), runFiles(alone, 1)])));
  }
  const others = groups.filter((group) => group !== "unit").flatMap((group) => findTests(root, group));
  codes.push(await runProcessTests(mixByLoad(others)));
  return Math.max(...codes);
}

/** System packages and the build, for tests that start processes. */
async function prepare(installs: boolean): Promise<number> {
  if (installs) await runNode([join(root, "scripts/setup-tests.ts")]);
  return await runNode([join(root, "scripts/build.ts"), "--quiet"]);
}

const named = words.filter((word) => word !== "--all-rounds");
const group = named[0]?.startsWith("--group=") ? named[0].slice("--group=".length) : null;
if (group !== null && !isTestGroup(group)) throw new Error(`unknown group "${group}"; there are: ${TEST_GROUPS.join(", ")}`);
const files = group === null ? named : named.slice(1);
if (files.length > 0) process.exitCode = (await prepare(false)) || (await runFiles(files, CORES));
// Without a process no bundle is needed, but the validators, which are generated and not committed.
else if (group === "unit") process.exitCode = (await runNode([join(root, "scripts/gen-protocol.ts")])) || (await runGroups(["unit"]));
else process.exitCode = (await prepare(true)) || (await runGroups(group === null ? TEST_GROUPS : [group]));
