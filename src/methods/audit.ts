import { GatewayError } from "../core/errors.ts";
import type { MethodParams, MethodTable } from "../protocol/method.ts";
import type { Audit, AuditQuery, AuditRow, AuditStatus } from "../store/audit.ts";

export type AuditDeps = { audit: Pick<Audit, "list"> };

const DEFAULT_LIMIT = 100;

/** audit.*: what agents did. The published methods have no content; `audit.details` has the arguments of calls, and on whose authority. */
export function auditMethods({ audit }: AuditDeps) {
  return {
    "audit.list": { scope: "operator.read", run: (params) => toPage(audit, params, toEvent) },
    "audit.activity.list": {
      scope: "operator.read",
      run: (params) => {
        if (params.kind === "message")
          throw new GatewayError("INVALID_REQUEST", "messages are not among the events of the audit", {
            fix: "chat.history and sessions.search have the messages.",
          });
        return toPage(audit, params, toActivity);
      },
    },
    "audit.details": { scope: "operator.admin", run: (params) => toPage(audit, params, toDetails) },
  } satisfies MethodTable;
}

type PageParams = MethodParams<"audit.list"> | MethodParams<"audit.activity.list">;

function toPage<T>(audit: Pick<Audit, "list">, params: PageParams, toItem: (row: AuditRow) => T): { events: T[]; nextCursor?: string } {
  const limit = params.limit ?? DEFAULT_LIMIT;
  const rows = audit.list({ ...toQuery(params), limit: limit + 1 });
  const page = rows.slice(0, limit);
  return { events: page.map(toItem), ...(rows.length > limit && { nextCursor: String(page.at(-1)!.seq) }) };
}

function toQuery({ agentId, sessionKey, runId, kind, status, after, before, cursor }: PageParams): Omit<AuditQuery, "limit"> {
  return {
    ...(agentId !== undefined && { agentId }),
    ...(sessionKey !== undefined && { sessionKey }),
    ...(runId !== undefined && { runId }),
    ...(kind !== undefined && { kind: kind === "agent_run" ? ("run" as const) : ("tool" as const) }),
    ...(status !== undefined && { status: status as AuditStatus }),
    ...(after !== undefined && { after }),
    ...(before !== undefined && { before }),
    ...(cursor !== undefined && { beforeSeq: toSeq(cursor) }),
  };
}

/** A cursor that no answer had is before all events. */
const toSeq = (cursor: string): number => (/^\d{1,15}$/.test(cursor) ? Number(cursor) : 0);

const ERROR_CODES: Readonly<Record<AuditStatus, { run: string; tool: string } | null>> = {
  started: null,
  succeeded: null,
  failed: { run: "run_failed", tool: "tool_failed" },
  cancelled: { run: "run_cancelled", tool: "tool_cancelled" },
  timed_out: { run: "run_timed_out", tool: "tool_timed_out" },
  blocked: { run: "run_blocked", tool: "tool_blocked" },
  unknown: { run: "run_failed", tool: "tool_outcome_unknown" },
};

/** The shape of the protocol, which has neither arguments nor people. */
function toEvent(row: AuditRow): Record<string, unknown> {
  const { seq, at, kind, status, agentId, sessionKey, sessionId, runId, callId, tool } = row;
  const error = ERROR_CODES[status]?.[kind];
  const step = status === "started" ? "started" : "finished";
  return {
    eventId: `audit-${seq}`,
    sequence: seq,
    sourceSequence: seq,
    occurredAt: at,
    redaction: "metadata_only",
    kind: kind === "run" ? "agent_run" : "tool_action",
    action: kind === "run" ? `agent.run.${step}` : `tool.action.${step}`,
    status,
    ...(error !== undefined && { errorCode: error }),
    actor: { type: "agent", id: agentId },
    agentId,
    sessionKey,
    ...(sessionId !== null && { sessionId }),
    runId,
    ...(callId !== null && { toolCallId: callId }),
    ...(tool !== null && { toolName: tool }),
  };
}

const toActivity = (row: AuditRow): Record<string, unknown> => {
  const event = toEvent(row);
  return { ...event, eventType: event["kind"], schemaVersion: 1 };
};

function toDetails(row: AuditRow): Record<string, unknown> {
  const { authority, subject, hash } = row;
  return {
    ...toEvent(row),
    ...(authority && { authority }),
    ...(subject !== null && { arguments: subject }),
    ...(hash !== null && { hash }),
  };
}
