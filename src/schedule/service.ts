import { createHash } from "node:crypto";
import { detailError, GatewayError } from "../core/errors.ts";
import type { ResolvedHeartbeat } from "../config/heartbeat.ts";
import type { JsonObject } from "../core/json.ts";
import type { SessionKey } from "../core/ids.ts";
import type { Outbox } from "../store/outbox.ts";
import { nextDue } from "./due-times.ts";
import { invalidField, shortestInterval, toDefinition } from "./edit.ts";
import { nextAtOf, type Job, type JobDefinition, type JobGrant, type JobRun, type JobState } from "./job.ts";
import type { AgentId } from "../core/ids.ts";
import { SCHEDULE_LIMITS } from "./limits.ts";
import type { HeartbeatLookups } from "./heartbeat-plan.ts";
import { resumeHeartbeats, syncHeartbeats } from "./heartbeats.ts";
import { agentOf, findTarget, planRun, sessionOf } from "./run-plan.ts";
import type { RunLookups } from "./run-types.ts";
import { noSuchJob, JobScheduler, type ManualRun, type JobSchedulerDeps } from "./scheduler.ts";
import { estimateCost } from "./cost.ts";
import { deliveryOf, revisionOf, toJobRow, toRunRow, type DeliveryStatus } from "./wire.ts";

type Wire = Record<string, unknown>;

export type ScheduleDeps = Omit<JobSchedulerDeps, "plan"> & {
  outbox: Pick<Outbox, "byIntent">;
  lookups: RunLookups & HeartbeatLookups;
  newId: () => string;
  /** The zone of schedules that name none. */
  zone: () => string;
  storePath: string;
  /** What a run costs by the price of the model, before there is one; null: it is not known. */
  firstRunUsd?: (agentId: AgentId, model: string | null) => number | null;
};

/** Filters of a list; those that are absent keep everything. */
export type JobQuery = {
  includeDisabled?: boolean;
  enabled?: "all" | "enabled" | "disabled";
  query?: string;
  scheduleKind?: string;
  lastRunStatus?: string;
  trigger?: string;
  agentId?: string;
  sortBy?: "nextRunAtMs" | "updatedAtMs" | "name";
  sortDir?: "asc" | "desc";
  limit?: number;
  offset?: number;
  includeDeliveryPreviews?: boolean;
};

export type RunsQuery = {
  id?: string;
  agentId?: string;
  runId?: string;
  statuses?: readonly string[];
  deliveryStatuses?: readonly string[];
  query?: string;
  sortDir?: "asc" | "desc";
  limit?: number;
  offset?: number;
};

const PAGE = { jobs: 50, runs: 50 } as const;

/** The jobs: what clients and agents see and change of them. */
export class ScheduleService {
  readonly scheduler: JobScheduler;
  readonly #deps: ScheduleDeps;

  constructor(deps: ScheduleDeps) {
    this.#deps = deps;
    this.scheduler = new JobScheduler({ ...deps, plan: (job, run) => planRun(job, run, deps.lookups) });
  }

  status(): Wire {
    const { rows, settings, storePath } = this.#deps;
    const { enabled, maxConcurrentRuns } = settings();
    const nextWakeAtMs = enabled ? rows.nextAt() : null;
    const open = rows.openRuns();
    return {
      enabled,
      triggersEnabled: false,
      storePath,
      storage: "sqlite",
      sqlitePath: storePath,
      jobs: rows.countJobs(),
      nextWakeAtMs,
      running: open.filter(({ state }) => state === "running").length,
      waiting: open.filter(({ state }) => state === "waiting").length,
      maxConcurrentRuns,
    };
  }

