import type { Clock } from "../../../core/clock.ts";
import type { Log } from "../../../core/log.ts";
import { clip } from "../../../core/text.ts";
import { runCommand } from "../../command.ts";
import type { GroupWatcher } from "../../group-watcher.ts";
import { TOOL_LIMITS } from "../../limits.ts";
import type { EngineName } from "./settings.ts";

export type EngineOptions = {
  name: EngineName;
  /** Absolute path of the program. */
  program: string;
  watcher: GroupWatcher;
  clock: Pick<Clock, "after" | "monotonic">;
  log: Log;
};

export type EngineResult = { exitCode: number | null; output: string; errors: string };

/** What the engines' programs read of the environment. Not PATH: it may lead into a workspace. */
const VARIABLES = [
  "HOME",
  "XDG_RUNTIME_DIR",
  "XDG_CONFIG_HOME",
  "XDG_DATA_HOME",
  "DBUS_SESSION_BUS_ADDRESS",
  "CONTAINERS_CONF",
  "CONTAINERS_STORAGE_CONF",
  "CONTAINERS_REGISTRIES_CONF",
  "DOCKER_CONFIG",
  "DOCKER_HOST",
];
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** Characters of what an engine says that go into an error. */
const SHOWN_CHARS = 600;

/** The program podman or docker, whose command lines are nearly the same. */
export class ContainerEngine {
  readonly name: EngineName;
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
  readonly #options: EngineOptions;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.name = options.name;
    this.program = options.program;
    const given = VARIABLES.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]] as const]));
    this.env = { PATH, ...Object.fromEntries(given) };
  }

  /** Runs one command line to its end. */
  async run(args: readonly string[], { timeoutMs = TOOL_LIMITS.engineMs }: { timeoutMs?: number } = {}): Promise<EngineResult> {
    const { watcher, clock, log } = this.#options;
    let output = "";
    let errors = "";
    const { exitCode, reason } = await runCommand({
      argv: [this.program, ...args],
      cwd: "/",
      env: this.env,
      timeoutMs,
      signal: new AbortController().signal,
      watcher,
      clock,
      log,
      onOutput: (chunk) => void (output = add(output, chunk)),
      onErrorOutput: (chunk) => void (errors = add(errors, chunk)),
    });
    if (reason === "timed out") errors += `it took longer than ${Math.round(timeoutMs / 1_000)} s`;
    return { exitCode: reason === "exited" ? exitCode : null, output, errors };
  }

  /** As run, for what has to succeed. Gives the output. */
  async expect(args: readonly string[], options: { timeoutMs?: number } = {}): Promise<string> {
    const { exitCode, output, errors } = await this.run(args, options);
    if (exitCode !== 0) throw new Error(`${this.name} ${args[0]} failed: ${describe(errors || output)}`);
    return output;
  }
}

const add = (text: string, chunk: Buffer): string => (text.length < TOOL_LIMITS.engineOutputBytes ? text + chunk.toString("utf8") : text);

/** What an engine says, on one line. */
function describe(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, " ");
  return line === "" ? "it gave no reason" : clip(line, SHOWN_CHARS);
}
