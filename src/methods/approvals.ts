import type { AnswerResult, Approvals } from "../approvals/approvals.ts";
import { allowedDecisions, APPROVAL_DECISIONS, shortId } from "../approvals/approvals.ts";
import type { AllowlistDocument, CommandAllowlist } from "../approvals/allowlist.ts";
import { detailError, GatewayError } from "../core/errors.ts";
import { LIMITS } from "../core/limits.ts";
import type { Caller, MethodParams, MethodTable } from "../protocol/method.ts";
import type { ApprovalDecision, ApprovalResolver, ApprovalRow, HistoryCursor } from "../store/approvals.ts";
import { checkNewPatterns, type AgentWorkspace } from "./approval-patterns.ts";

export type ApprovalMethodsDeps = {
  approvals: Approvals;
  allowlist: CommandAllowlist;
  write: <T>(change: () => T) => Promise<T>;
  workspaces: () => readonly AgentWorkspace[];
};

/** approval.*, exec.approval.* and exec.approvals.*: questions about commands, their answers, and what is always allowed. */
export function approvalMethods(deps: ApprovalMethodsDeps) {
  const { approvals, allowlist, write, workspaces } = deps;
  return {
    "approval.get": {
      scope: "operator.approvals",
      run: ({ id }) => ({ approval: toSnapshot(approvals.find(id)) }),
    },
    "approval.history": { scope: "operator.approvals", run: (params) => history(approvals, params) },
    "approval.resolve": {
      scope: "operator.approvals",
      run: async (params, caller) => {
        if (params.kind !== "exec") throw noSuchKind(params.kind);
        const { applied, approval } = await answer(approvals, params.id, params.decision, caller);
        return { applied, approval: toSnapshot(approval) };
      },
    },
    "exec.approval.get": { scope: "operator.approvals", run: ({ id }) => toCommandRow(approvals.find(id)) },
    "exec.approval.list": { scope: "operator.approvals", run: () => approvals.pending().map(toRequestedEvent) },
    "exec.approval.resolve": {
      scope: "operator.approvals",
      run: async (params, caller) => {
        const { applied, approval } = await answer(approvals, params.id, toDecision(params.decision), caller);
        if (!applied)
          throw detailError("APPROVAL_ALREADY_RESOLVED", `the approval ${shortId(approval.id)} has ended before: ${approval.status}`, {
            details: { approval: toSnapshot(approval) },
            fix: "The first answer counts. If the command is still wanted, write to the agent, which asks again.",
          });
        return { ok: true };
      },
    },
    "exec.approval.waitDecision": {
      scope: "operator.approvals",
      waits: true,
      run: async ({ id }, caller) => {
        const known = approvals.find(id);
        const ended = await approvals.waitFor(known.id, LIMITS.approvalMs, caller.signal);
        const { decision, status } = ended ?? known;
        return { id: known.id, decision: status === "allowed" ? decision : status === "pending" ? null : "deny", status };
      },
    },
    // Clients list these beside the questions about commands, and fail when one is missing.
    "openclaw.approval.list": { scope: "operator.approvals", run: () => [] },
    "plugin.approval.list": { scope: "operator.approvals", run: () => [] },
    "exec.approvals.get": { scope: "operator.admin", run: () => toDocumentAnswer(allowlist) },
    "exec.approvals.set": {
      scope: "operator.admin",
      run: async ({ file, baseHash }) => {
        await checkNewPatterns(file as AllowlistDocument, allowlist.document, workspaces());
        await write(() => allowlist.replace(file as AllowlistDocument, baseHash));
        return toDocumentAnswer(allowlist);
      },
    },
  } satisfies MethodTable;
}

const answer = (approvals: Approvals, id: string, decision: ApprovalDecision, caller: Caller): Promise<AnswerResult> =>
  approvals.answer(id, decision, toResolver(caller));

/** Whether a client may read questions about commands and answer them. */
export const mayApprove = ({ scopes }: Pick<Caller, "scopes">): boolean => scopes.has("operator.approvals") || scopes.has("operator.admin");

/** As whom a client answers. */
export const toResolver = ({ device, client }: Pick<Caller, "device" | "client">): ApprovalResolver => ({
  kind: "device",
  id: device ?? client.displayName ?? client.id,
});

function toDecision(text: string): ApprovalDecision {
  const decision = APPROVAL_DECISIONS.find((each) => each === text);
  if (decision) return decision;
  throw new GatewayError("INVALID_REQUEST", `invalid decision ${JSON.stringify(text.slice(0, 32))}`, {
    fix: `Answer ${APPROVAL_DECISIONS.join(", ")}.`,
  });
}

const noSuchKind = (kind: string): GatewayError =>
  detailError("APPROVAL_NOT_FOUND", `this gateway asks about commands only, not about ${kind} requests`, { fix: 'Use the kind "exec".' });

