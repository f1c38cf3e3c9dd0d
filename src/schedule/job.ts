import type { ActiveHours } from "../config/heartbeat.ts";
import type { CronJobRow, CronRows, CronRunRow } from "../store/cron.ts";
import type { Provenance } from "../store/messages.ts";
import type { Submission } from "../turns/submission.ts";

/** When a job is due. `tz` is stored even where the default was meant: a job keeps the zone that it was made in. */
export type JobSchedule =
  | { kind: "at"; at: string }
  | { kind: "every"; everyMs: number; anchorMs: number; activeHours?: ActiveHours }
  | { kind: "cron"; expr: string; tz: string; staggerMs?: number };

export type JobPayload =
  /** A heartbeat: what it is follows from the configuration when it runs. */
  | { kind: "heartbeat" }
  | { kind: "systemEvent"; text: string }
  | { kind: "agentTurn"; message: string; model?: string; thinking?: string; timeoutSeconds?: number; toolsAllow?: readonly string[] };

/** Where the answer goes. `last`: where the session talked last on a channel. */
export type JobDelivery =
  | { mode: "none" }
  | { mode: "announce"; channel?: string; to?: string; accountId?: string; threadId?: string; bestEffort?: true };

/** What becomes of due times at which the gateway was not running. */
export const MISSED_POLICIES = ["skip", "once", "all"] as const;
export type MissedPolicy = (typeof MISSED_POLICIES)[number];
/** What becomes of a due time while an earlier run of the job is not over. */
export const OVERLAP_POLICIES = ["skip", "queue"] as const;
export type OverlapPolicy = (typeof OVERLAP_POLICIES)[number];

/** What a run may do. An operator's job has what operators have when it runs; an agent's has what its creator had, and never more. */
export type JobGrant =
  | { by: "operator" }
  | {
      by: "agent";
      agentId: string;
      sessionKey: string;
      tools: Submission["tools"];
      roomTools?: Submission["roomTools"];
      provenance: Provenance;
      /** Where the conversation was in which the job was made; null: not on a channel. */
      target: Submission["target"];
    };

export type JobDefinition = {
  name: string;
  displayName?: string;
  description?: string;
  agentId?: string;
  /** For `current`: the session that the job belongs to. */
  sessionKey?: string;
  deleteAfterRun?: boolean;
  createdAtMs: number;
  schedule: JobSchedule;
  sessionTarget: "main" | "isolated" | "current" | `session:${string}`;
  wakeMode: "now" | "next-heartbeat";
  payload: JobPayload;
  delivery?: JobDelivery;
  missed?: { policy: MissedPolicy; windowMs?: number };
  overlap?: OverlapPolicy;
  maxRetries?: number;
  grant: JobGrant;
};

export type JobState = {
  /** The next due time; null: there is none. */
  nextDueMs: number | null;
  scheduleActivatedAtMs: number;
  /** A failed run that is repeated. */
  retry?: { dueMs: number; attempt: number; atMs: number };
  lastRunAtMs?: number;
  lastStatus?: "ok" | "error" | "skipped";
  lastError?: string;
  lastDurationMs?: number;
  consecutiveErrors: number;
  consecutiveSkipped: number;
  autoDisabled?: { reason: "consecutive-failures"; atMs: number; consecutiveErrors: number };
  /** Runs that were asked for between the due times, each in a session; null: the job's own. */
  wakes?: readonly JobWake[];
  /** Since when people know that the job fails; absent while it does not. */
  alertedAtMs?: number;
  /** Of a heartbeat: runs in a row that did nothing, and since when it pauses because of them. */
  emptyRuns?: number;
  pausedAtMs?: number;
};

export type JobWake = { atMs: number; sessionKey: string | null };

/** What the log keeps of a run. */
export type RunRecord = {
  jobName: string;
  attempt?: number;
  /** Why it was skipped, or how it failed. */
  error?: string;
  errorKind?: string;
  summary?: string;
  sessionKey?: string;
  sessionId?: string;
  model?: string;
  usage?: unknown;
  /** What it cost is not known. */
  isUnpriced?: true;
  /** Why it was skipped, in a word for programs. */
  reason?: string;
  /** In which session it was asked for; absent: the job's own. */
  wakeSession?: string;
  /** A target was found; whether the answer arrived is in the outbox until it is settled. */
  delivery?: "none" | "route" | "no-route";
  deliveryError?: string;
  channel?: string;
};

export type Job = CronJobRow<JobDefinition, JobState>;
export type JobRun = CronRunRow<RunRecord>;
export type JobRows = CronRows<JobDefinition, JobState, RunRecord>;

/** When something of a job is due: its due time, or a retry or a wake-up before it. */
export const nextAtOf = ({ nextDueMs, retry, wakes = [] }: JobState): number | null => {
  const times = [nextDueMs, retry?.atMs ?? null, ...wakes.map(({ atMs }) => atMs)].filter((at) => at !== null);
  return times.length === 0 ? null : Math.min(...times);
};

/** Whether the job is due more than once. */
export const isRepeating = ({ schedule }: Pick<JobDefinition, "schedule">): boolean => schedule.kind !== "at";
