import { execFile } from "node:child_process";

/** A program that only prints its version takes less; a script that waits for something is ended. */
const VERSION_MS = 10_000;
const OUTPUT_BYTES = 65_536;

/** The version that a browser prints without being started as one; null when it prints none. */
export function programVersion(path: string, env: Readonly<Record<string, string>>): Promise<string | null> {
  return new Promise((resolve) => {
    execFile(path, ["--version"], { cwd: "/", env, timeout: VERSION_MS, maxBuffer: OUTPUT_BYTES, killSignal: "SIGKILL" }, (_err, printed) =>
      resolve(/\b\d+(?:\.\d+){1,3}\b/.exec(printed)?.[0] ?? null),
    );
  });
}
