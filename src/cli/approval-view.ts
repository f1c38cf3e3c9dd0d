import type { ApprovalDecision } from "../store/approvals.ts";
import { parseArgPattern } from "../core/arg-pattern.ts";
import type { Output, TerminalStyle } from "./output.ts";
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

/** What another program asks for, in the shape of the protocol. */
export type PluginText = {
  readonly title: string;
  readonly description: string;
  readonly detail?: string | null;
  readonly severity?: string | null;
  readonly pluginId?: string | null;
  readonly toolName?: string | null;
};

type Asked = {
  readonly agentId: string | null;
  readonly sessionKey: string | null;
  readonly allowedDecisions: readonly ApprovalDecision[];
  /** Whether it may be allowed for some time. */
  readonly isGrantable?: boolean;
};

/** A question that waits, as `exec.approval.list`, `plugin.approval.list` and the events have it. */
export type PendingApproval = {
  readonly id: string;
  readonly approvalKind?: "exec" | "plugin";
  readonly request: (CommandText & Asked) | (PluginText & Asked);
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
};

export const isPlugin = <T extends object>(request: T): request is T & PluginText => "title" in request;

/** In one line what is asked: the command, or the words of another program. */
export const summaryOf = (request: CommandText | PluginText): string =>
  isPlugin(request) ? `${request.title}: ${request.description}` : request.command;

/** How a question has ended. */
export type ApprovalEnding = {
  readonly status: string;
  readonly decision?: string | null;
  readonly reason?: string | null;
  readonly resolver?: { readonly kind?: string; readonly id?: string } | null;
  readonly resolvedAtMs?: number | null;
  /** Absent or null: the answer covers one command. */
  readonly grant?: { readonly scope: string; readonly untilMs: number } | null;
};

/** "2026-11-30 14:05 UTC". */
const formatTime = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;

export const APPROVALS = ["operator.approvals"] as const;

/** The characters of an id that people write. */
export const shortId = (id: string): string => revealLine(id.replace(/^plugin:/, "")).slice(0, 4);

/** Columns of a command in a table; all of it is on the page of its question. */
const COMMAND_COLUMNS = 160;
export const commandLine = (command: string): string => truncateText(revealLine(command), COMMAND_COLUMNS);

/** "allowed once", "allowed until 2026-11-30 14:05", "denied", "expired", "cancelled: the gateway was restarted". */
export function outcomeText({ status, decision, reason, grant }: ApprovalEnding): string {
  if (status === "allowed" && grant)
    return `allowed ${grant.scope === "session" ? "in this conversation, at most " : ""}until ${formatTime(grant.untilMs)}`;
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

/** One line of what is asked. `wraps`: words that may be broken at spaces; a command and what a program says stay as they are. */
export type RequestLine = { readonly text: string; readonly wraps: boolean };
type Painter = (style: TerminalStyle, text: string) => string;

/** All that is asked. */
export function showRequest(out: Output, request: CommandText | PluginText): void {
  for (const { text, wraps } of requestLines((style, words) => out.paint(style, words), request)) {
    if (wraps) out.paragraph(text, "  ");
    else out.line(`  ${text}`);
  }
}

/** The whole request: nothing is cut, because the answer covers all of it. */
export const requestLines = (paint: Painter, request: CommandText | PluginText): readonly RequestLine[] =>
  isPlugin(request) ? pluginLines(paint, request) : commandLines(paint, request);

const verbatim = (text: string): RequestLine[] =>
  revealText(text)
    .split("\n")
    .map((line) => ({ text: line, wraps: false }));

/** The words of another program, as it has them: they are its own. */
function pluginLines(paint: Painter, { title, description, detail, severity, pluginId, toolName }: PluginText): readonly RequestLine[] {
  const mark = severity === "info" ? paint("dim", "i") : paint(severity === "critical" ? "red" : "yellow", "!");
  const asker = [pluginId, toolName].filter(Boolean).join(", ");
  return [
    { text: `${mark} ${revealLine(title)}`, wraps: true },
    ...verbatim(description),
    ...(detail ? verbatim(detail).map((line) => ({ ...line, text: `  ${line.text}` })) : []),
    ...(asker === "" ? [] : [{ text: `${paint("dim", "asked by:")} ${revealLine(asker)}`, wraps: true }]),
  ];
}

/** The command and what deserves attention. */
function commandLines(paint: Painter, { command, warnings, patterns }: CommandText): readonly RequestLine[] {
  return [
    ...verbatim(command),
    ...warnings.map((warning) => ({ text: `${paint("yellow", "!")} ${revealLine(warning)}`, wraps: true })),
    ...patterns.map((each) => ({ text: `${paint("dim", "always:")} ${patternText(each)}`, wraps: true })),
  ];
}

const patternText = (each: AllowedPattern): string => revealLine(`${each.pattern}, ${argumentsText(each)}`);

/** Where it runs and how long there is time: "main, agent:main:main; gateway, in /workspace; expires in 25 min". */
export function contextLine({ request, expiresAtMs }: PendingApproval, now: number): string {
  const { agentId, sessionKey } = request;
  const who = [agentId, sessionKey].filter(Boolean).join(", ") || "no session";
  const where = isPlugin(request) ? "" : `; on the ${request.host} in ${request.cwd}`;
  return revealLine(`${who}${where}; expires ${formatAge(expiresAtMs, now)}`);
}