  list(query: JobQuery, isVisible: (job: Job) => boolean = () => true): Wire {
    const { limit = PAGE.jobs, offset = 0 } = query;
    const kept = this.#deps.rows.jobs().filter((job) => isVisible(job) && this.#matches(job, query));
    const sorted = kept.toSorted((a, b) => compareJobs(a, b, query));
    const page = sorted.slice(offset, offset + limit);
    const hasMore = offset + page.length < sorted.length;
    return {
      jobs: page.map((job) => this.row(job)),
      // Official clients read all pages of one revision, or begin again.
      snapshotRevision: snapshotRevision(sorted),
      total: sorted.length,
      offset,
      limit,
      hasMore,
      nextOffset: hasMore ? offset + page.length : null,
      ...(query.includeDeliveryPreviews && {
        deliveryPreviews: Object.fromEntries(page.map((job) => [job.id, this.#deliveryPreview(job)])),
      }),
    };
  }

  #matches(
    job: Job,
    { includeDisabled = false, enabled, query, scheduleKind = "all", lastRunStatus = "all", trigger, agentId }: JobQuery,
  ): boolean {
    const { definition, state } = job;
    const wanted = enabled ?? (includeDisabled ? "all" : "enabled");
    if (wanted !== "all" && job.enabled !== (wanted === "enabled")) return false;
    if (trigger === "conditional") return false;
    if (scheduleKind !== "all" && definition.schedule.kind !== scheduleKind) return false;
    if (lastRunStatus !== "all" && (state.lastStatus ?? "unknown") !== lastRunStatus) return false;
    if (agentId !== undefined && agentOf(job, this.#deps.lookups) !== agentId) return false;
    const words = query?.trim().toLowerCase() ?? "";
    return (
      words === "" ||
      [definition.name, definition.displayName, definition.description, job.id].some((text) => text?.toLowerCase().includes(words))
    );
  }

  get(id: string): Wire {
    return this.row(this.require(id));
  }

  /** The job with this id; of one whose id begins with it, when it is the only one. */
  require(id: string): Job {
    const { rows } = this.#deps;
    const exact = rows.job(id);
    if (exact) return exact;
    const begun = id.length >= 4 ? rows.jobs().filter((job) => job.id.startsWith(id)) : [];
    if (begun.length !== 1) throw noSuchJob(id);
    return begun[0]!;
  }

  row(job: Job): Wire {
    const { rows, clock, lookups } = this.#deps;
    const running = rows.openRuns().find(({ jobId, state }) => jobId === job.id && state === "running");
    const runs = rows.runs({ jobId: job.id, states: ["ok", "error"] }, SCHEDULE_LIMITS.costRuns);
    const agentId = agentOf(job, lookups);
    const { payload } = job.definition;
    const model = payload.kind === "agentTurn" ? (payload.model ?? null) : null;
    const cost = estimateCost(job, runs, this.#deps.firstRunUsd?.(agentId, model) ?? null, clock.now());
    const problem = this.problemOf(job);
    return {
      ...toJobRow(job, { runningAtMs: running?.startedAt ?? null, lastRun: runs[0], agentId, now: clock.now(), cost }),
      ...(problem !== null && { problem }),
    };
  }

  /** Why the job cannot run, or its answer cannot be delivered, as things are now. */
  problemOf(job: Job): string | null {
    const { pausedAtMs, emptyRuns } = job.state;
    if (pausedAtMs !== undefined) return `paused after ${emptyRuns ?? 0} runs that did nothing; openclaw system heartbeat enable goes on`;
    const plan = planRun(job, sampleRun(job), this.#deps.lookups);
    if (plan.kind === "refused") return plan.code !== undefined && PASSING.has(plan.code) ? null : plan.reason;
    // News of a heartbeat that has no chat stays in the session, as documented.
    if (job.definition.payload.kind === "heartbeat") return null;
    return plan.kind === "turn" && plan.deliveryError !== undefined ? `answers are not delivered: ${plan.deliveryError}` : null;
  }

  #deliveryPreview(job: Job): Wire {
    const { delivery } = job.definition;
    if (delivery === undefined || delivery.mode === "none") return { label: "not delivered", detail: "The answer stays in the session." };
    const session = sessionOf(job, this.#deps.lookups);
    const { target, deliveryError } =
      session === null ? { target: null, deliveryError: "there is no session" } : findTarget(job, session, this.#deps.lookups);
    const label = `announce -> ${delivery.channel ?? "last"}`;
    if (target === null) return { label, detail: `no route: ${deliveryError ?? "unknown"}` };
    return { label, detail: `${target.channel}/${target.account} ${target.chat.id}` };
  }

  async add(params: JsonObject, grant: JobGrant, guard?: AgentGuard): Promise<Wire> {
    const { rows, store, clock, newId, zone } = this.#deps;
    const now = clock.now();
    const definition = toDefinition(params, { createdAtMs: now, grant }, { now, zone: zone() });
    if (guard) checkAgentJob(definition, now, guard);
    const id = newId();
    const enabled = params["enabled"] !== false;
    const job = this.#toJob({ id, definition, enabled, now });
    this.#checkRunnable(job);
    await store.write(() => {
      this.#checkCount(grant);
      rows.saveJob(job);
    });
    this.#changed(id, "added");
    return { ...this.get(id), deliveryPreview: this.#deliveryPreview(job) };
  }

  #checkCount(grant: JobGrant): void {
    const jobs = this.#deps.rows.jobs();
    if (jobs.length >= SCHEDULE_LIMITS.jobs) throw tooManyJobs(SCHEDULE_LIMITS.jobs, "there are");
    if (grant.by !== "agent") return;
    const own = jobs.filter(({ definition }) => definition.grant.by === "agent" && definition.grant.agentId === grant.agentId);
    if (own.length >= SCHEDULE_LIMITS.jobsOfAgent) throw tooManyJobs(SCHEDULE_LIMITS.jobsOfAgent, `the agent ${grant.agentId} has made`);
  }

  /** A job that could not run now is refused, so that its mistake is found by who makes it. A missing route is reported instead. */
  #checkRunnable(job: Job): void {
    if (!job.enabled) return;
    const plan = planRun(job, sampleRun(job), this.#deps.lookups);
    if (plan.kind === "refused") throw new GatewayError("INVALID_REQUEST", `the job could not run: ${plan.reason}`);
    if (nextAtOf(job.state) === null)
      throw invalidField("schedule.at", "this time has passed", "Name a time that is still to come, or --disabled.");
  }

  #toJob({ id, definition, enabled, now }: { id: string; definition: JobDefinition; enabled: boolean; now: number }): Job {
    const state: JobState = {
      nextDueMs: nextDue(definition.schedule, now, id),
      scheduleActivatedAtMs: now,
      consecutiveErrors: 0,
      consecutiveSkipped: 0,
    };
    return { id, enabled, definition, state, nextAt: nextAtOf(state), updatedAt: now };
  }

  async update(id: string, patch: JsonObject, { expected, guard, grant }: UpdateOptions = {}): Promise<Wire> {
    const { rows, store, clock, zone } = this.#deps;
    const known = this.require(id);
    refuseHeartbeat(
      known,
      Object.keys(patch).some((name) => name !== "enabled"),
    );
    await store.write(() => {
      const job = rows.job(known.id);
      if (!job) throw noSuchJob(id);
      if (expected !== undefined && revisionOf(job) !== expected)
        throw detailError("CRON_JOB_CHANGED", "the job was changed since it was read", { fix: "Read it again, then repeat the change." });
      const now = clock.now();
      const isHeartbeat = job.definition.payload.kind === "heartbeat";
      const base = { ...job.definition, ...(grant && { grant }) };
      const definition = isHeartbeat ? base : toDefinition(patch, base, { now, zone: zone() });
      if (guard) checkAgentJob(definition, now, guard);
      const enabled = typeof patch["enabled"] === "boolean" ? patch["enabled"] : job.enabled;
      const next = this.#toUpdated(job, { definition, enabled, now });
      const isActivated = !isHeartbeat && enabled && (!job.enabled || patch["schedule"] !== undefined);
      if (isActivated || "agentId" in patch || "payload" in patch || "sessionTarget" in patch) this.#checkRunnable(next);
      rows.saveJob(next);
    });
    this.#changed(known.id, "updated");
    return this.get(known.id);
  }

  #toUpdated(job: Job, { definition, enabled, now }: { definition: JobDefinition; enabled: boolean; now: number }): Job {
    const isNewSchedule = JSON.stringify(definition.schedule) !== JSON.stringify(job.definition.schedule);
    const isEnabledAgain = enabled && !job.enabled;
    if (!isNewSchedule && !isEnabledAgain && enabled) return { ...job, definition, enabled, nextAt: nextAtOf(job.state), updatedAt: now };
    const { retry: _retry, autoDisabled: _autoDisabled, emptyRuns: _empty, pausedAtMs: _paused, wakes: _wakes, ...kept } = job.state;
    const state: JobState = {
      ...kept,
      nextDueMs: nextDue(definition.schedule, now, job.id),
      ...(isNewSchedule || isEnabledAgain ? { scheduleActivatedAtMs: now, consecutiveErrors: 0, consecutiveSkipped: 0 } : {}),
    };
    return { ...job, definition, enabled, state, nextAt: nextAtOf(state), updatedAt: now };
  }

  async remove(id: string): Promise<Wire> {
    const { rows, store } = this.#deps;
    const job = this.require(id);
    refuseHeartbeat(job, true);
    const { id: known } = job;
    const removed = await store.write(() => rows.removeJob(known));
    this.#changed(known, "removed");
    return { ok: true, removed };
  }

  /** Makes the jobs of heartbeats those of the configuration. */
  async syncHeartbeats(wanted: readonly ResolvedHeartbeat[]): Promise<void> {
    await syncHeartbeats(this.#deps, wanted);
    await this.scheduler.wake();
  }

  async resumeHeartbeats(): Promise<void> {
    await resumeHeartbeats(this.#deps);
    await this.scheduler.wake();
  }

  runNow(id: string, mode: "due" | "force" | "if-enabled"): Promise<ManualRun> {
    return this.scheduler.runNow(this.require(id).id, mode);
  }

  runs(query: RunsQuery): Wire {
    const { limit = PAGE.runs, offset = 0, sortDir, runId, statuses, deliveryStatuses, agentId } = query;
    const { rows, lookups } = this.#deps;
    const jobId = query.id === undefined ? undefined : (this.#findId(query.id) ?? query.id);
    const states = (["ok", "error", "skipped"] as const).filter((each) => statuses === undefined || statuses.includes(each));
    const words = query.query?.trim().toLowerCase() ?? "";
    const all = rows.runs(
      { ...(jobId !== undefined && { jobId }), ...(runId !== undefined && { runId }), states, ascending: sortDir === "asc" },
      SCHEDULE_LIMITS.logRows,
    );
    const kept = all.filter((run) => {
      if (words !== "" && ![run.record.summary, run.record.error, run.record.jobName].some((text) => text?.toLowerCase().includes(words)))
        return false;
      if (agentId === undefined) return true;
      const job = rows.job(run.jobId);
      return job !== undefined && agentOf(job, lookups) === agentId;
    });
    const withDelivery = kept.map((run) => ({ run, delivery: this.#deliveryOf(run) }));
    const matching =
      deliveryStatuses === undefined ? withDelivery : withDelivery.filter(({ delivery }) => deliveryStatuses.includes(delivery.status));
    const page = matching.slice(offset, offset + limit);
    const hasMore = offset + page.length < matching.length;
    return {
      entries: page.map(({ run, delivery }) => toRunRow(run, delivery)),
      total: matching.length,
      offset,
      limit,
      hasMore,
      nextOffset: hasMore ? offset + page.length : null,
    };
  }

  /** Runs of a removed job are still in the log. */
  #findId(id: string): string | undefined {
    try {
      return this.require(id).id;
    } catch (err) {
      if (err instanceof GatewayError && this.#deps.rows.runs({ jobId: id }, 1).length > 0) return id;
      throw err;
    }
  }

  #deliveryOf(run: JobRun): { status: DeliveryStatus; error?: string } {
    return deliveryOf(run, run.runId === null || run.record.delivery !== "route" ? [] : this.#deps.outbox.byIntent(run.runId));
  }

  #changed(jobId: string, action: "added" | "updated" | "removed"): void {
    this.#deps.bus.emit("cron.changed", { jobId, action });
    void this.scheduler.wake();
  }
}

/** Changes whenever a job is added, changed or removed, not with each run. */
const snapshotRevision = (jobs: readonly Job[]): string =>
  createHash("sha256")
    .update(JSON.stringify(jobs.map(({ id, updatedAt }) => [id, updatedAt]).toSorted()))
    .digest("base64url");

/** What keeps a heartbeat from running now and not the next time. */
const PASSING: ReadonlySet<string> = new Set(["requests-in-flight", "empty-heartbeat-file"]);

/** Heartbeats are made and changed by the configuration; they are only switched here. */
function refuseHeartbeat({ definition }: Job, isMore: boolean): void {
  if (definition.payload.kind !== "heartbeat" || !isMore) return;
  throw new GatewayError("INVALID_REQUEST", "a heartbeat is changed in the configuration, not as a job", {
    fix: "Set agents.defaults.heartbeat.every, 0m for off. openclaw cron disable switches it off until it is enabled again.",
  });
}

/** Whose jobs an agent may make: its own, for the conversation in which it is asked. */
export type AgentGuard = { agentId: string; sessionKey: SessionKey };

/** `expected`: the revision that was read. `grant`: from now on the job has this one. */
export type UpdateOptions = { expected?: string; guard?: AgentGuard; grant?: JobGrant };

const tooManyJobs = (limit: number, whose: string): GatewayError =>
  new GatewayError("INVALID_REQUEST", `${whose} ${limit} jobs already`, { fix: "Remove one first: openclaw cron rm <id>." });

/** Stands for the next run, where only what it would be is asked. */
const sampleRun = (job: Job): JobRun => ({
  seq: 0,
  jobId: job.id,
  slot: "sample",
  cause: "schedule",
  state: "waiting",
  dueAt: 0,
  lastDueAt: 0,
  dueCount: 1,
  runId: null,
  claimedAt: 0,
  startedAt: null,
  endedAt: null,
  record: { jobName: job.definition.name },
});

function compareJobs(a: Job, b: Job, { sortBy = "nextRunAtMs", sortDir = "asc" }: JobQuery): number {
  const sign = sortDir === "asc" ? 1 : -1;
  const byName = a.definition.name.localeCompare(b.definition.name) || a.id.localeCompare(b.id);
  if (sortBy === "name") return sign * byName;
  if (sortBy === "updatedAtMs") return sign * (a.updatedAt - b.updatedAt) || byName;
  // Jobs without a next run come last in either direction.
  const [left, right] = [a, b].map((job) => (job.enabled ? nextAtOf(job.state) : null));
  if (left === null || right === null || left === undefined || right === undefined) return left === right ? byName : left === null ? 1 : -1;
  return sign * (left - right) || byName;
}

/** Agents make jobs for their own conversation, and not more often than a person would. */
function checkAgentJob(definition: JobDefinition, now: number, { agentId, sessionKey }: AgentGuard): void {
  const { minAgentIntervalMs } = SCHEDULE_LIMITS;
  if (shortestInterval(definition.schedule, now) < minAgentIntervalMs)
    throw invalidField("schedule", `jobs of agents are at least ${minAgentIntervalMs / 1_000} s apart`);
  const { sessionTarget, delivery } = definition;
  if (definition.agentId !== agentId) throw invalidField("agentId", "an agent makes jobs for itself");
  if (sessionTarget !== "isolated" && (sessionTarget !== "current" || definition.sessionKey !== sessionKey))
    throw invalidField(
      "sessionTarget",
      "jobs of agents run in a session of their own (isolated) or in the conversation that they were made in (current)",
    );
  if (delivery?.mode === "announce" && (delivery.to !== undefined || (delivery.channel !== undefined && delivery.channel !== "last")))
    throw invalidField("delivery", "answers of an agent's job go to the conversation that it was made in; leave channel and to out");
}
