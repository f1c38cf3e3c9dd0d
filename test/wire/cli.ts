import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { MAIN } from "./gateway-process.ts";
import { COMPILE_CACHE } from "./warm-start.ts";

export type CliRun = { code: number | null; stdout: string; stderr: string };

/** Runs one command of our own command line as a process, with `home` as the person's home. */
export async function openclaw(home: string, ...args: string[]): Promise<CliRun> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env["PATH"] ?? "", HOME: home, TMPDIR: tmpdir(), NODE_COMPILE_CACHE: COMPILE_CACHE },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const run: CliRun = { code: null, stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (run.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (run.stderr += chunk.toString()));
  run.code = await new Promise((resolve) => child.once("close", resolve));
  return run;
}

/** The same with `--json`; throws when it fails. */
export async function openclawJson<T>(home: string, ...args: string[]): Promise<T> {
  const run = await openclaw(home, ...args, "--json");
  if (run.code !== 0) throw new Error(`openclaw ${args.join(" ")} ended with ${run.code}: ${run.stderr}${run.stdout}`);
  return JSON.parse(run.stdout) as T;
}
