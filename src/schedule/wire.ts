import { createHash } from "node:crypto";
import type { OutboxPart } from "../store/outbox.ts";
import type { JobCost } from "./cost.ts";
import { describeSchedule } from "./describe.ts";
import { upcoming } from "./due-times.ts";
import { nextAtOf, type Job, type JobDefinition, type JobRun } from "./job.ts";
import { SCHEDULE_LIMITS } from "./limits.ts";

type Wire = Record<string, unknown>;

/** Changes whenever what was configured of a job changes. */
export const revisionOf = ({ definition, enabled }: Pick<Job, "definition" | "enabled">): string =>
  `sha256:${createHash("sha256")
    .update(JSON.stringify([definition, enabled]))
    .digest("base64url")}`;

export type JobFacts = { runningAtMs: number | null; lastRun: JobRun | undefined; agentId: string; now: number; cost: JobCost };

/** A job as protocol v4 shows it. `preview`, `missed`, `overlap` and `maxRetries` are this gateway's own. */
export function toJobRow(job: Job, { runningAtMs, lastRun, agentId, now, cost }: JobFacts): Wire {
  const { id, definition, state, enabled, updatedAt } = job;
  const { grant, missed, overlap, maxRetries, createdAtMs, schedule, description, ...shown } = definition;
  const isHeartbeat = definition.payload.kind === "heartbeat";
  const nextRunAtMs = enabled ? nextAtOf(state) : null;
  const last = {
    ...(state.lastRunAtMs !== undefined && { lastRunAtMs: state.lastRunAtMs }),
    ...(state.lastStatus !== undefined && { lastRunStatus: state.lastStatus }),
  };
  return {
    id,
    ...shown,
    schedule: toSchedule(schedule),
    ...(isHeartbeat ? { declarationKey: id } : description !== undefined && { description }),
    enabled,
    createdAtMs,
    updatedAtMs: updatedAt,
    configRevision: revisionOf(job),
    ...(grant.by === "agent"
      ? { owner: { agentId: grant.agentId, sessionKey: grant.sessionKey } }
      : { scheduledToolPolicy: { version: 1, mode: "trusted" } }),
    state: {
      ...(nextRunAtMs !== null && { nextRunAtMs }),
      scheduleActivatedAtMs: state.scheduleActivatedAtMs,
      ...(runningAtMs !== null && { runningAtMs }),
      ...last,
      ...(state.lastStatus !== undefined && { lastStatus: state.lastStatus }),
      ...(state.lastError !== undefined && { lastError: state.lastError }),
      ...(state.lastDurationMs !== undefined && { lastDurationMs: state.lastDurationMs }),
      consecutiveErrors: state.consecutiveErrors,
      consecutiveSkipped: state.consecutiveSkipped,
      ...(state.autoDisabled && { autoDisabled: state.autoDisabled }),
    },
    ...(nextRunAtMs !== null && { nextRunAtMs }),
    ...last,
    ...(state.lastError !== undefined && { lastRunError: state.lastError }),
    effectiveAgentId: agentId,
    missed: missed ?? null,
    overlap: overlap ?? "skip",
    ...(maxRetries !== undefined && { maxRetries }),
    ...(lastRun?.record.sessionKey !== undefined && { lastSessionKey: lastRun.record.sessionKey }),
    preview: {
      description: describeSchedule(definition.schedule),
      nextRunsAtMs: enabled ? upcoming(definition.schedule, now, SCHEDULE_LIMITS.previewTimes, id) : [],
      timeZone: schedule.kind === "cron" ? schedule.tz : schedule.kind === "every" ? (schedule.activeHours?.tz ?? null) : null,
      ...(!isHeartbeat && { cost, stop: `openclaw cron disable ${id}` }),
    },
  };
}

/** Active hours are this gateway's own: the preview has them. */
const toSchedule = (schedule: JobDefinition["schedule"]): Wire => {
  if (schedule.kind !== "every") return schedule;
  const { activeHours: _hours, ...published } = schedule;
  return published;
};

