// Runs tests: generates and builds what they use, then `node --test`.
//   npm test                all groups, after the set-up of system packages
//   npm run test:unit       tests without processes and threads; nothing is built or installed
//   npm run test:wire       the gateway, the command line and the page as processes
//   npm run test:kit        channels, crashes and fuzzing
//   npm test -- FILE...     only these files
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findTests, isTestGroup, sharesProcess, TEST_GROUPS, type TestGroup } from "./test-groups.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const CORES = availableParallelism();
/** Tests of processes mostly wait for them. */
const WAITING_FILES = CORES * 2;
const FILE_LIMIT_MS = 600_000;

/** Runs a Node program; resolves to its exit code. */
function runNode(args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, NODE_COMPILE_CACHE: join(root, ".cache/tests/compiled") };
    const child = spawn(process.execPath, args, { cwd: root, stdio: "inherit", env });
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}

const runFiles = (files: readonly string[], concurrency: number): Promise<number> =>
  files.length === 0
    ? Promise.resolve(0)
    : runNode(["--test", `--test-concurrency=${concurrency}`, `--test-timeout=${FILE_LIMIT_MS}`, ...files]);

/** One process per core for all that can share one: loading the sources costs more than most of these tests. */
function runShared(files: readonly string[]): Promise<number[]> {
  const shares = Array.from({ length: CORES }, (_, core) => files.filter((_file, index) => index % CORES === core));
  const flags = ["--test", "--test-isolation=none", "--test-force-exit", "--test-reporter=dot", `--test-timeout=${FILE_LIMIT_MS}`];
  return Promise.all(shares.map((share) => runNode([...flags, ...share])));
}

async function runGroups(groups: readonly TestGroup[]): Promise<number> {
  const codes: number[] = [];
  if (groups.includes("unit")) {
    const files = findTests(root, "unit");
    codes.push(...(await runShared(files.filter((file) => sharesProcess(root, file)))));
    codes.push(
      await runFiles(
        files.filter((file) => !sharesProcess(root, file)),
        CORES,
      ),
    );
  }
  const others = groups.filter((group) => group !== "unit").flatMap((group) => findTests(root, group));
  codes.push(await runFiles(others, WAITING_FILES));
  return Math.max(...codes);
}

/** System packages and the build, for tests that start processes. */
async function prepare(installs: boolean): Promise<number> {
  if (installs) await runNode([join(root, "scripts/setup-tests.ts")]);
  return await runNode([join(root, "scripts/build.ts"), "--quiet"]);
}

const named = process.argv.slice(2);
const group = named[0]?.startsWith("--group=") ? named[0].slice("--group=".length) : null;
if (group !== null && !isTestGroup(group)) throw new Error(`unknown group "${group}"; there are: ${TEST_GROUPS.join(", ")}`);
const files = group === null ? named : named.slice(1);
if (files.length > 0) process.exitCode = (await prepare(false)) || (await runFiles(files, CORES));
// Without a process no bundle is needed, but the validators, which are generated and not committed.
else if (group === "unit") process.exitCode = (await runNode([join(root, "scripts/gen-protocol.ts")])) || (await runGroups(["unit"]));
else process.exitCode = (await prepare(true)) || (await runGroups(group === null ? TEST_GROUPS : [group]));
