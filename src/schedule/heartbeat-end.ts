import type { RunOutcome } from "../store/inbox.ts";
import { toHeartbeatReply } from "../turns/heartbeat-reply.ts";
import { nextDue } from "./due-times.ts";
import type { Job, JobState, RunRecord } from "./job.ts";

/** What became of a heartbeat, as protocol v4 says it. */
export type HeartbeatRecord = {
  ts: number;
  status: "sent" | "ok-empty" | "ok-token" | "skipped" | "failed";
  agentId: string;
  reason?: string;
  preview?: string;
  durationMs: number;
  hasMedia: false;
  channel?: string;
  message?: string;
};

const PREVIEW_CHARS = 200;

/** What became of a heartbeat that ran. Pure. */
export function toHeartbeatRecord(
  { record, startedAt, outcome, ackMaxChars }: { record: RunRecord; startedAt: number; outcome: RunOutcome; ackMaxChars: number },
  agentId: string,
): HeartbeatRecord {
  const base = { ts: outcome.endedAt, agentId, durationMs: Math.max(0, outcome.endedAt - startedAt), hasMedia: false } as const;
  if (outcome.status === "aborted") return { ...base, status: "skipped", reason: "requests-in-flight" };
  if (outcome.status === "error")
    return { ...base, status: "failed", reason: outcome.error?.kind ?? "unknown", message: record.error ?? "the run failed" };
  const reply = toHeartbeatReply(outcome.text, ackMaxChars);
  if (reply.kind !== "text") return { ...base, status: reply.kind === "empty" ? "ok-empty" : "ok-token" };
  const preview = reply.text.slice(0, PREVIEW_CHARS).toWellFormed();
  if (record.delivery === "route")
    return { ...base, status: "sent", preview, ...(record.channel !== undefined && { channel: record.channel }) };
  const isMeant = record.delivery === "no-route";
  return {
    ...base,
    status: "skipped",
    reason: isMeant ? "no-route" : "target-none",
    preview,
    message: isMeant ? `The answer is in the session: ${record.deliveryError ?? "no chat is known"}.` : "The answer is in the session.",
  };
}

/** Whether a run did nothing: no tool, and nothing to say. Pure. */
export const didNothing = ({ status }: Pick<HeartbeatRecord, "status">, toolsStarted: boolean): boolean =>
  !toolsStarted && (status === "ok-empty" || status === "ok-token");

/** The state of a heartbeat after a run: after so many in a row that did nothing it pauses. Pure. */
export function afterHeartbeat(
  job: Job,
  state: JobState,
  { isEmpty, pauseAfterRuns, now }: { isEmpty: boolean; pauseAfterRuns: number; now: number },
): {
  state: JobState;
  isPaused: boolean;
} {
  const { pausedAtMs, ...rest } = state;
  if (!isEmpty) {
    const isResumed = pausedAtMs !== undefined;
    return {
      state: { ...rest, emptyRuns: 0, ...(isResumed && { nextDueMs: nextDue(job.definition.schedule, now, job.id) }) },
      isPaused: false,
    };
  }
  const emptyRuns = (state.emptyRuns ?? 0) + 1;
  if (pauseAfterRuns === 0 || emptyRuns < pauseAfterRuns || pausedAtMs !== undefined)
    return { state: { ...state, emptyRuns }, isPaused: false };
  return { state: { ...rest, emptyRuns, pausedAtMs: now, nextDueMs: null }, isPaused: true };
}
