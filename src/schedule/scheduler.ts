import type { Bus } from "../core/bus.ts";
import type { Clock } from "../core/clock.ts";
import { detailError, GatewayError, reasonOf } from "../core/errors.ts";
import { asId, type RunId, type SessionKey } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import type { Metrics } from "../core/metrics.ts";
import type { CronRunCause } from "../store/cron.ts";
import { endOfRun, type Inbox, type RunOutcome } from "../store/inbox.ts";
import type { Store } from "../store/open.ts";
import type { TurnEvents } from "../turns/events.ts";
import type { Submission, SubmitResult } from "../turns/submission.ts";
import { combineWork, commitWork, planInTransaction, type UnitOfWork } from "../turns/unit-of-work.ts";
import { afterRun, decideDue, type Claim, type Skip } from "./decide.ts";
import { nextDue } from "./due-times.ts";
import { decideAlert, type FailureAlertSettings } from "./failure-alert.ts";
import type { ScheduleEvents } from "./events.ts";
import { afterHeartbeat, didNothing, toHeartbeatRecord, type HeartbeatRecord } from "./heartbeat-end.ts";
import { isRepeating, nextAtOf, type Job, type JobRows, type JobRun, type JobState, type MissedPolicy, type RunRecord } from "./job.ts";
import { SCHEDULE_LIMITS } from "./limits.ts";
import type { RunPlan } from "./run-types.ts";

export type ScheduleSettings = {
  enabled: boolean;
  maxConcurrentRuns: number;
  missed: MissedPolicy;
  maxRetries: number;
  failureAlert: FailureAlertSettings;
};

export type JobSchedulerDeps = {
  rows: JobRows;
  store: Pick<Store, "write">;
  inbox: Pick<Inbox, "byRun">;
  bus: Bus<TurnEvents & ScheduleEvents>;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  settings: () => ScheduleSettings;
  /** What a run of a job is, with the agents, models and channels that there are now. */
  plan: (job: Job, run: JobRun) => RunPlan;
  /** The admission of a message; committed together with the row of the ledger. */
  prepare: (submission: Submission) => UnitOfWork<SubmitResult>;
  /** Leaves a line for the next turn of a session; inside a `store.write`. */
  addNote: (sessionKey: SessionKey, text: string) => void;
  heartbeats: HeartbeatRules;
  /** Sends a message about a job to people; inside a `store.write`. Returns what follows when that is on disk. */
  alert: (job: Job, id: string, text: string) => () => void;
};

/** What the scheduler asks about heartbeats. */
export type HeartbeatRules = {
  /** Reads what those need that may start now; before the step that starts them. */
  prepare: () => Promise<void>;
  /** The agent of a job, and what its configuration says now. */
  settings: (job: Job) => { agentId: string; ackMaxChars: number; pauseAfterRuns: number };
  /** Keeps the last one; inside a `store.write`. */
  save: (record: HeartbeatRecord) => void;
};

export type ManualRun =
  | { ok: true; enqueued: true; runId: string }
  | { ok: true; ran: false; reason: "not-due" | "already-running" | "disabled" };

/**
 * Decides who runs, and when. Every due time becomes one row of the ledger in the transaction that moves the job to its next one; a run
 * enters the inbox in the transaction that marks its row. What follows from the end of a run is read from the inbox, so that nothing depends
 * on having heard of it.
 */
export class JobScheduler {
  readonly #deps: JobSchedulerDeps;
  #cancelTimer: (() => void) | null = null;
  /** Runs in the inbox, so that the end of every other turn costs one lookup in memory. */
  #running = new Set<string>();
  #step: Promise<void> | null = null;
  #isAgain = false;
  #isStopped = false;
  #seen: { wall: number; monotonic: number };
  /** What is reported when the step is on disk. */
  #told: (() => void)[] = [];
  readonly #unsubscribe: () => void;

