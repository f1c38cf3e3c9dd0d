import { statSync } from "node:fs";
import { isAbsolute } from "node:path";
import type { Clock } from "../../core/clock.ts";
import type { JsonObject } from "../../core/json.ts";
import type { Log } from "../../core/log.ts";
import { runCommand } from "../../tools/command.ts";
import type { GroupWatcher } from "../../tools/group-watcher.ts";
import { parseShellRequest, shellText, type ShellRequest } from "../shell.ts";
import { decideOnHost, type HostRules } from "./allowlist.ts";
import { HostError } from "./host-error.ts";
import { HOST_LIMITS } from "./limits.ts";
import { findProgram, realProgram } from "./programs.ts";

export type ProgramOptions = {
  rules: () => HostRules;
  /** The whole environment of programs. */
  env: Readonly<Record<string, string>>;
  home: string;
  watcher: GroupWatcher;
  clock: Clock;
  log: Log;
};

/** Variables that change which code a program runs: a gateway does not set them here. */
const REFUSED_VARIABLES = /^(?:LD_|DYLD_|NODE_OPTIONS$|BASH_ENV$|ENV$|PATH$|PYTHONPATH$|PERL5LIB$|RUBYOPT$|IFS$)/;

/** What would run: the program's real path, and the directory. Throws HostError. */
export function planProgram(request: ShellRequest, { env, home }: Pick<ProgramOptions, "env" | "home">): { argv: string[]; cwd: string } {
  const [name, ...args] = request.argv;
  const found = findProgram(name!, env["PATH"] ?? "");
  if (found === null) throw new HostError("NOT_FOUND", `${name} is not a program of this machine`);
  const cwd = request.cwd ?? home;
  if (!isAbsolute(cwd) || !statSync(cwd, { throwIfNoEntry: false })?.isDirectory())
    throw new HostError("INVALID_REQUEST", `${cwd} is not a directory of this machine`);
  const refused = Object.keys(request.env ?? {}).find((each) => REFUSED_VARIABLES.test(each));
  if (refused !== undefined) throw new HostError("SYSTEM_RUN_DENIED", `the variable ${refused} cannot be set here`);
  return { argv: [found, ...args], cwd };
}

const variablesOf = ({ env }: ShellRequest): readonly string[] => Object.keys(env ?? {});

/** `system.run.prepare`: what a person would be asked about. */
export function prepareProgram(params: JsonObject, options: ProgramOptions): JsonObject {
  const { security: _security, ask: _ask, ...rest } = params;
  const request = parseShellRequest(rest);
  const { argv, cwd } = planProgram(request, options);
  const { security, ask } = options.rules();
  const decision = decideOnHost(options.rules(), { path: realProgram(argv[0]!), isApproved: true, variables: variablesOf(request) });
  if (!decision.isAllowed) throw new HostError("SYSTEM_RUN_DENIED", decision.reason);
  const { agentId, sessionKey } = request;
  return {
    plan: { argv, cwd, commandText: shellText({ argv }), commandPreview: null, agentId, sessionKey },
    execPolicy: { security, ask },
  };
}

/** `system.run`: the rules of this machine decide, whatever the gateway has decided before. */
export async function runProgram(params: JsonObject, options: ProgramOptions, signal: AbortSignal): Promise<JsonObject> {
  const request = parseShellRequest(params);
  const { argv, cwd } = planProgram(request, options);
  const isApproved = request.approvalId !== null && params["approvalDecision"] !== "deny";
  const decision = decideOnHost(options.rules(), { path: realProgram(argv[0]!), isApproved, variables: variablesOf(request) });
  if (!decision.isAllowed) throw new HostError("SYSTEM_RUN_DENIED", decision.reason);
  options.log.info("a gateway runs a program here", { program: argv[0], isApproved });
  return await run({ argv, cwd, request }, options, signal);
}

type Planned = { argv: readonly string[]; cwd: string; request: ShellRequest };

async function run({ argv, cwd, request }: Planned, options: ProgramOptions, signal: AbortSignal): Promise<JsonObject> {
  const { env, watcher, clock, log } = options;
  const stdout = new Tail();
  const stderr = new Tail();
  const { exitCode, reason } = await runCommand({
    argv,
    cwd,
    env: { ...env, ...request.env },
    timeoutMs: Math.min(request.timeoutMs ?? HOST_LIMITS.runMs, HOST_LIMITS.maxRunMs),
    signal,
    watcher,
    clock,
    log,
    onOutput: (chunk) => stdout.add(chunk),
    onErrorOutput: (chunk) => stderr.add(chunk),
  });
  const timedOut = reason === "timed out";
  return {
    exitCode,
    timedOut,
    success: exitCode === 0 && reason === "exited",
    stdout: stdout.text(),
    stderr: stderr.text(),
    error: timedOut ? "it ran longer than its deadline and was killed" : reason === "stopped" ? "it was stopped" : null,
  };
}

/** The end of an output. */
class Tail {
  #chunks: Buffer[] = [];
  #bytes = 0;
  #isCut = false;

  add(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes - this.#chunks[0]!.length > HOST_LIMITS.outputChars) {
      this.#bytes -= this.#chunks.shift()!.length;
      this.#isCut = true;
    }
  }

  text(): string {
    const text = Buffer.concat(this.#chunks).toString("utf8");
    const isLong = text.length > HOST_LIMITS.outputChars;
    return `${this.#isCut || isLong ? "[the beginning was left out]\n" : ""}${text.slice(-HOST_LIMITS.outputChars)}`;
  }
}
