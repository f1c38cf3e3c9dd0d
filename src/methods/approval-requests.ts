import { createHash } from "node:crypto";
import { PLUGIN_PREFIX, type ApprovalQuestion, type Approvals } from "../approvals/approvals.ts";
import { GatewayError } from "../core/errors.ts";
import { asId, type AgentId, type RunId, type SessionKey } from "../core/ids.ts";
import { LIMITS } from "../core/limits.ts";
import { shellDigest } from "../nodes/shell.ts";
import type { Hub } from "../protocol/hub.ts";
import type { Caller, MethodParams } from "../protocol/method.ts";
import type { ApprovalRow, ApprovalSubject } from "../store/approvals.ts";

export type RequestDeps = {
  approvals: Approvals;
  hub: Pick<Hub, "peers">;
  /** The run that a session has now: its conversation is asked too. */
  activeRun: (sessionKey: SessionKey) => RunId | null;
};

/** What may be in an id that a client chooses. */
const CHOSEN_ID = /^[A-Za-z0-9._:-]{4,128}$/;

/** A question about a command that another program runs, such as one on a node. Resolves with the answer. */
export function askForCommand(
  deps: RequestDeps,
  params: MethodParams<"exec.approval.request">,
  caller: Caller,
): Promise<Record<string, unknown>> {
  const { id, command, commandArgv, systemRunPlan, env, cwd, nodeId, host, warningText, scope, resolvedPath } = params;
  const commandText = systemRunPlan?.commandText ?? command ?? commandArgv?.map(toShellWord).join(" ") ?? "";
  if (commandText.trim() === "")
    throw new GatewayError("INVALID_REQUEST", "the request names no command", { fix: "Give command, commandArgv or systemRunPlan." });
  if (id !== undefined && (!CHOSEN_ID.test(id) || id.startsWith(PLUGIN_PREFIX)))
    throw new GatewayError("INVALID_REQUEST", `the id ${JSON.stringify(id.slice(0, 64))} cannot be used`, {
      fix: "Take 4 to 128 letters, digits and . _ : -, or leave it out.",
    });
  const directory = systemRunPlan?.cwd ?? cwd ?? "";
  const isOnNode = host === "node" && nodeId !== undefined && nodeId !== null;
  const subject: ApprovalSubject = {
    commandText,
    cwd: directory,
    host: isOnNode ? "node" : host === "sandbox" ? "sandbox" : "gateway",
    ...(nodeId && { nodeId }),
    resolvedPath: resolvedPath ?? null,
    warnings: [...(warningText ? [warningText] : []), `${nameOf(caller)} asks for it and runs it itself.`],
    patterns: [],
    ...(scope && { scope }),
  };
  const bound = [commandText, commandArgv ?? null, directory, env ?? null, nodeId ?? null, host ?? null];
  const question = toQuestion(deps, params, { subject, bound, ...(id !== undefined && { id }) });
  const argv = systemRunPlan?.argv ?? commandArgv;
  // The node's command is compared with this when it is to run.
  const digest = isOnNode && argv ? shellDigest(nodeId, { argv, cwd: directory || null, env: textsOf(env) }) : question.digest;
  return ask(deps, { ...question, digest }, { twoPhase: params.twoPhase, caller });
}

/** A question of another program, which writes its text. Resolves with the answer. */
export function askForPlugin(
  deps: RequestDeps,
  params: MethodParams<"plugin.approval.request">,
  caller: Caller,
): Promise<Record<string, unknown>> {
  const { title, description, detail, severity, pluginId, toolName, mcpTool, allowedDecisions, scope } = params;
  if (title.trim() === "" || description.trim() === "")
    throw new GatewayError("INVALID_REQUEST", "the title or the description of the question is blank", {
      fix: "Say what is asked for, so that a person can decide.",
    });
  const plugin = {
    title,
    description,
    detail: detail ?? null,
    severity: severity ?? ("warning" as const),
    pluginId: pluginId ?? null,
    toolName: toolName ?? null,
    mcpTool: mcpTool ?? null,
  };
  const subject: ApprovalSubject = {
    commandText: `${title}: ${description}`,
    cwd: "",
    host: "gateway",
    resolvedPath: null,
    warnings: [],
    patterns: [],
    plugin,
    // What "always" would mean is for the program to say, which has to remember it.
    offered: allowedDecisions ?? ["allow-once", "deny"],
    ...(scope && { scope }),
  };
  return ask(deps, toQuestion(deps, params, { subject, bound: [plugin] }), { twoPhase: params.twoPhase, caller });
}

