import { dueTimes } from "./due-times.ts";
import { SCHEDULE_LIMITS } from "./limits.ts";
import { isRepeating, type Job, type JobState, type JobWake, type MissedPolicy } from "./job.ts";

/** A due time that is to run. `missed`: it is made up for, because the gateway was not running then. */
export type Claim = {
  slot: string;
  dueMs: number;
  cause: "schedule" | "missed" | "retry" | "wake";
  attempt?: number;
  /** Of a wake-up: the session, where it is not the job's own. */
  sessionKey?: string;
};

/** Due times that do not run, and why. */
export type Skip = { slot: string; firstMs: number; lastMs: number; count: number; reason: string };

export type DueDecision = { claims: readonly Claim[]; skips: readonly Skip[]; state: JobState };

export const slotOf = (dueMs: number): string => `due:${dueMs}`;
const retrySlot = (dueMs: number, attempt: number): string => `${slotOf(dueMs)}+${attempt}`;

type MissedSettings = { policy: MissedPolicy; windowMs: number };

/** What becomes of everything of a job that is due at a moment: each due time is either claimed or skipped for a reason. Pure. */
export function decideDue(job: Job, now: number, defaultPolicy: MissedPolicy): DueDecision {
  const { wakes = [], ...state } = job.state;
  const decision = decideDueTimes({ ...job, state }, now, defaultPolicy);
  if (wakes.length === 0) return decision;
  // A clock that was set back must not keep a wake-up waiting.
  const isDue = ({ atMs }: JobWake): boolean => atMs <= now || atMs > now + 2 * SCHEDULE_LIMITS.wakeSpacingMs;
  const due = wakes.filter(isDue);
  const later = wakes.filter((wake) => !isDue(wake));
  // The run of a due time is what was asked for.
  const own = due.filter(({ sessionKey }) => sessionKey !== null || decision.claims.length === 0);
  return {
    ...decision,
    claims: [...decision.claims, ...own.map(toWakeClaim)],
    state: later.length === 0 ? decision.state : { ...decision.state, wakes: later },
  };
}

const toWakeClaim = ({ atMs, sessionKey }: JobWake): Claim => ({
  slot: `wake:${atMs}${sessionKey === null ? "" : `:${sessionKey}`}`,
  dueMs: atMs,
  cause: "wake",
  ...(sessionKey !== null && { sessionKey }),
});

function decideDueTimes({ id, definition, state }: Job, now: number, defaultPolicy: MissedPolicy): DueDecision {
  const { nextDueMs, retry } = state;
  if (nextDueMs === null || nextDueMs > now) {
    if (!retry || retry.atMs > now) return { claims: [], skips: [], state };
    const { retry: _done, ...rest } = state;
    const claim = { slot: retrySlot(retry.dueMs, retry.attempt), dueMs: retry.dueMs, cause: "retry", attempt: retry.attempt } as const;
    return { claims: [claim], skips: [], state: rest };
  }
  const due = dueTimes(definition.schedule, nextDueMs, { until: now, limit: SCHEDULE_LIMITS.countedDueTimes, jobId: id });
  // A due time that comes while a retry waits takes its place.
  const { retry: _superseded, ...rest } = state;
  const next: JobState = { ...rest, nextDueMs: due.next };
  const policy: MissedSettings = {
    policy: definition.missed?.policy ?? defaultPolicy,
    windowMs: definition.missed?.windowMs ?? SCHEDULE_LIMITS.missedWindowMs,
  };
  const onTime = due.times.filter((at) => now - at <= SCHEDULE_LIMITS.graceMs);
  const missed = due.times.filter((at) => now - at > SCHEDULE_LIMITS.graceMs);
  const { madeUp, reason } = chooseMissed(missed, { onTime, policy, now });
  const left = missed.filter((at) => !madeUp.includes(at));
  const uncounted = due.isCounted ? due.count - due.times.length : 0;
  const skips = toSkips({ left, first: nextDueMs, extra: uncounted, isCounted: due.isCounted, reason });
  return {
    claims: [
      ...madeUp.map((dueMs) => ({ slot: slotOf(dueMs), dueMs, cause: "missed" as const })),
      ...onTime.map((dueMs) => ({ slot: slotOf(dueMs), dueMs, cause: "schedule" as const })),
    ],
    skips,
    state: next,
  };
}

type MissedInput = { onTime: readonly number[]; policy: MissedSettings; now: number };

