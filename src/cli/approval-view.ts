import type { ApprovalDecision } from "../store/approvals.ts";
import { parseArgPattern } from "../core/arg-pattern.ts";
import type { Output } from "./output.ts";
import { formatAge, revealLine, revealText, truncateText } from "./terminal-text.ts";

/** One program as the allowlist has it. */
export type AllowedPattern = { readonly pattern: string; readonly argPattern?: string };

/** What is asked, as a person has to see it before an answer. */
export type CommandText = {
  readonly command: string;
  readonly cwd: string;
  readonly host: string;
  readonly warnings: readonly string[];
  /** What allow-always would store; empty where it is not offered. */
  readonly patterns: readonly AllowedPattern[];
};

/** A question that waits, as `exec.approval.list` and `exec.approval.requested` have it. */
export type PendingApproval = {
  readonly id: string;
  readonly request: CommandText & {
    readonly agentId: string;
    readonly sessionKey: string;
    readonly allowedDecisions: readonly ApprovalDecision[];
  };
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
};

/** How a question has ended. */
export type ApprovalEnding = {
  readonly status: string;
  readonly decision?: string | null;
  readonly reason?: string | null;
  readonly resolver?: { readonly kind?: string; readonly id?: string } | null;
  readonly resolvedAtMs?: number | null;
};

export const APPROVALS = ["operator.approvals"] as const;

/** The characters of an id that people write. */
export const shortId = (id: string): string => revealLine(id).slice(0, 4);

/** Columns of a command in a table; all of it is on the page of its question. */
const COMMAND_COLUMNS = 160;
export const commandLine = (command: string): string => truncateText(revealLine(command), COMMAND_COLUMNS);

/** "allowed once", "denied", "expired", "cancelled: the gateway was restarted". */
export function outcomeText({ status, decision, reason }: ApprovalEnding): string {
  if (status === "allowed") return decision === "allow-always" ? "always allowed" : "allowed once";
  if (status !== "cancelled") return status;
  return reason === "gateway-restart" ? "cancelled: the gateway was restarted" : "cancelled: the turn was stopped";
}

/** Who answered; "-" when it ended without an answer. */
export const resolverText = ({ resolver }: ApprovalEnding): string =>
  resolver?.id ?? (resolver?.kind === undefined || resolver.kind === "system" ? "-" : `a ${resolver.kind}`);

/** "denied by irc:ann, 5 min ago". */
export function endingText(ending: ApprovalEnding, now: number): string {
  const by = resolverText(ending);
  return `${outcomeText(ending)}${by === "-" ? "" : ` by ${by}`}, ${formatAge(ending.resolvedAtMs, now)}`;
}

/** `words:["install","{path}"]` -> `install {path}`. */
export function argumentsText({ argPattern }: AllowedPattern): string {
  if (argPattern === undefined) return "any arguments";
  const words = parseArgPattern(argPattern);
  if (words === null) return argPattern;
  return words.length === 0 ? "no arguments" : words.join(" ");
}

/** The whole command and what deserves attention; nothing is cut, because the answer covers all of it. */
export function showCommand(out: Output, { command, warnings, patterns }: CommandText): void {
  for (const line of revealText(command).split("\n")) out.line(`  ${line}`);
  for (const warning of warnings) out.paragraph(`${out.paint("yellow", "!")} ${revealLine(warning)}`, "  ");
  for (const each of patterns) out.paragraph(`${out.paint("dim", "always:")} ${patternText(each)}`, "  ");
}

const patternText = (each: AllowedPattern): string => revealLine(`${each.pattern}, ${argumentsText(each)}`);

/** Where it runs and how long there is time: "main, agent:main:main; gateway, in /workspace; expires in 25 min". */
export function contextLine({ request, expiresAtMs }: PendingApproval, now: number): string {
  const { agentId, sessionKey, host, cwd } = request;
  return revealLine(`${agentId}, ${sessionKey}; on the ${host} in ${cwd}; expires ${formatAge(expiresAtMs, now)}`);
}