/** The end of a question, which a program waits for. Its connection may be another one than that which has asked. */
export async function waitDecision(
  { approvals }: Pick<RequestDeps, "approvals">,
  id: string,
  caller: Caller,
): Promise<Record<string, unknown>> {
  const known = approvals.find(id);
  const ended = (await approvals.waitFor(known.id, LIMITS.approvalMs, caller.signal)) ?? known;
  return toDecisionAnswer(ended);
}

type Asker = { agentId?: string | null; sessionKey?: string | null; runId?: string | null; toolCallId?: string | null; timeoutMs?: number };
type Asked = { subject: ApprovalSubject; bound: readonly unknown[]; id?: string };

function toQuestion({ activeRun }: RequestDeps, asker: Asker, { subject, bound, id }: Asked): ApprovalQuestion {
  const sessionKey = asId<SessionKey>(asker.sessionKey ?? "");
  const runId = asker.runId ? asId<RunId>(asker.runId) : sessionKey === "" ? null : activeRun(sessionKey);
  return {
    agentId: asId<AgentId>(asker.agentId ?? ""),
    sessionKey,
    runId,
    callId: asker.toolCallId ?? "",
    subject,
    digest: createHash("sha256").update(JSON.stringify(bound)).digest("hex"),
    timeoutMs: Math.min(asker.timeoutMs ?? LIMITS.approvalMs, LIMITS.approvalMs),
    ...(id !== undefined && { id }),
  };
}

/** With `twoPhase` the id is answered at once: who has it may wait on another connection, so that the end of this one cancels nothing. */
async function ask(
  { approvals, hub }: RequestDeps,
  question: ApprovalQuestion,
  { twoPhase, caller }: { twoPhase: boolean | undefined; caller: Caller },
): Promise<Record<string, unknown>> {
  const signal = twoPhase === true ? new AbortController().signal : caller.signal;
  const { asked, ended } = approvals.begin(question, signal);
  const { id, createdAt, expiresAt } = await asked;
  if (twoPhase === true) {
    const deliveryRoute = hub.peers().some((peer) => peer.conn !== caller.conn && isReviewer(peer.scopes)) ? "approval-client" : "none";
    caller.accept({ status: "accepted", id, deliveryRoute, createdAtMs: createdAt, expiresAtMs: expiresAt });
  }
  const answer = await ended;
  // The one who asked has its answer: it is used. One about a node is used when the command is sent there.
  if (answer.status === "allowed" && answer.subject.host !== "node") await approvals.use(answer.id);
  return toDecisionAnswer(answer);
}

const isReviewer = (scopes: ReadonlySet<string>): boolean => scopes.has("operator.approvals") || scopes.has("operator.admin");

function toDecisionAnswer({ id, status, decision, reason, createdAt, expiresAt }: ApprovalRow): Record<string, unknown> {
  return {
    id,
    // No answer is no.
    decision: status === "allowed" ? decision : status === "pending" ? null : "deny",
    status,
    ...(reason !== null && { terminalReason: reason }),
    createdAtMs: createdAt,
    expiresAtMs: expiresAt,
  };
}

/** Variables of a command; null: none. */
function textsOf(env: Readonly<Record<string, unknown>> | null | undefined): Record<string, string> | null {
  const entries = Object.entries(env ?? {}).map(([name, value]) => [name, String(value)] as const);
  return entries.length === 0 ? null : Object.fromEntries(entries);
}

const nameOf = ({ client }: Caller): string => client.displayName ?? client.id;

const toShellWord = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`);
