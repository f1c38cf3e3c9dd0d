import { execFile, spawn, type ChildProcess } from "node:child_process";
import { delimiter, dirname } from "node:path";
import { GatewayError } from "../core/errors.ts";
import { errnoOf } from "../core/files.ts";
import { startProcess } from "../core/start-process.ts";
import { UPDATE_LIMITS } from "./limits.ts";

type Env = Readonly<Record<string, string | undefined>>;

export type RunOptions = { readonly cwd: string; readonly env: Env; readonly timeoutMs: number; readonly signal: AbortSignal };

/** Runs npm or git, or anything else, to its end and resolves to its standard output. */
export type InstallerRun = (program: string, args: readonly string[], options: RunOptions) => Promise<string>;

/** The Node of this process and its npm come first, so that no other version of them installs anything. */
export const withOwnNode = (env: Env): Record<string, string | undefined> => ({
  ...env,
  PATH: [dirname(process.execPath), env["PATH"]].filter(Boolean).join(delimiter),
});

/** Rejects with a GatewayError that quotes the last lines of what the program said. */
export const runProgram: InstallerRun = (program, args, { cwd, env, timeoutMs, signal }) =>
  new Promise((resolve, reject) => {
    const limits = { timeout: timeoutMs, maxBuffer: UPDATE_LIMITS.outputBytes, killSignal: "SIGKILL" as const };
    // Without a terminal neither of them asks a question.
    const quiet = { ...withOwnNode(env), GIT_TERMINAL_PROMPT: "0", LC_ALL: "C" };
    execFile(program, args, { cwd, env: quiet, signal, ...limits }, (err, stdout, stderr) => {
      if (!err) return resolve(stdout);
      if (errnoOf(err) === "ENOENT")
        return reject(new GatewayError("UNAVAILABLE", `${program} is not installed`, { cause: err, fix: `Install ${program}.` }));
      const said = `${stderr}${stdout}`.trim().split("\n").slice(-4).join(" ").slice(0, 600);
      const why =
        err.killed && !signal.aborted ? `it took longer than ${Math.round(timeoutMs / 1_000)} s` : said || err.message.split("\n", 1)[0]!;
      reject(new GatewayError("UNAVAILABLE", `${program} ${args[0] ?? ""} failed: ${why}`, { cause: err }));
    });
  });

/** A process of an update that is waited for. */
export type StartedProgram = ChildProcess;

/** A process that is started and ended by the update. */
export function startProgram(program: string, args: readonly string[], options: { cwd: string; env: Env }): ChildProcess {
  return startProcess(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
}

const ignore = (): void => {};

/** Runs a program with the terminal of this process; resolves to its exit code. */
export function runInPlace(program: string, args: readonly string[], env: Env): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: "inherit" });
    // Both get what is typed; the other one decides when it ends.
    for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, ignore);
    child.on("error", reject);
    child.on("close", (code, killed) => {
      for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, ignore);
      resolve(code ?? (killed === "SIGINT" ? 130 : 1));
    });
  });
}