  constructor(deps: JobSchedulerDeps) {
    this.#deps = deps;
    this.#seen = { wall: deps.clock.now(), monotonic: deps.clock.monotonic() };
    this.#unsubscribe = deps.bus.on("turn.ended", ({ runId }) => {
      if (this.#running.has(runId)) this.wake();
    });
  }

  /** Takes up what an earlier process left, then what is due. */
  async start(): Promise<void> {
    try {
      await this.#realign();
    } catch (err) {
      this.#deps.log.warn("due times could not be computed again after the start", { cause: reasonOf(err) });
    }
    await this.wake();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#unsubscribe();
  }

  /** Looks at what is due, at what has ended and at what may start. Resolves when that is stored; never rejects. */
  wake(): Promise<void> {
    this.#isAgain = true;
    this.#step ??= this.#steps();
    return this.#step;
  }

  async #steps(): Promise<void> {
    let hasFailed = false;
    while (this.#isAgain && !this.#isStopped) {
      this.#isAgain = false;
      try {
        await this.#noticeClock();
        await this.#deps.heartbeats.prepare();
        await commitWork(this.#deps.store as Store, this.#planStep());
      } catch (err) {
        hasFailed = true;
        if (!this.#isStopped) this.#deps.log.warn("the schedule could not be advanced; it is tried again", { cause: reasonOf(err) });
        break;
      }
    }
    // At once after the last look at #isAgain: a wake-up from here on starts another step.
    this.#step = null;
    this.#setTimer(hasFailed);
  }

  /** One timer for all jobs; none when nothing will be due. */
  #setTimer(hasFailed: boolean): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (this.#isStopped) return;
    const { clock, rows, settings } = this.#deps;
    const at = settings().enabled ? rows.nextAt() : null;
    if (at === null && !hasFailed) return;
    const untilDue = at === null ? SCHEDULE_LIMITS.maxSleepMs : Math.max(0, at - clock.now());
    const delay = hasFailed ? SCHEDULE_LIMITS.storeRetryMs : Math.min(untilDue, SCHEDULE_LIMITS.maxSleepMs);
    this.#cancelTimer = clock.after(delay, () => void this.wake());
  }

  /** After the wall clock was set back, jobs wait for their next due time as it is now; those that ran before are in the ledger. */
  async #noticeClock(): Promise<void> {
    const { clock, log } = this.#deps;
    const [wall, monotonic] = [clock.now(), clock.monotonic()];
    const jumpMs = wall - this.#seen.wall - (monotonic - this.#seen.monotonic);
    this.#seen = { wall, monotonic };
    if (jumpMs >= -1_000) return;
    log.warn("the clock of this machine was set back; due times are computed again", { byMs: Math.round(-jumpMs) });
    await this.#realign();
  }

  async #realign(): Promise<void> {
    const { rows, store, clock } = this.#deps;
    const now = clock.now();
    const late = rows.jobs().flatMap((job) => {
      const { nextDueMs } = job.state;
      if (!job.enabled || nextDueMs === null || nextDueMs <= now || !isRepeating(job.definition)) return [];
      const next = nextDue(job.definition.schedule, now, job.id);
      return next !== null && next < nextDueMs ? [{ id: job.id, next }] : [];
    });
    if (late.length === 0) return;
    await store.write(() => {
      for (const { id, next } of late) {
        const job = rows.job(id);
        if (job) this.#save(job, { state: { ...job.state, nextDueMs: next } });
      }
    });
  }

  /** Everything that has to be decided now, as one transaction. */
  #planStep(): UnitOfWork<void> {
    let events: ScheduleEvents["cron.changed"][] = [];
    const work = planInTransaction(() => {
      events = [];
      this.#told = [];
      const emit = (event: ScheduleEvents["cron.changed"]): void => void events.push(event);
      this.#endRuns(emit);
      const { enabled } = this.#deps.settings();
      if (enabled) this.#claimDue(emit);
      return combineWork(enabled ? this.#startWaiting(emit) : []);
    });
    return {
      ...work,
      onCommit: () => {
        work.onCommit();
        this.#running = new Set(
          this.#deps.rows.openRuns().flatMap(({ state, runId }) => (state === "running" && runId !== null ? [runId] : [])),
        );
        for (const event of events) this.#report(event);
        for (const tell of this.#told.splice(0)) tell();
      },
    };
  }

  #report(event: ScheduleEvents["cron.changed"]): void {
    const { bus, metrics } = this.#deps;
    if (event.run?.status) metrics.count("gateway_schedule_runs_total", { status: event.run.status }, event.run.count);
    if (event.action === "started" && event.run) metrics.observe("gateway_schedule_lag_seconds", Math.max(0, event.run.lagMs ?? 0) / 1_000);
    bus.emit("cron.changed", event);
  }

  /** Runs whose message has an outcome. */
  #endRuns(emit: (event: ScheduleEvents["cron.changed"]) => void): void {
    const { rows, inbox, clock } = this.#deps;
    for (const run of rows.openRuns()) {
      if (run.state !== "running" || run.runId === null) continue;
      const row = inbox.byRun<{ text: string; context: string | null }>(run.runId);
      const outcome = endOfRun(row, clock.now());
      if (outcome === null) continue;
      const ended = { outcome, toolsStarted: row?.toolsStarted ?? true, sessionId: row?.sessionId };
      if (this.#isInterrupted(run, outcome)) this.#endInterrupted(run, { ...ended, context: row?.payload?.context ?? null }, emit);
      else this.#endRun(run, ended, emit);
    }
  }

  /** A heartbeat that gave way to a message. */
  #isInterrupted = (run: JobRun, { status }: RunOutcome): boolean =>
    status === "aborted" && this.#deps.rows.job(run.jobId)?.definition.payload.kind === "heartbeat";

  #endInterrupted(
    run: JobRun,
    { outcome, context }: EndedRun & { context: string | null },
    emit: (event: ScheduleEvents["cron.changed"]) => void,
  ): void {
    const { rows, addNote } = this.#deps;
    const { sessionKey } = run.record;
    const reason = "a message came, and messages come first";
    const record: RunRecord = {
      ...run.record,
      error: reason,
      reason: "requests-in-flight",
      ...(outcome.usage !== undefined && { usage: outcome.usage }),
      ...(outcome.isUnpriced && { isUnpriced: true }),
    };
    if (!rows.endRun(run.seq, "skipped", outcome.endedAt, record)) return;
    // The next turn has the events that it had taken.
    if (sessionKey !== undefined) for (const line of eventsIn(context)) addNote(asId<SessionKey>(sessionKey), line);
    emit({ jobId: run.jobId, action: "finished", run: { runId: run.runId, status: "skipped", count: 1 } });
    const job = rows.job(run.jobId);
    if (!job) return;
    this.#save(job, { state: toSkippedState(job.state, reason, 1) });
    this.#tellHeartbeat(job, run, outcome);
  }

  /** Stores and tells what became of a heartbeat. */
  #tellHeartbeat(job: Job, run: JobRun, outcome: RunOutcome): HeartbeatRecord {
    const { heartbeats } = this.#deps;
    const { agentId, ackMaxChars } = heartbeats.settings(job);
    const record = toHeartbeatRecord({ record: run.record, startedAt: run.startedAt ?? outcome.endedAt, outcome, ackMaxChars }, agentId);
    this.#keepHeartbeat(record);
    return record;
  }

  #keepHeartbeat(record: HeartbeatRecord): void {
    const { bus, heartbeats } = this.#deps;
    heartbeats.save(record);
    this.#told.push(() => bus.emit("heartbeat.ended", record));
  }

  #endRun(run: JobRun, { outcome, toolsStarted, sessionId }: EndedRun, emit: (event: ScheduleEvents["cron.changed"]) => void): void {
    const { rows, settings } = this.#deps;
    const status = outcome.status === "ok" ? "ok" : "error";
    const error =
      outcome.status === "ok"
        ? undefined
        : (outcome.error?.message ?? (outcome.status === "aborted" ? "the run was stopped" : "the run failed"));
    const record: RunRecord = {
      ...run.record,
      ...(error !== undefined && { error: error.slice(0, SCHEDULE_LIMITS.errorChars).toWellFormed() }),
      ...(outcome.error && { errorKind: outcome.error.kind }),
      ...(outcome.text !== "" && { summary: outcome.text.slice(0, SCHEDULE_LIMITS.summaryChars).toWellFormed() }),
      ...(outcome.model !== undefined && { model: outcome.model }),
      ...(outcome.usage !== undefined && { usage: outcome.usage }),
      ...(outcome.isUnpriced && { isUnpriced: true }),
      ...(sessionId !== undefined && { sessionId }),
    };
    if (!rows.endRun(run.seq, status, outcome.endedAt, record)) return;
    emit({ jobId: run.jobId, action: "finished", run: { runId: run.runId, status, count: 1 } });
    const job = rows.job(run.jobId);
    if (!job) return;
    const end = {
      status,
      toolsStarted,
      dueMs: run.dueAt,
      attempt: run.record.attempt ?? 0,
      isManual: run.cause === "manual",
      startedAt: run.startedAt ?? run.claimedAt,
      endedAt: outcome.endedAt,
      ...(error !== undefined && { error }),
      // A person has stopped it: nothing is repeated.
      errorKind: outcome.status === "aborted" ? "aborted" : outcome.error?.kind,
    } as const;
    const next = this.#afterRun(job, { ...run, record }, { outcome, toolsStarted }, afterRun(job, end, settings().maxRetries));
    if (next.isRemoved) {
      rows.removeJob(job.id);
      emit({ jobId: job.id, action: "removed" });
    } else this.#save(job, next);
    if (next.state.autoDisabled && job.enabled)
      this.#deps.log.warn("a job was disabled after it failed too often", {
        job: job.id,
        name: job.definition.name,
        failures: next.state.consecutiveErrors,
        cause: error,
      });
  }

  #afterRun(job: Job, run: JobRun, ended: EndedRun, next: ReturnType<typeof afterRun>): ReturnType<typeof afterRun> {
    return job.definition.payload.kind === "heartbeat"
      ? this.#afterHeartbeat(job, run, ended, next)
      : this.#alertAbout(job, run, ended, next);
  }

  /** Tells people once that a job fails, and once that it works again; in the transaction of the end, so that a restart repeats nothing. */
  #alertAbout(job: Job, run: JobRun, { outcome }: EndedRun, next: ReturnType<typeof afterRun>): ReturnType<typeof afterRun> {
    if (outcome.status === "aborted") return next;
    const { alert: send, clock, metrics, settings } = this.#deps;
    const { error } = run.record;
    const { state, alert } = decideAlert(job, next, { settings: settings().failureAlert, error, now: clock.now() });
    if (alert) {
      const { kind, text } = alert;
      const sent = send(job, `cron-alert:${job.id}:${kind}:${run.seq}`, text);
      this.#told.push(() => {
        metrics.count("gateway_schedule_alerts_total", { kind });
        sent();
      });
    }
    return { ...next, state };
  }

  #afterHeartbeat(
    job: Job,
    run: JobRun,
    { outcome, toolsStarted }: EndedRun,
    next: ReturnType<typeof afterRun>,
  ): ReturnType<typeof afterRun> {
    const { bus, clock, heartbeats } = this.#deps;
    const { agentId, pauseAfterRuns } = heartbeats.settings(job);
    const isEmpty = didNothing(this.#tellHeartbeat(job, run, outcome), toolsStarted);
    const { state, isPaused } = afterHeartbeat(job, next.state, { isEmpty, pauseAfterRuns, now: clock.now() });
    if (isPaused) this.#told.push(() => bus.emit("heartbeat.paused", { agentId, runs: state.emptyRuns ?? 0 }));
    return { ...next, state };
  }

  /** Every due time becomes a row, and each job moves on to its next one. */
  #claimDue(emit: (event: ScheduleEvents["cron.changed"]) => void): void {
    const { rows, clock, settings } = this.#deps;
    const now = clock.now();
    const due = rows.dueJobs(now, SCHEDULE_LIMITS.jobsPerStep);
    if (due.length === SCHEDULE_LIMITS.jobsPerStep) this.#isAgain = true;
    for (const job of due) {
      const { claims, skips, state } = decideDue(job, now, settings().missed);
      let next = { ...job, state };
      for (const skip of skips) next = this.#skip(next, skip, { now, cause: "missed" }, emit);
      for (const claim of claims) next = this.#claim(next, claim, now, emit);
      const isOver =
        !isRepeating(job.definition) && nextAtOf(next.state) === null && !rows.openRuns().some(({ jobId }) => jobId === job.id);
      this.#save(next, isOver ? { enabled: false } : {});
    }
  }

  #claim(job: Job, claim: Claim, now: number, emit: (event: ScheduleEvents["cron.changed"]) => void): Job {
    const { rows } = this.#deps;
    const open = rows.openRuns().filter(({ jobId }) => jobId === job.id);
    const { slot, dueMs, cause, attempt, sessionKey } = claim;
    // The clock was set back, and it was decided when this time came before.
    if (cause !== "retry" && rows.isSkipped(job.id, dueMs)) return job;
    const mayWait = cause === "missed" || cause === "wake" || job.definition.overlap === "queue";
    const skip = (reason: string): Job => this.#skip(job, { slot, firstMs: dueMs, lastMs: dueMs, count: 1, reason }, { now, cause }, emit);
    if (open.length > 0 && !mayWait) return skip("an earlier run of the job was not over");
    if (open.length > SCHEDULE_LIMITS.waitingRuns) return skip(`${SCHEDULE_LIMITS.waitingRuns} runs of the job are waiting already`);
    this.#addClaim(job, { slot, cause, dueMs, runId: runIdOf(job.id, slot), now, attempt, wakeSession: sessionKey });
    return job;
  }

  #addClaim(job: Job, { slot, cause, dueMs, runId, now, attempt, wakeSession }: NewClaim): boolean {
    return this.#deps.rows.addRun({
      jobId: job.id,
      slot,
      cause,
      state: "waiting",
      dueAt: dueMs,
      lastDueAt: dueMs,
      dueCount: 1,
      runId,
      claimedAt: now,
      endedAt: null,
      record: {
        jobName: job.definition.name,
        ...(attempt !== undefined && { attempt }),
        ...(wakeSession !== undefined && { wakeSession }),
      },
    });
  }

  /** Records due times that do not run. Those of a slot that is in the ledger were decided before. */
  #skip(
    job: Job,
    skip: Skip,
    { now, cause }: { now: number; cause: CronRunCause },
    emit: (event: ScheduleEvents["cron.changed"]) => void,
  ): Job {
    const { slot, firstMs, lastMs, count, reason } = skip;
    const isNew = this.#deps.rows.addRun({
      jobId: job.id,
      slot,
      cause,
      state: "skipped",
      dueAt: firstMs,
      lastDueAt: lastMs,
      dueCount: count,
      runId: null,
      claimedAt: now,
      endedAt: now,
      record: { jobName: job.definition.name, error: reason },
    });
    if (!isNew) return job;
    emit({ jobId: job.id, action: "finished", run: { runId: null, status: "skipped", count } });
    return { ...job, state: toSkippedState(job.state, reason, count) };
  }

  /** Claimed runs for which there is a place now: one of each job, and not more in all than the configuration permits. */
  #startWaiting(emit: (event: ScheduleEvents["cron.changed"]) => void): UnitOfWork<unknown>[] {
    const { rows, settings } = this.#deps;
    const open = rows.openRuns();
    const busy = new Set(open.flatMap(({ state, jobId }) => (state === "running" ? [jobId] : [])));
    let places = settings().maxConcurrentRuns - open.filter(({ state }) => state === "running").length;
    const units: UnitOfWork<unknown>[] = [];
    for (const run of open) {
      if (places <= 0) break;
      if (run.state !== "waiting" || busy.has(run.jobId)) continue;
      const unit = this.#startRun(run, emit);
      if (unit === null) continue;
      places--;
      busy.add(run.jobId);
      units.push(unit);
    }
    return units;
  }

  /** The admission of a claimed run; null when there is nothing to admit. */
  #startRun(run: JobRun, emit: (event: ScheduleEvents["cron.changed"]) => void): UnitOfWork<unknown> | null {
    const { rows, clock, plan, prepare } = this.#deps;
    const now = clock.now();
    const job = rows.job(run.jobId);
    if (!job) return this.#endUnstarted(run, null, "the job was removed", emit);
    if (!job.enabled && run.cause !== "manual") return this.#endUnstarted(run, job, "the job was disabled", emit);
    const planned = plan(job, run);
    if (planned.kind === "refused") return this.#endUnstarted(run, job, planned.reason, emit, planned.code);
    const started = { jobId: job.id, action: "started", run: { runId: run.runId, lagMs: now - run.dueAt } } as const;
    if (planned.kind === "note") {
      this.#deps.addNote(planned.sessionKey, planned.text);
      rows.startRun(run.seq, now, { ...run.record, sessionKey: planned.sessionKey, delivery: "none" });
      emit(started);
      const outcome: RunOutcome = { status: "ok", text: planned.text, stopReason: "stop", endedAt: now };
      this.#endRun(
        { ...run, state: "running", startedAt: now, record: { ...run.record, sessionKey: planned.sessionKey } },
        { outcome, toolsStarted: false },
        emit,
      );
      return null;
    }
    const { submission, delivery, deliveryError } = planned;
    try {
      const unit = prepare(submission);
      const record: RunRecord = {
        ...run.record,
        sessionKey: submission.sessionKey,
        delivery,
        ...(deliveryError !== undefined && { deliveryError }),
        ...(submission.target && { channel: submission.target.channel }),
      };
      rows.startRun(run.seq, now, record);
      emit(started);
      return unit;
    } catch (err) {
      if (!(err instanceof GatewayError) || err.details?.["code"] !== "LANE_FULL") throw err;
      return this.#endUnstarted(run, job, err.message, emit);
    }
  }

  /** A claimed run that cannot start. */
  #endUnstarted(run: JobRun, job: Job | null, reason: string, emit: (event: ScheduleEvents["cron.changed"]) => void, code?: string): null {
    const { rows, clock, heartbeats } = this.#deps;
    const record = { ...run.record, error: reason, ...(code !== undefined && { reason: code }) };
    if (!rows.endRun(run.seq, "skipped", clock.now(), record)) return null;
    emit({ jobId: run.jobId, action: "finished", run: { runId: run.runId, status: "skipped", count: 1 } });
    if (job?.definition.payload.kind === "heartbeat") {
      const { agentId } = heartbeats.settings(job);
      const base = { ts: clock.now(), agentId, durationMs: 0, hasMedia: false } as const;
      this.#keepHeartbeat({ ...base, status: "skipped", reason: code ?? "not-started", message: reason });
    }
    if (job) {
      const isOver = !isRepeating(job.definition) && nextAtOf(job.state) === null;
      this.#save(job, { state: toSkippedState(job.state, reason, 1), ...(isOver && { enabled: false }) });
    }
    return null;
  }

  #save(job: Job, change: { state?: JobState; enabled?: boolean }): void {
    const next = { ...job, ...change };
    this.#deps.rows.saveJob({ ...next, nextAt: nextAtOf(next.state) });
  }

  /**
   * Asks for a run of a heartbeat soon, in its session or another one. Several wishes for one session are one run. False: the job does not
   * run at all.
   */
  async wakeJob(id: string, sessionKey: string | null): Promise<boolean> {
    const { rows, store, clock, settings } = this.#deps;
    if (!settings().enabled) return false;
    const isAsked = await store.write((): boolean => {
      const job = rows.job(id);
      if (!job?.enabled) return false;
      const { wakes = [], lastRunAtMs = 0 } = job.state;
      const isKnown = wakes.some((wake) => wake.sessionKey === sessionKey);
      if (isKnown || wakes.length >= SCHEDULE_LIMITS.wakesWaiting) return true;
      const starts = rows.openRuns().flatMap(({ jobId, startedAt }) => (jobId === id && startedAt !== null ? [startedAt] : []));
      const last = Math.min(Math.max(lastRunAtMs, ...starts), clock.now());
      const atMs = Math.max(clock.now(), last + SCHEDULE_LIMITS.wakeSpacingMs);
      this.#save(job, { state: { ...job.state, wakes: [...wakes, { atMs, sessionKey }] } });
      return true;
    });
    if (isAsked) await this.wake();
    return isAsked;
  }

  /** A run that a person asks for. `due`: only what is due. */
  async runNow(id: string, mode: "due" | "force" | "if-enabled"): Promise<ManualRun> {
    const { rows, store, clock } = this.#deps;
    const answer = await store.write((): ManualRun | null => {
      const job = rows.job(id);
      if (!job) throw noSuchJob(id);
      const now = clock.now();
      if (mode === "due")
        return job.enabled && job.nextAt !== null && job.nextAt <= now ? null : { ok: true, ran: false, reason: "not-due" };
      if (mode === "if-enabled" && !job.enabled) return { ok: true, ran: false, reason: "disabled" };
      const isOpen = rows.openRuns().some(({ jobId }) => jobId === id);
      if (isOpen && job.definition.overlap !== "queue") return { ok: true, ran: false, reason: "already-running" };
      for (let count = 1; ; count++) {
        const slot = `manual:${now}:${count}`;
        const runId = asId<RunId>(`manual:${id}:${now}:${count}`);
        if (this.#addClaim(job, { slot, cause: "manual", dueMs: now, runId, now })) return { ok: true, enqueued: true, runId };
      }
    });
    await this.wake();
    if (answer !== null) return answer;
    const run = rows.runs({ jobId: id }, 1)[0];
    return run?.runId ? { ok: true, enqueued: true, runId: run.runId } : { ok: true, ran: false, reason: "not-due" };
  }
}

