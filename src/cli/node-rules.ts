import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isAbsent } from "../core/files.ts";
import { CliError, EXIT, reasonOf } from "../core/errors.ts";
import { asString, fieldsOf, tryParseJson } from "../core/json.ts";
import { isProcessRunning } from "../core/pid-file.ts";
import { changeHostRules, readHostRules, toListed, type HostRules } from "../nodes/host/allowlist.ts";
import type { CommandHandler } from "./command.ts";
import { pathsOf } from "./gateway-target.ts";
import type { Invocation } from "./invocation.ts";
import { formatAge, sanitizeLine } from "./terminal-text.ts";

/** Where the node host of this machine keeps its key, its rules and its answers. */
export const nodeDirectory = (invocation: Invocation): string => join(pathsOf(invocation).state, "node");

/** What the node host writes about itself. */
export type NodeState = { pid: number; url: string; connected: boolean; reason: string | null; at: number; commands: readonly string[] };

export const NODE_STATE_FILE = "state.json";

function readState(directory: string): NodeState | null {
  try {
    const state = fieldsOf(tryParseJson(readFileSync(join(directory, NODE_STATE_FILE), "utf8")));
    if (typeof state["pid"] !== "number" || !isProcessRunning(state["pid"])) return null;
    return state as NodeState;
  } catch (err) {
    if (isAbsent(err)) return null;
    throw err;
  }
}

/** `openclaw node status` */
export const nodeStatus: CommandHandler = (invocation) => {
  const { out, host } = invocation;
  const directory = nodeDirectory(invocation);
  const state = readState(directory);
  const rules = readHostRules(directory);
  const { security, ask, programs, problem } = rules;
  out.result({ running: state !== null, ...state, rules: { security, ask, programs, problem } }, () => {
    if (state === null) out.line("No node host runs here. Start one with: openclaw node run");
    else if (state.connected)
      out.line(`Connected to ${sanitizeLine(state.url)} (pid ${state.pid}), since ${formatAge(state.at, host.now())}.`);
    else out.line(`Not connected to ${sanitizeLine(state.url)} (pid ${state.pid}): ${sanitizeLine(asString(state.reason))}`);
    if (state) out.line(`Offers  ${state.commands.join(" ")}`);
    out.line(`Rules   ${describeRules(rules)}`);
    for (const program of programs) out.line(`        ${sanitizeLine(program)}`);
  });
  return problem === null ? 0 : EXIT.failure;
};

function describeRules({ security, ask, programs, problem }: HostRules): string {
  if (problem !== null) return `nothing runs: exec-approvals.json cannot be used, ${problem}`;
  if (security === "deny") return "nothing runs";
  if (ask === "always") return "a person is asked about every program";
  if (security === "full") return "every program runs";
  const others = ask === "off" ? "no other program runs" : "a person is asked about all others";
  return programs.length === 0 ? `no program is listed; ${others}` : `these programs run; ${others}`;
}

/** `openclaw node allow <program>` */
export const nodeAllow: CommandHandler = (invocation) => {
  const program = invocation.arg(0).trim();
  if (program === "" || (program.includes("/") && !program.startsWith("/")))
    throw new CliError("This is not a program", {
      why: "it is neither a name nor an absolute path.",
      fix: "openclaw node allow /usr/bin/uptime",
      exit: EXIT.usage,
    });
  const found = toListed(program);
  if ("problem" in found)
    throw new CliError("The rules were not changed", { why: `${found.problem}.`, fix: "Name another program, or leave it to the person." });
  const { listed } = found;
  const rules = change(invocation, ({ security, ask, programs }) => ({
    security,
    ask,
    programs: programs.includes(listed) ? programs : [...programs, listed],
  }));
  invocation.out.result({ programs: rules.programs }, () =>
    invocation.out.line(`${sanitizeLine(listed)} runs for the gateway of this node without a question.`),
  );
};

/** `openclaw node disallow <program>` */
export const nodeDisallow: CommandHandler = (invocation) => {
  const program = invocation.arg(0).trim();
  let isListed = false;
  const rules = change(invocation, ({ security, ask, programs }) => {
    isListed = programs.includes(program);
    return { security, ask, programs: programs.filter((each) => each !== program) };
  });
  if (!isListed) throw new CliError(`${sanitizeLine(program)} is not in the list`, { fix: "openclaw node status" });
  invocation.out.result({ programs: rules.programs }, () => invocation.out.line(`${sanitizeLine(program)} is asked about from now on.`));
};

function change(invocation: Invocation, edit: Parameters<typeof changeHostRules>[1]): HostRules {
  try {
    return changeHostRules(nodeDirectory(invocation), edit);
  } catch (err) {
    throw new CliError("The rules were not changed", { why: `${reasonOf(err)}.`, fix: "Correct the file, or remove it.", cause: err });
  }
}
