// Breaks the guards of the security invariants one by one, in a copy of the sources, and fails when no test notices.
//   npm run mutate                        all of them
//   npm run mutate -- --seconds 50        as many as fit, another selection for every commit
//   npm run mutate -- --only TEXT         those whose file, invariant or description contains the text
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseScriptArgs } from "./script-args.ts";
import type { Mutant } from "../test/security/mutant.ts";
import { INVARIANTS, MUTANTS } from "../test/security/mutants.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** What tests read of the repository. */
const COPIED_PATHS = ["src", "test", "web/src", "scripts", "package.json", "tsconfig.json"] as const;
/** Copies that work side by side. */
const WORKERS = 2;
/** A test that waits in vain for what the guard does fails by then. */
const TEST_MS = 15_000;
/** Tests that have not ended by then hold the event loop, and that is noticed as well. */
const HANG_MS = 90_000;

const RUNNER = ["--test", "--test-isolation=none", "--test-force-exit", `--test-timeout=${TEST_MS}`] as const;

type Outcome = "caught" | "hangs" | "survived" | "no match";

const { values: options } = parseScriptArgs(import.meta.filename, { options: { seconds: { type: "string" }, only: { type: "string" } } });

function copy(): string {
  const dir = mkdtempSync(join(tmpdir(), "mutate-guards-"));
  for (const path of COPIED_PATHS) cpSync(join(root, path), join(dir, path), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(dir, "node_modules"));
  return dir;
}

/** Resolves to the exit code of the tests; null when they hung. */
function runTests(dir: string, { tests, title }: Mutant): Promise<number | null> {
  const pattern = title === undefined ? [] : [`--test-name-pattern=${title.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}`];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...RUNNER, ...pattern, ...tests], { cwd: dir, stdio: "ignore" });
    const hang = setTimeout(() => {
      child.kill("SIGKILL");
      resolve(null);
    }, HANG_MS);
    child.on("error", reject);
    child.on("exit", (code) => {
      clearTimeout(hang);
      resolve(code ?? 1);
    });
  });
}

async function testMutant(dir: string, mutant: Mutant): Promise<Outcome> {
  const path = join(dir, mutant.file);
  const source = readFileSync(path, "utf8");
  if (source.split(mutant.text).length !== 2) return "no match";
  writeFileSync(
    path,
    source.replace(mutant.text, () => mutant.broken),
  );
  try {
    const code = await runTests(dir, mutant);
    return code === null ? "hangs" : code === 0 ? "survived" : "caught";
  } finally {
    writeFileSync(path, source);
  }
}

/** Another order for every commit, so that a run with little time comes to all of them in the end. */
function shuffled(mutants: readonly Mutant[]): Mutant[] {
  const head = spawnSync("git", ["rev-parse", "HEAD"], { cwd: root, encoding: "utf8" }).stdout.trim();
  let seed = Number.parseInt(head.slice(0, 8), 16) || 1;
  const order = [...mutants];
  for (let i = order.length - 1; i > 0; i--) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    const j = seed % (i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

const describeOutcome = ({ invariant, file, breaks }: Mutant): string => `${invariant} ${INVARIANTS[invariant]} ${file} ${breaks}`;
const chosen = MUTANTS.filter((mutant) => options.only === undefined || describeOutcome(mutant).includes(options.only));
const queue = options.seconds === undefined ? [...chosen] : shuffled(chosen);
const until = options.seconds === undefined ? Number.POSITIVE_INFINITY : performance.now() + Number(options.seconds) * 1_000;
const outcomes = new Map<Mutant, Outcome>();

async function runWorker(): Promise<void> {
  const dir = copy();
  try {
    for (let mutant = queue.shift(); mutant && performance.now() < until; mutant = queue.shift()) {
      const outcome = await testMutant(dir, mutant);
      outcomes.set(mutant, outcome);
      if (outcome !== "caught") console.log(`${outcome.padEnd(9)} ${mutant.file}: ${mutant.breaks}`);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

await Promise.all(Array.from({ length: WORKERS }, runWorker));
const count = (wanted: Outcome): number => [...outcomes.values()].filter((outcome) => outcome === wanted).length;
const missed = count("survived") + count("no match");
console.log(`${outcomes.size} of ${chosen.length} guards broken: ${count("caught")} caught, ${count("hangs")} by a hang, ${missed} missed`);
if (outcomes.size === 0) console.error("nothing was tried");
process.exitCode = missed > 0 || outcomes.size === 0 ? 1 : 0;
