import { toArgPattern } from "../../core/arg-pattern.ts";
import type { COMMAND_MODES } from "../../core/command-modes.ts";
import type { CommandHost, CommandRequest } from "../command-gate.ts";
import { isShellBuiltIn, isShellCommand, onlyReads, programName, runsOtherPrograms } from "./programs.ts";
import type { BoundPlan, CommandPlan, PlannedProgram } from "./plan.ts";

/** When a command may run. `auto`: it runs by itself in the sandbox, and is asked about elsewhere. */
export type CommandMode = (typeof COMMAND_MODES)[number];

/** One program that a person always allows. */
export type AllowedProgram = {
  /** A real path, with `*` for any part of a name; or the name of a program that is found through PATH. */
  pattern: string;
  /** Which arguments: `words:` and the JSON of a shape. Absent: any. */
  argPattern?: string | undefined;
};

export type CommandVerdict = { verdict: "allow" | "deny" | "ask"; /** What decided, in words or as a configuration key. */ rule: string };

export type DecisionInput = {
  mode: CommandMode;
  /** The key that sets the mode. */
  rule: string;
  plan: CommandPlan;
  allowlist: readonly AllowedProgram[];
  /** Even what the allowlist names is asked about. */
  alwaysAsk: boolean;
};

/** Whether a command of the host runs without a look at it. Pure. */
export const runsUnseen = (mode: CommandMode, host: CommandHost): boolean => mode === "full" || (mode === "auto" && host === "sandbox");

/** What becomes of a command. Pure. */
export function decideCommand({ mode, rule, plan, allowlist, alwaysAsk }: DecisionInput): CommandVerdict {
  const decided = (verdict: CommandVerdict["verdict"], why: string): CommandVerdict => ({ verdict, rule: why });
  if (mode === "deny") return decided("deny", rule);
  if (runsUnseen(mode, plan.host)) return decided("allow", rule);
  const { programs } = plan;
  if (programs?.every(isReadingCommand)) return decided("allow", "it only reads");
  if (programs?.every((each) => isReadingCommand(each) || allowlist.some((entry) => matches(entry, each))))
    return decided(alwaysAsk ? "ask" : "allow", "the allowlist");
  return decided(mode === "allowlist" ? "deny" : "ask", rule);
}

function isReadingCommand({ name, path, args, within, isChangeable }: PlannedProgram): boolean {
  if (name === "cd") return within.every(Boolean);
  return !isChangeable && onlyReads(path ?? name, args, within);
}

/** Whether an entry allows a program. Nothing allows one that runs what its arguments say, or that the agent can change. Pure. */
export function matches({ pattern, argPattern }: AllowedProgram, program: PlannedProgram): boolean {
  const { name, path, shape, isChangeable } = program;
  if (path === null || isChangeable || runsOtherPrograms(path) || runsOtherPrograms(name)) return false;
  const isNamed = pattern.includes("/") ? matchesPath(pattern, path) : pattern === name;
  return isNamed && (argPattern === undefined || argPattern === toArgPattern(shape));
}

/** Why a pattern can never allow a program, as the end of a sentence about it, and what to write instead. */
export type PatternProblem = { why: string; fix: string };

const WRITE_PATH = "Write the real path of a program, such as /usr/bin/touch, or a name that is found through PATH.";

const problem = (why: string): PatternProblem => ({ why, fix: WRITE_PATH });

/** Null for a pattern that can allow a program. Looks at no file. Pure. */
export function patternProblem(pattern: string): PatternProblem | null {
  if (runsOtherPrograms(pattern))
    return {
      why: "runs what its arguments or files say, so that each of its commands needs an answer of its own",
      fix: "Allow its commands once each, or let the agent run them in the sandbox: openclaw exec-policy set --mode auto --host sandbox",
    };
  if (isShellCommand(pattern))
    return {
      why: "is a command of the shell itself, which does more than the program of this name",
      fix: `Write the path of the program, such as /usr/bin/${pattern}; it counts for commands that are called by this path.`,
    };
  if (pattern.includes("**")) return problem("has `**`; `*` covers a part of one name, so that each directory needs one of its own");
  if (pattern.startsWith("/"))
    return /\/(?:\.{0,2})(?:\/|$)/.test(pattern) ? problem("is not the real path of a program: a part of it is empty or dots") : null;
  if (pattern.includes("/")) return problem("is a relative path; programs are known by their real paths");
  if (pattern.includes("*")) return problem("is a name with `*`; only paths may have one");
  return isShellBuiltIn(pattern) ? problem("belongs to the shell itself and is not a program") : null;
}

/** Names may have `*` in them, which stands for characters other than a slash. Linear, as both ends are fixed for each part. */
function matchesPath(pattern: string, path: string): boolean {
  const wanted = pattern.split("/");
  const parts = path.split("/");
  return wanted.length === parts.length && wanted.every((each, at) => matchesName(each, parts[at]!));
}

function matchesName(pattern: string, name: string): boolean {
  const pieces = pattern.split("*");
  const [first, ...rest] = pieces as [string, ...string[]];
  if (rest.length === 0) return name === pattern;
  const last = rest.pop()!;
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  let at = first.length;
  const end = name.length - last.length;
  for (const piece of rest) {
    const found = name.indexOf(piece, at);
    if (found < 0 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}

const isAllowable = ({ path, name, isChangeable }: PlannedProgram): boolean =>
  !isChangeable && !runsOtherPrograms(path!) && !runsOtherPrograms(name);

/** What would be stored if a person always allowed a command; null where nothing may be. Pure. */
export function patternsOf({ programs }: CommandPlan): readonly { pattern: string; argPattern: string }[] | null {
  if (programs === null) return null;
  const started = programs.filter((each) => each.path !== null);
  if (started.length === 0 || !started.every(isAllowable)) return null;
  return started.map(({ path, shape }) => ({ pattern: path!, argPattern: toArgPattern(shape) }));
}

/**
 * Commands with the same key are asked about once in a turn: the same programs with the same kinds of arguments in one directory. A command
 * that sets variables has only itself. Pure.
 */
export function repeatKey(plan: BoundPlan, { cwd, input, ownVariables }: Pick<CommandRequest, "cwd" | "input" | "ownVariables">): string {
  const patterns = ownVariables.length > 0 ? null : patternsOf(plan);
  return JSON.stringify([plan.host, cwd, input, patterns ?? plan.digest]);
}

/** What a person should know before an answer, one sentence each. Pure. */
export function warningsOf(
  { programs, files, host }: BoundPlan,
  { ownVariables, input }: Pick<CommandRequest, "ownVariables" | "input">,
): readonly string[] {
  const carriers = programs?.filter(({ path, name }) => path !== null && (runsOtherPrograms(path) || runsOtherPrograms(name))) ?? [];
  return [
    ...(programs === null
      ? ["The shell decides what this does: it has variables, patterns, redirections, commands of its own or programs that were not found."]
      : []),
    ...carriers.map(({ name }) => `${programName(name)} runs what its arguments or files say.`),
    ...(programs?.some(({ isChangeable }) => isChangeable) ? ["It runs a program that the agent can change."] : []),
    ...(files.length > 0 ? [`Bound to the present content of ${files.map(({ path }) => path).join(", ")}.`] : []),
    ...(ownVariables.length > 0 ? [`The call sets ${ownVariables.join(", ")}.`] : []),
    ...(input !== "none" ? ["The agent can write to it while it runs, and is not asked about that."] : []),
    ...(host === "gateway" ? ["It runs outside of the sandbox, with the rights of the gateway."] : []),
  ];
}