/** Which of the missed due times run nevertheless, and why the others do not. Pure. */
function chooseMissed(missed: readonly number[], { onTime, policy, now }: MissedInput): { madeUp: readonly number[]; reason: string } {
  const recent = missed.filter((at) => now - at <= policy.windowMs);
  const old = `the gateway did not run at that time, and it is longer ago than the ${describeWindow(policy.windowMs)} for which the job makes up`;
  if (policy.policy === "skip") return { madeUp: [], reason: "the gateway did not run at that time, and the job skips what it missed" };
  if (policy.policy === "all") return { madeUp: recent.slice(-SCHEDULE_LIMITS.madeUp), reason: old };
  if (onTime.length > 0 || recent.length > 0)
    return {
      madeUp: onTime.length > 0 ? [] : recent.slice(-1),
      reason: "the gateway did not run at that time; one later run stands for all that were missed",
    };
  return { madeUp: [], reason: old };
}

type Left = { left: readonly number[]; first: number; extra: number; isCounted: boolean; reason: string };

/** One row for all that were skipped for one reason. */
function toSkips({ left, first, extra, isCounted, reason }: Left): Skip[] {
  if (left.length === 0) return [];
  const firstMs = extra > 0 || !isCounted ? first : left[0]!;
  const more = isCounted ? "" : `; at least ${left.length} due times`;
  const lastMs = left.at(-1)!;
  // After the clock was set back, the first of them may have been skipped alone before: the others are recorded nevertheless.
  return [{ slot: `skip:${firstMs}-${lastMs}`, firstMs, lastMs, count: left.length + extra, reason: `${reason}${more}` }];
}

const describeWindow = (ms: number): string => {
  const hours = ms / 3_600_000;
  return hours >= 1 ? `${Math.round(hours)} h` : `${Math.round(ms / 60_000)} min`;
};

/** Kinds of failures that another attempt can pass. */
const RETRYABLE: ReadonlySet<string> = new Set([
  "rate_limit",
  "overloaded",
  "timeout",
  "network",
  "cut",
  "bad_answer",
  "crashed",
  "unknown",
]);

export type RunEnd = {
  status: "ok" | "error";
  error?: string;
  errorKind?: string | undefined;
  /** A tool had begun: nothing is repeated. */
  toolsStarted: boolean;
  dueMs: number;
  attempt: number;
  isManual: boolean;
  startedAt: number;
  endedAt: number;
};

/** What follows for a job from the end of one of its runs. `isRemoved`: it is deleted. Pure. */
export function afterRun(
  { definition, state, enabled }: Job,
  end: RunEnd,
  defaultRetries: number,
): { state: JobState; enabled: boolean; isRemoved: boolean } {
  const { lastError: _before, ...kept } = state;
  const isOk = end.status === "ok";
  const consecutiveErrors = isOk ? 0 : state.consecutiveErrors + 1;
  const next: JobState = {
    ...kept,
    lastRunAtMs: end.startedAt,
    lastStatus: end.status,
    lastDurationMs: Math.max(0, end.endedAt - end.startedAt),
    ...(end.error !== undefined && !isOk ? { lastError: end.error } : {}),
    consecutiveErrors,
    consecutiveSkipped: 0,
  };
  const retries = definition.maxRetries ?? defaultRetries;
  const mayRetry =
    !isOk && !end.isManual && enabled && end.attempt < retries && !end.toolsStarted && RETRYABLE.has(end.errorKind ?? "unknown");
  if (mayRetry) {
    const { retryDelaysMs } = SCHEDULE_LIMITS;
    const atMs = end.endedAt + retryDelaysMs[Math.min(end.attempt, retryDelaysMs.length - 1)]!;
    // The next due time is sooner: it is the retry.
    if (next.nextDueMs === null || atMs < next.nextDueMs)
      return { state: { ...next, retry: { dueMs: end.dueMs, attempt: end.attempt + 1, atMs } }, enabled, isRemoved: false };
  }
  if (!isRepeating(definition)) {
    const isOver = !end.isManual && next.nextDueMs === null;
    return { state: next, enabled: enabled && !isOver, isRemoved: isOver && isOk && definition.deleteAfterRun === true };
  }
  if (!isOk && consecutiveErrors >= SCHEDULE_LIMITS.failuresBeforeDisabled && enabled) {
    const autoDisabled = { reason: "consecutive-failures" as const, atMs: end.endedAt, consecutiveErrors };
    return { state: { ...next, autoDisabled }, enabled: false, isRemoved: false };
  }
  return { state: next, enabled, isRemoved: false };
}
