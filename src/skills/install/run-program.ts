import { execFile } from "node:child_process";
import { SKILL_LIMITS } from "../limits.ts";
import { errnoOf } from "../../core/files.ts";

/** A program that could not fetch something; the message says why. */
export class FetchError extends Error {}

/** The standard output of a program. Rejects with a FetchError. */
export function runProgram(
  program: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; signal: AbortSignal },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const limits = { timeout: SKILL_LIMITS.fetchMs, maxBuffer: SKILL_LIMITS.archiveBytes, killSignal: "SIGKILL" as const };
    execFile(program, args, { ...options, ...limits, encoding: "buffer" }, (err, stdout, stderr) => {
      if (!err) return resolve(stdout);
      if (errnoOf(err) === "ENOENT") return reject(new FetchError(`${program} is not installed`, { cause: err }));
      const said = stderr.toString("utf8").trim().split("\n").slice(-3).join(" ").slice(0, 500);
      reject(new FetchError(`${program} failed: ${said || err.message.split("\n", 1)[0]!}`, { cause: err }));
    });
  });
}
