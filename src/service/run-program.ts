import { execFile } from "node:child_process";

export type ProgramResult = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Runs a program of the system to its end. `code` is null when the program does not exist or took too long. */
export type RunProgram = (program: string, args: readonly string[]) => Promise<ProgramResult>;

/** A start waits until the service says that it is ready. */
const LIMIT_MS = 240_000;
const OUTPUT_BYTES = 1_048_576;

export const runProgram =
  (env: Readonly<Record<string, string | undefined>>): RunProgram =>
  (program, args) =>
    new Promise((resolve) => {
      const options = { env: { ...env, LC_ALL: "C", SYSTEMD_COLORS: "0", SYSTEMD_PAGER: "" }, timeout: LIMIT_MS, maxBuffer: OUTPUT_BYTES };
      execFile(program, args, options, (err, stdout, stderr) => {
        const code = err === null ? 0 : typeof err.code === "number" ? err.code : null;
        resolve({ code, stdout, stderr: stderr || (code === null ? String(err?.message ?? "") : "") });
      });
    });
