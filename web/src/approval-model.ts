/** Questions about commands as the page shows them: what the gateway sends, and the words for it. Pure. */
import { locale } from "./locale.ts";
import { parseArgPattern } from "../../src/core/arg-pattern.ts";

export type ApprovalDecision = "allow-once" | "allow-always" | "deny";

/** A program that may be, or is, always allowed. */
export type AllowedProgram = { pattern: string; argPattern?: string };

/** The answer to a question: a decision, and for how long, in the words of `approval.resolve`. */
export type Answer = { decision: ApprovalDecision; grant?: "1h" | "session" };
export type ApprovalKind = "exec" | "plugin";

/** `exec.approval.requested` and `plugin.approval.requested`, and one row of their lists. */
export type RequestedApproval = {
  id: string;
  approvalKind?: ApprovalKind;
  request: {
    /** Absent where another program asks, with a title and a description. */
    command?: string;
    title?: string;
    description?: string | null;
    detail?: string | null;
    severity?: string | null;
    pluginId?: string | null;
    isGrantable?: boolean;
    cwd?: string | null;
    host?: string | null;
    agentId?: string | null;
    sessionKey?: string | null;
    runId?: string | null;
    toolCallId?: string | null;
    warnings?: readonly string[];
    warningText?: string | null;
    patterns?: readonly AllowedProgram[];
    allowedDecisions?: readonly ApprovalDecision[];
  };
  createdAtMs: number;
  expiresAtMs: number;
};

/** How far an answer reaches beyond one command. */
export type GrantFacts = { scope: "time" | "session"; untilMs: number };

/** `exec.approval.resolved`. */
export type ResolvedApproval = {
  id: string;
  decision: ApprovalDecision;
  status?: string;
  reason?: string | null;
  resolvedBy?: string | null;
  grant?: GrantFacts;
  ts: number;
  request?: RequestedApproval["request"];
};

/** An ended question in `approval.history` and `approval.resolve`. */
export type ApprovalSnapshot = {
  id: string;
  status: string;
  decision?: ApprovalDecision;
  reason?: string | null;
  createdAtMs: number;
  expiresAtMs: number;
  resolvedAtMs?: number;
  presentation: {
    commandText?: string;
    title?: string;
    description?: string;
    detail?: string;
    host?: string | null;
    agentId?: string | null;
    warningText?: string | null;
  };
  source?: { agentId?: string | null; sessionKey?: string | null };
  resolver?: { kind: string; id?: string };
};

/** How a question ended. `by`: the device, the client or the person on a channel who answered; null where none did. */
export type ApprovalEnd = {
  status: string;
  decision: ApprovalDecision | null;
  reason: string | null;
  by: string | null;
  atMs: number;
  grant?: GrantFacts;
};

/** A question on the page. */
export type Question = {
  id: string;
  kind: ApprovalKind;
  /** The command, or all words of the program that asks. */
  command: string;
  /** The program that asks; null for a command of an agent. */
  asker: string | null;
  cwd: string | null;
  host: string | null;
  agentId: string | null;
  sessionKey: string | null;
  runId: string | null;
  callId: string | null;
  warnings: readonly string[];
  /** What the answer "always" would store, one for each program. */
  patterns: readonly AllowedProgram[];
  decisions: readonly ApprovalDecision[];
  /** It may be allowed for some time. */
  isGrantable: boolean;
  askedAtMs: number;
  expiresAtMs: number;
  /** An answer of this page is on its way. */
  answering: boolean;
  /** Null while it waits. */
  end: (ApprovalEnd & { isOwn: boolean }) | null;
};

/** The characters of an id that name it in messages and on the command line. */
export const shortId = (id: string): string => id.replace(/^plugin:/, "").slice(0, 4);

/** The words of a question of another program, one below the other. */
export const wordsOf = ({ title, description, detail }: { title?: string; description?: string | null; detail?: string | null }): string =>
  [title, description, detail].filter((each) => typeof each === "string" && each !== "").join("\n\n");

export function toQuestion({ id, approvalKind: kind = "exec", request, createdAtMs, expiresAtMs }: RequestedApproval): Question {
  const { cwd, host, agentId, sessionKey, runId, toolCallId, warnings, warningText, patterns, allowedDecisions } = request;
  return {
    id,
    kind,
    command: request.command ?? wordsOf(request),
    asker: kind === "plugin" ? (request.pluginId ?? "A program") : null,
    isGrantable: request.isGrantable === true,
    cwd: cwd ?? null,
    host: host ?? null,
    agentId: agentId ?? null,
    sessionKey: sessionKey ?? null,
    runId: runId ?? null,
    callId: toolCallId ?? null,
    warnings: warnings ?? [
      ...(warningText ? [warningText] : []),
      ...(request.severity === "critical" ? ["The program marks this as critical."] : []),
    ],
    patterns: patterns ?? [],
    decisions: allowedDecisions ?? ["allow-once", "deny"],
    askedAtMs: createdAtMs,
    expiresAtMs,
    answering: false,
    end: null,
  };
}