function history(approvals: Approvals, { cursor, limit = 50, kind = "exec" }: MethodParams<"approval.history">): Record<string, unknown> {
  if (kind !== "exec") return { items: [] };
  const rows = approvals.history(cursor === undefined ? null : toCursor(cursor), limit);
  const last = rows.at(-1);
  return { items: rows.map(toSnapshot), ...(last && rows.length === limit && { nextCursor: `${last.resolvedAt}:${last.id}` }) };
}

function toCursor(text: string): HistoryCursor {
  const match = /^(\d{1,15}):([\w.:-]{1,128})$/.exec(text);
  if (!match) throw new GatewayError("INVALID_REQUEST", "the cursor is not one of an earlier answer", { fix: "Begin without a cursor." });
  return { at: Number(match[1]), id: match[2]! };
}

/** The command as reviewers see it. */
const toPresentation = (approval: ApprovalRow): Record<string, unknown> => ({
  kind: "exec",
  commandText: approval.subject.commandText,
  commandPreview: null,
  warningText: toWarningText(approval),
  host: approval.subject.host,
  nodeId: null,
  agentId: approval.agentId,
  allowedDecisions: allowedDecisions(approval),
});

const toWarningText = ({ subject }: ApprovalRow): string | null => (subject.warnings.length === 0 ? null : subject.warnings.join(" "));

/** The state of a question in the protocol's shape, which has other fields in each state. */
export function toSnapshot(approval: ApprovalRow): Record<string, unknown> {
  const { id, status, decision, reason, resolver, resolvedAt, createdAt, expiresAt, agentId, sessionKey } = approval;
  const common = {
    id,
    urlPath: `/approve/${id}`,
    createdAtMs: createdAt,
    expiresAtMs: expiresAt,
    presentation: toPresentation(approval),
  };
  if (status === "pending") return { ...common, status, sourceSessionKey: sessionKey };
  return {
    ...common,
    status,
    ...(decision !== null && { decision }),
    reason: reason ?? "user",
    resolvedAtMs: resolvedAt ?? expiresAt,
    source: { agentId, sessionKey },
    ...(resolver && { resolver }),
  };
}

/** The payload of `exec.approval.requested`, which `exec.approval.list` repeats. */
export function toRequestedEvent(approval: ApprovalRow): Record<string, unknown> {
  const { id, agentId, sessionKey, runId, callId, subject, createdAt, expiresAt } = approval;
  const allowed = allowedDecisions(approval);
  return {
    approvalKind: "exec",
    id,
    shortId: shortId(id),
    request: {
      command: subject.commandText,
      cwd: subject.cwd,
      nodeId: null,
      host: subject.host,
      warningText: toWarningText(approval),
      warnings: subject.warnings,
      patterns: subject.patterns,
      allowedDecisions: allowed,
      unavailableDecisions: APPROVAL_DECISIONS.filter((each) => !allowed.includes(each)),
      agentId,
      resolvedPath: subject.resolvedPath,
      sessionKey,
      runId,
      toolCallId: callId,
    },
    createdAtMs: createdAt,
    expiresAtMs: expiresAt,
  };
}

/** The payload of `exec.approval.resolved`. */
export const toResolvedEvent = (approval: ApprovalRow): Record<string, unknown> => ({
  id: approval.id,
  decision: approval.decision ?? "deny",
  status: approval.status,
  reason: approval.reason,
  resolvedBy: approval.resolver?.id ?? null,
  ts: approval.resolvedAt ?? approval.expiresAt,
  request: toRequestedEvent(approval)["request"],
});

/** Everything about one question, for a person who reads all of it. */
function toCommandRow(approval: ApprovalRow): Record<string, unknown> {
  const { id, agentId, sessionKey, runId, callId, subject, status, decision, reason, resolver } = approval;
  return {
    id,
    shortId: shortId(id),
    commandText: subject.commandText,
    commandPreview: null,
    allowedDecisions: allowedDecisions(approval),
    host: subject.host,
    nodeId: null,
    agentId,
    sessionKey,
    runId,
    toolCallId: callId,
    cwd: subject.cwd,
    resolvedPath: subject.resolvedPath,
    warnings: subject.warnings,
    patterns: subject.patterns,
    createdAtMs: approval.createdAt,
    expiresAtMs: approval.expiresAt,
    status,
    decision,
    reason,
    resolver,
    resolvedAtMs: approval.resolvedAt,
    usedAtMs: approval.usedAt,
  };
}

/** Where the document is kept, for people; not the path of a file. */
const DOCUMENT_PLACE = "gateway.db#exec-approvals";

function toDocumentAnswer(allowlist: CommandAllowlist): Record<string, unknown> {
  const { document, hash } = allowlist;
  const { security = "full", ask = "off" } = document.defaults ?? {};
  const exists = Object.keys(document.agents ?? {}).length > 0 || Object.keys(document.defaults ?? {}).length > 0;
  return {
    path: DOCUMENT_PLACE,
    exists,
    hash,
    file: document,
    resolvedDefaults: { security, ask, askFallback: "deny", autoAllowSkills: false },
  };
}
