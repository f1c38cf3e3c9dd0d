// Types, lint, format, imports between modules, prose, rules for tests, unused exports and generated documents. All of them run, so that one call
// reports every problem; the exit code is 1 when any of them fails.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name: string): string => join(root, "node_modules/.bin", name);
const node = (script: string, ...args: string[]): string[] => [process.execPath, join(root, script), ...args];

type Check = { readonly name: string; readonly command: readonly string[] };
const CHECKS: readonly Check[] = [
  { name: "types", command: [bin("tsc"), "-p", "."] },
  ...(existsSync(join(root, "web/tsconfig.json")) ? [{ name: "types of the page", command: [bin("tsc"), "-p", "web"] }] : []),
  { name: "lint", command: [bin("oxlint"), "--quiet", "src", "test", "scripts", "bin", "web"] },
  { name: "format", command: [bin("oxfmt"), "--check", "src", "test", "scripts", "bin", "web", "knip.json", "package.json"] },
  { name: "imports", command: node("scripts/check-imports.ts") },
  { name: "prose", command: node("scripts/check-prose.ts") },
  { name: "tests", command: node("scripts/check-tests.ts") },
  { name: "unused", command: [bin("knip"), "--no-progress"] },
  { name: "documents from the schema", command: node("scripts/gen-config-docs.ts", "--check") },
  { name: "documents from the methods", command: node("scripts/gen-protocol-docs.ts", "--check") },
  { name: "documents from the tools", command: node("scripts/gen-tool-docs.ts", "--check") },
  { name: "documents from the commands", command: node("scripts/gen-cli-docs.ts", "--check") },
];

type Result = { readonly check: Check; readonly code: number; readonly output: string; readonly ms: number };

function runCheck(check: Check): Promise<Result> {
  const started = Date.now();
  const [program, ...args] = check.command;
  return new Promise((resolve) => {
    const child = spawn(program!, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1" } });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.on("error", (err) => resolve({ check, code: 1, output: err.message, ms: Date.now() - started }));
    child.on("close", (code) => resolve({ check, code: code ?? 1, output, ms: Date.now() - started }));
  });
}

// The validators are generated and not committed; the types need them.
const generated = await runCheck({ name: "generate", command: node("scripts/gen-protocol.ts") });
if (generated.code !== 0) console.error(generated.output);

const queue = [...CHECKS];
const results: Result[] = [];
const worker = async (): Promise<void> => {
  for (let check = queue.shift(); check; check = queue.shift()) {
    const result = await runCheck(check);
    results.push(result);
    console.log(`${result.code === 0 ? "✓" : "✗"} ${check.name} (${(result.ms / 1_000).toFixed(1)} s)`);
    if (result.code !== 0) console.log(result.output.trim().replaceAll(/^/gm, "    "));
  }
};
await Promise.all(Array.from({ length: availableParallelism() }, worker));
const failed = results.filter(({ code }) => code !== 0);
console.log(
  failed.length === 0
    ? `All ${results.length} checks passed.`
    : `${failed.length} of ${results.length} checks failed: ${failed.map(({ check }) => check.name).join(", ")}`,
);
process.exitCode = failed.length === 0 && generated.code === 0 ? 0 : 1;
