import { readFileSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";
import { ensureDirectorySync, fileProblemOf, isAbsent, writeFileAtomicSync } from "../../core/files.ts";
import { asObjects, asString, fieldsOf, isObject, type JsonObject } from "../../core/json.ts";
import { runsOtherPrograms } from "../../tools/commands/programs.ts";
import { HOST_LIMITS } from "./limits.ts";

const SECURITY = ["deny", "allowlist", "full"] as const;
const ASK = ["off", "on-miss", "always"] as const;
type Security = (typeof SECURITY)[number];
type Ask = (typeof ASK)[number];

/** What this machine allows, in the form of OpenClaw's document. It belongs to the person at this machine: no gateway changes it. */
export type HostRules = { security: Security; ask: Ask; programs: readonly string[]; problem: string | null };

/** Without a file: what the list names runs, and everything else needs the agreement of a person at the gateway. */
const DEFAULTS = { security: "allowlist", ask: "on-miss" } as const;
const FILE = "exec-approvals.json";

/** A file that cannot be read allows nothing: what it forbids is not known. */
export function readHostRules(directory: string): HostRules {
  let text: string;
  try {
    text = readFileSync(join(directory, FILE), "utf8");
  } catch (err) {
    return isAbsent(err) ? { ...DEFAULTS, programs: [], problem: null } : unreadable("it cannot be read");
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return unreadable("it is not JSON");
  }
  if (!isObject(value) || value["version"] !== 1) return unreadable("it is not a document of version 1");
  const defaults = fieldsOf(value["defaults"]);
  const security = defaults["security"] ?? DEFAULTS.security;
  const ask = defaults["ask"] ?? DEFAULTS.ask;
  if (!SECURITY.some((each) => each === security)) return unreadable(`defaults.security must be one of ${SECURITY.join(", ")}`);
  if (!ASK.some((each) => each === ask)) return unreadable(`defaults.ask must be one of ${ASK.join(", ")}`);
  const programs = asObjects(fieldsOf(fieldsOf(value["agents"])["*"])["allowlist"]).map(({ pattern }) => asString(pattern));
  return { security: security as Security, ask: ask as Ask, programs: programs.filter((each) => each !== ""), problem: null };
}

const unreadable = (problem: string): HostRules => ({ security: "deny", ask: "always", programs: [], problem });

/** The document as a gateway reads it. */
export const toDocument = ({ security, ask, programs }: HostRules): JsonObject => ({
  version: 1,
  defaults: { security, ask },
  agents: { "*": { allowlist: programs.map((pattern) => ({ pattern })) } },
});

/** Changes the list of programs. Throws when the present file cannot be read: it is not replaced by a guess. */
export function changeHostRules(
  directory: string,
  change: (rules: HostRules) => Pick<HostRules, "security" | "ask" | "programs">,
): HostRules {
  const rules = readHostRules(directory);
  if (rules.problem !== null) throw new Error(`${join(directory, FILE)}: ${rules.problem}`);
  const next = { ...rules, ...change(rules) };
  if (next.programs.length > HOST_LIMITS.allowed) throw new Error(`the list has ${HOST_LIMITS.allowed} programs already`);
  ensureDirectorySync(directory);
  writeFileAtomicSync(join(directory, FILE), `${JSON.stringify(toDocument(next), null, 2)}\n`);
  return next;
}

/** How the list names a program: a path without links, as programs are known by these. `problem`: why it would have no effect there. */
export function toListed(program: string): { listed: string } | { problem: string } {
  let listed = program;
  try {
    if (program.includes("/")) listed = realpathSync(program);
  } catch (err) {
    return { problem: `${program} cannot be looked at: ${fileProblemOf(err)}` };
  }
  return runsOtherPrograms(listed) || runsOtherPrograms(program)
    ? { problem: `${program} runs what its arguments or files say, so that a person is asked about each of its calls` }
    : { listed };
}

export type HostDecision = { isAllowed: true } | { isAllowed: false; reason: string };

const no = (reason: string): HostDecision => ({ isAllowed: false, reason });

/** `path`: its real path. `isApproved`: the gateway says that a person has agreed to exactly this. `variables`: names that the gateway sets. */
export type HostRequest = { path: string; isApproved: boolean; variables: readonly string[] };

/**
 * Whether a program runs here. The list allows no program that runs what its arguments or files say, since that would allow everything,
 * and none with variables, by which a program can be made to run another one. Pure.
 */
export function decideOnHost(rules: HostRules, { path, isApproved, variables }: HostRequest): HostDecision {
  if (rules.problem !== null) return no(`the rules of this machine cannot be used: ${rules.problem}`);
  if (rules.security === "deny") return no("this machine runs no programs for a gateway");
  if (rules.ask === "always") return isApproved ? { isAllowed: true } : no("this machine asks a person about every program");
  if (rules.security === "full") return { isAllowed: true };
  const name = basename(path);
  const isListed =
    !runsOtherPrograms(path) &&
    variables.length === 0 &&
    rules.programs.some((pattern) => (pattern.includes("/") ? pattern === path : pattern === name));
  if (isListed) return { isAllowed: true };
  const why =
    variables.length > 0
      ? `the list of this machine covers no call that sets ${variables.join(", ")}`
      : `${path} is not in the list of this machine`;
  if (rules.ask === "off") return no(`${why}, and it asks no one`);
  return isApproved ? { isAllowed: true } : no(`${why}, and no person has agreed to it`);
}
