import { join } from "node:path";
import type { Clock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { runCommand } from "./command.ts";
import { executableAt } from "./executable.ts";
import type { GroupWatcher } from "./group-watcher.ts";
import { TOOL_LIMITS } from "./limits.ts";

export type TerminalProgramOptions = {
  /** Environment of the program; it is looked for in its PATH. */
  env: Readonly<Record<string, string>>;
  watcher: GroupWatcher;
  clock: Pick<Clock, "after">;
};

/** Finds the `script` of util-linux, which gives a command a terminal. Other programs of this name have other options. */
export class TerminalProgram {
  readonly #options: TerminalProgramOptions;
  #found: string | null = null;

  constructor(options: TerminalProgramOptions) {
    this.#options = options;
  }

  /** Resolves to its path. Rejects, with the fix, when it is not installed. */
  async find(log: Log, signal: AbortSignal): Promise<string> {
    this.#found ??= await this.#search(log, signal);
    if (this.#found !== null) return this.#found;
    throw new Error(
      "pty needs the program script of util-linux, which is not installed on this machine. Leave pty out, or have it installed (Debian: apt install bsdutils).",
    );
  }

  async #search(log: Log, signal: AbortSignal): Promise<string | null> {
    for (const directory of (this.#options.env["PATH"] ?? "").split(":").filter((each) => each.startsWith("/"))) {
      const path = join(directory, "script");
      if ((await executableAt(path)) !== undefined && (await this.#isOfUtilLinux(path, log, signal))) return path;
    }
    return null;
  }

  async #isOfUtilLinux(path: string, log: Log, signal: AbortSignal): Promise<boolean> {
    const chunks: Buffer[] = [];
    const argv = [path, "--version"];
    const timeoutMs = TOOL_LIMITS.terminalProgramMs;
    await runCommand({ ...this.#options, argv, cwd: "/", timeoutMs, signal, log, onOutput: (chunk) => void chunks.push(chunk) });
    return Buffer.concat(chunks).includes("util-linux");
  }
}
