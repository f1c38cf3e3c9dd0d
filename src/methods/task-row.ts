import type { SubagentState } from "../store/subagent-tasks.ts";
import type { Task } from "../subagents/task.ts";

export type WireStatus = "queued" | "running" | "completed" | "failed" | "cancelled" | "timed_out";

const STATUS_OF: Readonly<Record<SubagentState, WireStatus>> = {
  waiting: "queued",
  running: "running",
  ok: "completed",
  error: "failed",
  aborted: "cancelled",
  timeout: "timed_out",
};
/** `undelivered` is either of two: without its conversation, and without an answer to the message that had the result. */
const DELIVERY_OF = {
  pending: "pending",
  reading: "session_queued",
  sent: "session_queued",
  delivered: "delivered",
  undelivered: "parent_missing",
  none: "not_applicable",
} as const;

/** A task as clients see it (protocol v4, TaskSummary). */
export function toWireTask({
  runId,
  childKey,
  parentKey,
  state,
  delivery,
  reader,
  createdAt,
  startedAt,
  endedAt,
  record,
}: Task): Record<string, unknown> {
  return {
    id: runId,
    taskId: runId,
    kind: "subagent",
    runtime: "subagent",
    status: STATUS_OF[state],
    title: record.label,
    agentId: record.agentId,
    sessionKey: parentKey,
    ownerKey: parentKey,
    childSessionKey: childKey,
    runId,
    createdAt,
    updatedAt: endedAt ?? startedAt ?? createdAt,
    ...(startedAt !== null && { startedAt }),
    ...(endedAt !== null && { endedAt }),
    ...(record.error !== undefined && { error: record.error }),
    deliveryStatus: delivery === "undelivered" && reader !== null ? "failed" : DELIVERY_OF[delivery],
  };
}
