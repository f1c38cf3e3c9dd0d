import { allowedDecisions, APPROVAL_DECISIONS, isGrantable, shortId } from "../approvals/approvals.ts";
import type { CommandGrantRow } from "../store/approval-grants.ts";
import type { ApprovalRow, PluginSubject } from "../store/approvals.ts";

/** What is asked as reviewers see it. */
function toPresentation(approval: ApprovalRow): Record<string, unknown> {
  const { agentId, subject } = approval;
  const common = { agentId: agentId || null, allowedDecisions: allowedDecisions(approval), ...(subject.scope && { scope: subject.scope }) };
  const { plugin } = subject;
  if (plugin) {
    const { title, description, detail, severity, pluginId, toolName } = plugin;
    return { kind: "plugin", title, description, ...(detail !== null && { detail }), severity, pluginId, toolName, ...common };
  }
  return {
    kind: "exec",
    commandText: subject.commandText,
    commandPreview: null,
    warningText: toWarningText(approval),
    host: subject.host,
    nodeId: subject.nodeId ?? null,
    ...common,
  };
}

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
  if (status === "pending") return { ...common, status, ...(sessionKey && { sourceSessionKey: sessionKey }) };
  return {
    ...common,
    status,
    ...(decision !== null && { decision }),
    reason: reason ?? "user",
    resolvedAtMs: resolvedAt ?? expiresAt,
    source: { ...(agentId && { agentId }), ...(sessionKey && { sessionKey }) },
    ...(resolver && { resolver }),
  };
}

/** The payload of `exec.approval.requested` and `plugin.approval.requested`, which the lists repeat. */
export function toRequestedEvent(approval: ApprovalRow): Record<string, unknown> {
  const { id, kind, createdAt, expiresAt } = approval;
  return { approvalKind: kind, id, shortId: shortId(id), request: toRequest(approval), createdAtMs: createdAt, expiresAtMs: expiresAt };
}

function toRequest(approval: ApprovalRow): Record<string, unknown> {
  const { agentId, sessionKey, runId, callId, subject } = approval;
  const allowed = allowedDecisions(approval);
  const common = {
    allowedDecisions: allowed,
    unavailableDecisions: APPROVAL_DECISIONS.filter((each) => !allowed.includes(each)),
    agentId: agentId || null,
    sessionKey: sessionKey || null,
    runId,
    toolCallId: callId || null,
    ...(subject.scope && { scope: subject.scope }),
  };
  if (subject.plugin) {
    const grantable = isGrantable(approval) ? { isGrantable: true, warnings: subject.warnings } : {};
    return { ...pluginFields(subject.plugin), ...common, ...grantable };
  }
  return {
    command: subject.commandText,
    cwd: subject.cwd || null,
    nodeId: subject.nodeId ?? null,
    host: subject.host,
    warningText: toWarningText(approval),
    warnings: subject.warnings,
    patterns: subject.patterns,
    isGrantable: isGrantable(approval),
    resolvedPath: subject.resolvedPath,
    ...common,
  };
}

const pluginFields = ({ title, description, detail, severity, pluginId, toolName, mcpTool }: PluginSubject): Record<string, unknown> => ({
  title,
  description,
  detail,
  severity,
  pluginId,
  toolName,
  ...(mcpTool && { mcpTool }),
});

/** The payload of `exec.approval.resolved` and `plugin.approval.resolved`. */
export const toResolvedEvent = (approval: ApprovalRow): Record<string, unknown> => ({
  id: approval.id,
  decision: approval.decision ?? "deny",
  status: approval.status,
  reason: approval.reason,
  resolvedBy: approval.resolver?.id ?? null,
  ...(approval.grant && { grant: toGrantFacts(approval.grant) }),
  ts: approval.resolvedAt ?? approval.expiresAt,
  request: toRequest(approval),
});

const toGrantFacts = ({ scope, until }: NonNullable<ApprovalRow["grant"]>): Record<string, unknown> => ({ scope, untilMs: until });

/** Everything about one question, for a person who reads all of it. */
export function toWholeRow(approval: ApprovalRow): Record<string, unknown> {
  const { id, kind, createdAt, expiresAt, subject, status, decision, reason, resolver, resolvedAt, usedAt, grant } = approval;
  return {
    id,
    kind,
    shortId: shortId(id),
    commandText: subject.commandText,
    commandPreview: null,
    ...toRequest(approval),
    createdAtMs: createdAt,
    expiresAtMs: expiresAt,
    status,
    decision,
    reason,
    resolver,
    resolvedAtMs: resolvedAt,
    usedAtMs: usedAt,
    grant: grant === null ? null : toGrantFacts(grant),
  };
}

const COMMAND_CHARS = 512;
const clipped = (text: string, chars: number): string => (text.length > chars ? `${text.slice(0, chars - 1)}…` : text);

/** A grant in the protocol's shape, in which what it is bound to is a job of a schedule; here that is a session. */
export const toGrantRow = ({ subject, ...grant }: CommandGrantRow): Record<string, unknown> => ({
  grantId: grant.id,
  mintedByApprovalId: grant.approvalId,
  agentId: grant.agentId,
  cronJobId: grant.sessionKey,
  cronJobName: clipped(grant.sessionId === null ? `session ${grant.sessionKey}` : `this conversation of ${grant.sessionKey}`, 200),
  command: clipped(subject.commandText, COMMAND_CHARS),
  cwd: clipped(subject.cwd, COMMAND_CHARS),
  createdAtMs: grant.createdAt,
  expiresAtMs: grant.expiresAt,
  revokedAtMs: grant.revokedAt,
  revokedBy: grant.revokedBy,
  lastUsedAtMs: grant.lastUsedAt,
  useCount: grant.useCount,
});