type EndedRun = { outcome: RunOutcome; toolsStarted: boolean; sessionId?: string | undefined };
type NewClaim = {
  slot: string;
  cause: CronRunCause;
  dueMs: number;
  runId: RunId;
  now: number;
  attempt?: number | undefined;
  wakeSession?: string | undefined;
};

/** The events in the context of a message: each begins with a hyphen, and its further lines are quotations. Pure. */
const eventsIn = (context: string | null): string[] =>
  (context ?? "")
    .split("\n- ")
    .slice(1)
    .map((event) => event.split("\n\n")[0]!.replaceAll("\n> ", "\n"));

/** The same for every attempt to start the run of a slot, so that the inbox refuses a second one. */
const runIdOf = (jobId: string, slot: string): RunId => asId<RunId>(`cron:${jobId}:${slot.replace(/^due:/, "")}`);

export const noSuchJob = (id: string): GatewayError =>
  detailError("CRON_JOB_NOT_FOUND", `the job ${JSON.stringify(id.slice(0, 64))} was not found`, {
    details: { jobId: id.slice(0, 64) },
    fix: "openclaw cron list --all shows the jobs.",
  });

const toSkippedState = (state: JobState, reason: string, count: number): JobState => ({
  ...state,
  lastStatus: "skipped",
  lastError: reason,
  consecutiveSkipped: state.consecutiveSkipped + count,
});
