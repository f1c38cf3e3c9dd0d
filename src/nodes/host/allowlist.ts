import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { isAbsent, writeFileAtomicSync, ensureDirectorySync } from "../../core/files.ts";
import { asObjects, asString, fieldsOf, isObject, type JsonObject } from "../../core/json.ts";
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

export type HostDecision = { isAllowed: true } | { isAllowed: false; reason: string };

/** Programs that run what their arguments or their input say: the list cannot name them, since it would allow everything. */
const INTERPRETERS =
  /^(?:(?:ba|da|z|fi|c|k)?sh|env|sudo|doas|xargs|nohup|time|timeout|nice|busybox|ssh|node|nodejs|deno|bun|perl|ruby|php|lua|python[\d.]*|awk|gawk|find|make)$/;

const no = (reason: string): HostDecision => ({ isAllowed: false, reason });

/** Whether a program runs here. `path`: its real path. `isApproved`: the gateway says that a person has agreed to exactly this. Pure. */
export function decideOnHost(rules: HostRules, { path, isApproved }: { path: string; isApproved: boolean }): HostDecision {
  if (rules.problem !== null) return no(`the rules of this machine cannot be used: ${rules.problem}`);
  if (rules.security === "deny") return no("this machine runs no programs for a gateway");
  if (rules.ask === "always") return isApproved ? { isAllowed: true } : no("this machine asks a person about every program");
  if (rules.security === "full") return { isAllowed: true };
  const name = basename(path);
  const isListed =
    !INTERPRETERS.test(name) && rules.programs.some((pattern) => (pattern.includes("/") ? pattern === path : pattern === name));
  if (isListed) return { isAllowed: true };
  if (rules.ask === "off") return no(`${path} is not in the list of this machine, which asks no one`);
  return isApproved ? { isAllowed: true } : no(`${path} is not in the list of this machine, and no person has agreed to it`);
}