export const endOfEvent = ({ status, decision, reason, resolvedBy, ts, grant }: ResolvedApproval): ApprovalEnd => ({
  ...(grant && { grant }),
  status: status ?? (decision === "deny" ? "denied" : "allowed"),
  decision,
  reason: reason ?? null,
  by: resolvedBy ?? null,
  atMs: ts,
});

export const endOfSnapshot = ({ status, decision, reason, resolver, resolvedAtMs, expiresAtMs }: ApprovalSnapshot): ApprovalEnd => ({
  status,
  decision: decision ?? null,
  reason: reason ?? null,
  by: resolver?.id ?? null,
  atMs: resolvedAtMs ?? expiresAtMs,
});

/**
 * What waits now, in the order in which it was asked: known questions keep their place, also the ended ones, and new ones follow, so that
 * nothing moves under a pointer. A known one that is not in the list has ended unseen and is left out.
 */
export function mergeQuestions(known: readonly Question[], waiting: readonly Question[]): readonly Question[] {
  const listed = new Set(waiting.map(({ id }) => id));
  const places = new Set(known.map(({ id }) => id));
  return [...known.filter(({ id, end }) => end !== null || listed.has(id)), ...waiting.filter(({ id }) => !places.has(id))];
}

/** "Allowed once by irc:ann", "Denied by you", "No answer in time". */
export function endText(end: ApprovalEnd & { isOwn?: boolean }, deviceId: string | null): string {
  const by = answererText(end, deviceId);
  if (end.status === "denied") return `Denied${by}`;
  if (end.status === "allowed") return `${allowedText(end)}${by}`;
  if (end.status === "expired") return "No answer in time, so it did not run";
  if (end.reason === "gateway-restart") return "Closed by a restart of the gateway";
  return "The turn was stopped before an answer";
}

function allowedText({ decision, grant }: ApprovalEnd): string {
  if (decision === "allow-always") return "Always allowed";
  if (grant === undefined) return "Allowed once";
  return grant.scope === "session" ? "Allowed for this conversation" : `Allowed until ${clockText(grant.untilMs)}`;
}

/** "14:05", or with its date when that is another day. */
const clockText = (at: number): string => {
  const time = new Date(at).toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit" });
  return new Date(at).toDateString() === new Date().toDateString() ? time : `${new Date(at).toLocaleDateString(locale())} ${time}`;
};

const DEVICE_ID = /^[0-9a-f]{64}$/;
/** Enough of a device id to find it in `openclaw devices list`. */
const SHOWN_ID_CHARS = 8;

function answererText({ by, isOwn }: { by: string | null; isOwn?: boolean }, deviceId: string | null): string {
  if (isOwn === true || (by !== null && by === deviceId)) return " by you";
  if (by === null) return "";
  return DEVICE_ID.test(by) ? ` by another device (${by.slice(0, SHOWN_ID_CHARS)})` : ` by ${by}`;
}

const quoted = (word: string): string => (/^[\w@%+=:,./{}~^-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`);

/** What a pattern allows: "/usr/bin/git push origin", "/usr/bin/make with any arguments". */
export function patternText({ pattern, argPattern }: AllowedProgram): string {
  if (argPattern === undefined) return `${pattern} with any arguments`;
  const words = parseArgPattern(argPattern);
  return words === null ? `${pattern} ${argPattern}` : [pattern, ...words].map(quoted).join(" ");
}

/** Whether a pattern has a place for files of the workspace. */
export const hasPathPlace = ({ argPattern = "" }: AllowedProgram): boolean => parseArgPattern(argPattern)?.includes("{path}") === true;

const MINUTE_MS = 60_000;

/** "29 min left", "less than 1 min left". */
export function timeLeftText(expiresAtMs: number, now: number): string {
  const minutes = Math.floor((expiresAtMs - now) / MINUTE_MS);
  if (minutes < 1) return "less than 1 min left";
  return minutes < 120 ? `${minutes} min left` : `${Math.floor(minutes / 60)} h left`;
}

/** Longer commands are worth a word on their length: their end is out of sight. */
const LONG_LINES = 8;
const LONG_CHARS = 600;

/** "42 lines, 1,204 characters" for a command whose end may be out of sight; null for a short one. */
export function lengthText(command: string): string | null {
  const lines = command.split("\n").length;
  if (lines <= LONG_LINES && command.length <= LONG_CHARS) return null;
  return `${lines.toLocaleString(locale())} ${lines === 1 ? "line" : "lines"}, ${command.length.toLocaleString(locale())} characters`;
}

/** Characters that cannot be seen or that change the order of others, besides line breaks and tabs. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u115F\u1160\u3164\uFFA0](?<![\n\t])/gu;

/** A command as it is, with a name in place of every character that could hide something. */
export const toVisibleText = (command: string): string =>
  command.replaceAll(INVISIBLE, (char) => `⟨U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}⟩`);

/** Where a command would run. */
export const hostText = (host: string | null): string | null =>
  host === "sandbox" ? "in the sandbox" : host === "gateway" ? "on the machine of the gateway" : host;
