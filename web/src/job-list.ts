/** The jobs of the schedule and their runs, as `cron.list` and `cron.runs` say it. */
import { computed, signal } from "@preact/signals";
import { isConnectionLost } from "./client.ts";
import { errorMessage, requireClient } from "./sync.ts";
import * as store from "./state.ts";

export type JobRow = {
  id: string;
  name: string;
  displayName?: string;
  description?: string;
  enabled: boolean;
  nextRunAtMs?: number;
  effectiveAgentId?: string;
  owner?: { sessionKey?: string };
  preview?: { description: string; nextRunsAtMs: readonly number[]; timeZone: string | null; cost?: { text: string } };
  problem?: string;
  state?: { runningAtMs?: number; lastStatus?: string; lastError?: string; autoDisabled?: { consecutiveErrors: number } };
};

export type JobRunRow = {
  ts: number;
  jobId: string;
  jobName?: string;
  status?: string;
  error?: string;
  summary?: string;
  runId?: string;
  sessionKey?: string;
  dueAtMs?: number;
  durationMs?: number;
  deliveryStatus?: string;
  deliveryError?: string;
  dueCount?: number;
};

type Answer = { jobs: readonly JobRow[]; runs: readonly JobRunRow[]; enabled: boolean };

const answer = signal<Answer | null>(null);
/** Why the last reading or change failed; null when it did not. */
export const failed = signal<string | null>(null);
/** The job that is being changed or started. */
export const busy = signal<string | null>(null);

/** Heartbeats have a place of their own. */
export const jobs = computed(() => answer.value?.jobs.filter(({ id }) => !id.startsWith("heartbeat:")) ?? null);
export const runs = computed(() => answer.value?.runs ?? []);
export const isOff = computed(() => answer.value?.enabled === false);

const RUNS = 20;
const JOBS = 200;

/** What people see of the state of a job. Pure. */
export function stateText({ enabled, state = {} }: Pick<JobRow, "enabled" | "state">): string {
  if (state.runningAtMs !== undefined) return "Running";
  if (state.autoDisabled) return `Disabled after ${state.autoDisabled.consecutiveErrors} failures in a row`;
  if (!enabled) return "Disabled";
  if (state.lastStatus === "error") return "Last run failed";
  return state.lastStatus === "skipped" ? "Last run skipped" : "On";
}

/** Why a run is what it is, or what the agent answered. Pure. */
export const runText = ({ error, deliveryStatus, deliveryError, summary, dueCount }: JobRunRow): string => {
  const undelivered = deliveryStatus === "not-delivered" && error === undefined ? `Not delivered: ${deliveryError ?? "unknown"}. ` : "";
  return `${dueCount === undefined ? "" : `${dueCount} due times: `}${undelivered}${error ?? summary ?? ""}`;
};

/** A due time in the zone of its job, or of this browser, with the offset. Pure but for the locale. */
export function timeText(at: number, timeZone?: string | null): string {
  return new Intl.DateTimeFormat(undefined, {
    weekday: "short",
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    timeZoneName: "shortOffset",
    ...(timeZone && { timeZone }),
  }).format(at);
}

let latest = 0;

/** Reads the jobs and the newest runs. Never throws: `failed` says why there is nothing newer. */
export async function loadJobs(): Promise<void> {
  if (!store.isOnline.value) return;
  latest += 1;
  const mine = latest;
  try {
    const client = requireClient();
    const [list, log, status] = await Promise.all([
      client.request<{ jobs: readonly JobRow[] }>("cron.list", { includeDisabled: true, limit: JOBS }),
      client.request<{ entries: readonly JobRunRow[] }>("cron.runs", { scope: "all", limit: RUNS }),
      client.request<{ enabled: boolean }>("cron.status", {}),
    ]);
    if (mine !== latest) return;
    answer.value = { jobs: list.jobs, runs: log.entries, enabled: status.enabled };
    failed.value = null;
  } catch (error) {
    if (mine === latest && !isConnectionLost(error)) failed.value = errorMessage(error);
  }
}

async function change(id: string, work: () => Promise<unknown>): Promise<void> {
  busy.value = id;
  try {
    await work();
    await loadJobs();
  } catch (error) {
    if (!isConnectionLost(error)) failed.value = errorMessage(error);
  }
  busy.value = null;
}

export const switchJob = ({ id, enabled }: JobRow): Promise<void> =>
  change(id, () => requireClient().request("cron.update", { id, patch: { enabled: !enabled } }));

/** Why the new job was refused; null when it was not. */
export const addProblem = signal<string | null>(null);

/** Adds a job; false, with the reason in `addProblem`, when the gateway refuses it. */
export async function addJob(job: Record<string, unknown>): Promise<boolean> {
  busy.value = "new";
  addProblem.value = null;
  try {
    await requireClient().request("cron.add", job);
    await loadJobs();
  } catch (error) {
    addProblem.value = isConnectionLost(error) ? "The gateway is not connected." : errorMessage(error);
  }
  busy.value = null;
  return addProblem.value === null;
}

/** How a job is stopped. Pure. */
export const stopText = ({ id, enabled }: Pick<JobRow, "id" | "enabled">): string | null =>
  enabled ? `Stop: the button Disable, or openclaw cron disable ${id.slice(0, 8)}` : null;

export const runJob = ({ id }: JobRow): Promise<void> => change(id, () => requireClient().request("cron.run", { id, mode: "force" }));