export type DeliveryStatus = "delivered" | "not-delivered" | "unknown" | "not-requested";

/** What became of the answer of a run: all of its messages were sent, or the reason why not. Pure. */
export function deliveryOf(
  { record, state }: JobRun,
  parts: readonly Pick<OutboxPart, "state" | "cause">[],
): { status: DeliveryStatus; error?: string } {
  if (record.delivery === undefined || record.delivery === "none" || state === "skipped") return { status: "not-requested" };
  if (record.delivery === "no-route") return { status: "not-delivered", error: record.deliveryError ?? "there is no route" };
  const failed = parts.find((part) => part.state === "parked" || part.state === "dropped");
  if (failed) return { status: "not-delivered", error: failed.cause ?? "the channel refused it" };
  if (parts.some((part) => part.state === "held")) return { status: "not-delivered", error: "held: the gateway is in shadow mode" };
  const open = parts.find((part) => part.state !== "sent");
  if (open)
    return { status: "unknown", error: open.state === "unknown" ? (open.cause ?? "its outcome is unknown") : "it waits for the channel" };
  return parts.length > 0 ? { status: "delivered" } : { status: "not-delivered", error: "the answer had nothing to send" };
}

/** An ended run as the log of runs shows it. */
export function toRunRow(run: JobRun, delivery: { status: DeliveryStatus; error?: string }): Wire {
  const { record, state, startedAt, claimedAt, endedAt, dueAt, lastDueAt, dueCount, cause } = run;
  const isSkipped = state === "skipped";
  const { provider, model } = splitModel(record.model);
  return {
    ts: endedAt ?? claimedAt,
    jobId: run.jobId,
    action: "finished",
    status: state,
    completionStatus: state === "ok" ? "succeeded" : "failed",
    ...(record.error !== undefined && { error: record.error }),
    ...(record.summary !== undefined && { summary: record.summary }),
    ...(run.runId !== null && { runId: run.runId }),
    ...(record.sessionKey !== undefined && { sessionKey: record.sessionKey }),
    ...(record.sessionId !== undefined && { sessionId: record.sessionId }),
    runAtMs: isSkipped ? dueAt : (startedAt ?? claimedAt),
    ...(!isSkipped && endedAt !== null && { durationMs: Math.max(0, endedAt - (startedAt ?? claimedAt)) }),
    delivered: delivery.status === "delivered",
    deliveryStatus: delivery.status,
    ...(delivery.error !== undefined && { deliveryError: delivery.error }),
    ...(model !== undefined && { model, provider }),
    ...(record.usage !== undefined && { usage: toUsage(record.usage, record.isUnpriced === true) }),
    jobName: record.jobName,
    cause,
    dueAtMs: dueAt,
    ...(dueCount > 1 && { lastDueAtMs: lastDueAt, dueCount }),
    ...(record.attempt !== undefined && { attempt: record.attempt }),
    ...(record.reason !== undefined && { reason: record.reason }),
  };
}

function splitModel(name: string | undefined): { provider?: string; model?: string } {
  const slash = name?.indexOf("/") ?? -1;
  return name === undefined || slash < 0 ? {} : { provider: name.slice(0, slash), model: name.slice(slash + 1) };
}

/** Tokens in the names of the published log; the cost stays beside them, where it is known. */
function toUsage(usage: unknown, isUnpriced: boolean): Wire {
  const {
    input = 0,
    output = 0,
    cacheRead = 0,
    cacheWrite = 0,
    totalTokens,
    cost,
  } = usage as Record<string, number> & { cost?: { total?: number } };
  return {
    input_tokens: input,
    output_tokens: output,
    total_tokens: totalTokens ?? input + output + cacheRead + cacheWrite,
    ...(cacheRead > 0 && { cache_read_tokens: cacheRead }),
    ...(cacheWrite > 0 && { cache_write_tokens: cacheWrite }),
    ...(typeof cost?.total === "number" && !isUnpriced && { cost: cost.total }),
  };
}
