import { execFile, spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { REMOTE_LIMITS } from "../limits.ts";

export type ProgramAnswer = { code: number | null; stdout: string; stderr: string; timedOut: boolean };

/** A claim that runs. */
export type ClaimProcess = ChildProcess;

/** The program `tailscale` of this machine. */
export type TailscaleProgram = {
  run(args: readonly string[], timeoutMs: number): Promise<ProgramAnswer>;
  /** Starts a claim that lasts as long as the process, and no longer than this one. */
  hold(args: readonly string[]): ClaimProcess;
};

const MAC_APP = "/Applications/Tailscale.app/Contents/MacOS/Tailscale";

/** Only what the program needs: no credential of the gateway's environment. */
function environment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = /^(?:PATH|HOME|USER|LOGNAME|LANG|LC_.*|TZ|TMPDIR|XDG_.*|TS_.*|TAILSCALE_.*)$/;
  return Object.fromEntries(Object.entries(env).filter(([name]) => kept.test(name)));
}

/**
 * Runs the program while our end of its input is open: a claim ends with the gateway, also when the gateway is killed, and the next start
 * finds no claim of a dead process.
 */
const PARENT_WATCH = `
exec 3<&0
"$@" </dev/null 3<&- & child=$!
( cat <&3 >/dev/null 2>&1; kill "$child" 2>/dev/null; sleep 1; kill -9 "$child" 2>/dev/null ) & guard=$!
exec 3<&-
wait "$child"; code=$?
kill "$guard" 2>/dev/null
exit $code
`;

/** Finds the program on the path, or in its app; null when there is none that answers to `version`. */
export async function findTailscale(env: NodeJS.ProcessEnv): Promise<TailscaleProgram | null> {
  for (const path of ["tailscale", ...(existsSync(MAC_APP) ? [MAC_APP] : [])]) {
    const program = programAt(path, environment(env));
    const { code } = await program.run(["version"], REMOTE_LIMITS.tailscaleVersionMs);
    if (code === 0) return program;
  }
  return null;
}

function programAt(path: string, env: NodeJS.ProcessEnv): TailscaleProgram {
  return {
    run: (args, timeoutMs) =>
      new Promise((resolve) => {
        const options = { env, timeout: timeoutMs, killSignal: "SIGKILL" as const, maxBuffer: REMOTE_LIMITS.tailscaleOutputBytes };
        execFile(path, args, options, (err, stdout, stderr) => {
          const code = err === null ? 0 : typeof err.code === "number" ? err.code : null;
          resolve({ code, stdout, stderr: stderr || (err === null || code !== null ? "" : err.message), timedOut: err?.killed === true });
        });
      }),
    hold: (args) => spawn("/bin/sh", ["-c", PARENT_WATCH, "sh", path, ...args], { env, stdio: ["pipe", "pipe", "pipe"] }),
  };
}
