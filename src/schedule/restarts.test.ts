// Group: wire
// Restarts, kills, jumps of the clock and changes of the time zones: each due time is decided exactly once.
//   SCHEDULE_SCENARIOS=1000 SCHEDULE_DAYS=365 node --test src/schedule/restarts.test.ts    more of them, and a year of 200 jobs
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Bus } from "../core/bus.ts";
import type { RunId } from "../core/ids.ts";
import { silentLog } from "../core/log.ts";
import { silentMetrics } from "../core/metrics.ts";
import { createCronRows } from "../store/cron.ts";
import { createKeyValueStore } from "../store/key-value.ts";
import { openStore } from "../store/open.ts";
import type { TurnEvents } from "../turns/events.ts";
import { FakeClock } from "../../test/fakes/fake-clock.ts";
import { heartbeatOf, LOOKUPS } from "../../test/fakes/schedule-bench.ts";
import { placeStore } from "../../test/fakes/store-template.ts";
import { settled } from "../../test/until.ts";
import { nextDue } from "./due-times.ts";
import type { ScheduleEvents } from "./events.ts";
import type { JobDefinition, JobSchedule, JobState, RunRecord } from "./job.ts";
import { ScheduleService, type ScheduleDeps } from "./service.ts";

const SCENARIOS = Number(process.env["SCHEDULE_SCENARIOS"] ?? 50);
/** Days in virtual time of 200 jobs. */
const DAYS = Number(process.env["SCHEDULE_DAYS"] ?? 3);
const MINUTE = 60_000;
const HOUR = 3_600_000;
const ROOT = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
/** A day before the clocks of each zone change, in both directions. */
const CHANGES: readonly (readonly [zone: string, at: string])[] = [
  ["Europe/Berlin", "2026-03-28T12:00:00Z"],
  ["Europe/Berlin", "2026-10-24T12:00:00Z"],
  ["America/New_York", "2026-03-07T12:00:00Z"],
  ["America/New_York", "2026-10-31T12:00:00Z"],
  ["Australia/Lord_Howe", "2026-04-03T12:00:00Z"],
  ["Australia/Lord_Howe", "2026-10-02T12:00:00Z"],
  ["America/Santiago", "2026-04-04T00:00:00Z"],
  ["America/Santiago", "2026-09-05T00:00:00Z"],
  ["Pacific/Auckland", "2026-04-03T12:00:00Z"],
  ["Pacific/Auckland", "2026-09-25T12:00:00Z"],
];

/** Numbers that follow from a seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed * 2_654_435_761 + 1;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 0x9e3779b9) | 0;
    return ((state ^ (state >>> 13)) >>> 0) % below;
  };
}

type Wire = Record<string, unknown>;

/** The schedule over a real store. A run is admitted in its transaction and has ended at once; how often it was admitted is kept. */
function openSchedule(dir: string, clock: FakeClock, zone: string) {
  placeStore(dir);
  const store = openStore({ dir, log: silentLog });
  const keyValue = createKeyValueStore(store);
  const rows = createCronRows<JobDefinition, JobState, RunRecord>(store);
  const admitted = (runId: string): number => Number(keyValue.get(`run:${runId}`) ?? 0);
  const heartbeat = heartbeatOf({ everyMs: 45 * MINUTE, activeHours: { start: 60, end: 4 * 60, tz: zone } });
  const deps: ScheduleDeps = {
    rows,
    store,
    clock,
    bus: new Bus<TurnEvents & ScheduleEvents>((err) => {
      throw err;
    }),
    log: silentLog,
    metrics: silentMetrics,
    inbox: {
      byRun: ((runId: string) =>
        admitted(runId) === 0
          ? undefined
          : {
              outcome: { status: "ok", text: "HEARTBEAT_OK", stopReason: "stop", endedAt: clock.now() },
              toolsStarted: false,
              state: "done",
              payload: null,
            }) as never,
    },
    outbox: { byIntent: () => [] },
    settings: () => ({ enabled: true, maxConcurrentRuns: 100, missed: "once", maxRetries: 0, failureAlert: { enabled: true, after: 2 } }),
    alert: () => () => {},
    prepare: ({ runId }) => ({
      apply: () => keyValue.set(`run:${runId}`, admitted(String(runId)) + 1, clock.now()),
      onCommit: () => ({}) as never,
      onRollback: () => {},
    }),
    addNote: () => {},
    lookups: {
      ...LOOKUPS,
      heartbeat: () => heartbeat,
      instructions: () => "- look",
      waitingEvents: () => ({ count: 0, isExternal: false }),
      isBusy: () => false,
      hasAnyModel: () => true,
      ownerTarget: () => null,
    },
    heartbeats: {
      prepare: () => Promise.resolve(),
      settings: () => ({ agentId: "main", ackMaxChars: 300, pauseAfterRuns: 0 }),
      save: () => {},
    },
    newId: () => `job-${rows.countJobs()}`,
    zone: () => zone,
    storePath: "store",
  };
  const service = new ScheduleService(deps);
  const stop = (): void => {
    service.scheduler.stop();
    store.close();
  };
  return { service, rows, heartbeat, stop, admitted: (runId: RunId) => admitted(String(runId)) };
}

const POLICIES = ["skip", "once", "all"] as const;

async function addJobs(service: ScheduleService, random: (below: number) => number, zone: string): Promise<void> {
  const job = (name: string, schedule: object): Wire => ({
    name,
    schedule,
    sessionTarget: "isolated",
    payload: { kind: "agentTurn", message: "go" },
    missed: { policy: POLICIES[random(3)]! },
    overlap: random(2) === 0 ? "skip" : "queue",
  });
  const grant = { by: "operator" } as const;
  await service.add(job("daily", { kind: "cron", expr: `${random(60)} ${1 + random(3)} * * *`, tz: zone }), grant);
  await service.add(job("hourly", { kind: "cron", expr: `${random(60)} * * * *`, tz: zone }), grant);
  await service.add(job("interval", { kind: "every", everyMs: (20 + random(200)) * MINUTE }), grant);
}

type Seen = { latest: number };

/** One machine with its clock, on which the schedule is stopped, killed and started again. */
async function play(seed: number): Promise<void> {
  const random = randomOf(seed);
  const [zone, at] = CHANGES[seed % CHANGES.length]!;
  const clock = new FakeClock(Date.parse(at) + random(60) * MINUTE);
  let dir = mkdtempSync(join(ROOT, "restarts-"));
  let running = openSchedule(dir, clock, zone);
  const seen: Seen = { latest: clock.now() };
  try {
    await running.service.syncHeartbeats([running.heartbeat]);
    await addJobs(running.service, random, zone);
    await running.service.scheduler.start();
    for (let step = 0; step < 20; step++) {
      const choice = random(10);
      if (choice === 0) clock.jump((random(5) - 2) * 37 * MINUTE);
      const restart = choice === 1 || choice === 2;
      if (restart)
        ({ dir, running } = await restartAt(dir, running, { clock, zone, downMs: random(8 * 60) * MINUTE, isKilled: choice === 2 }));
      clock.advance((1 + random(300)) * MINUTE);
      seen.latest = Math.max(seen.latest, clock.now());
      await running.service.scheduler.wake();
      await settled(2);
    }
    // One run of each job at a time: those that wait follow.
    while (running.rows.openRuns().length > 0) await running.service.scheduler.wake();
    checkLedger(running, seen, `seed ${seed}, ${zone}`);
  } finally {
    running.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

type Restart = { clock: FakeClock; zone: string; downMs: number; isKilled: boolean };

/** Killed: the files stay as they are in the middle of a step. */
async function restartAt(dir: string, running: ReturnType<typeof openSchedule>, { clock, zone, downMs, isKilled }: Restart) {
  const next = mkdtempSync(join(ROOT, "restarts-"));
  const step = isKilled ? running.service.scheduler.wake() : Promise.resolve();
  cpSync(dir, next, { recursive: true });
  await step;
  running.stop();
  rmSync(dir, { recursive: true, force: true });
  clock.skip(downMs);
  const again = openSchedule(next, clock, zone);
  await again.service.syncHeartbeats([again.heartbeat]);
  await again.service.scheduler.start();
  return { dir: next, running: again };
}

/** Each due time since a job was made is in exactly one row, nothing ran twice, and what did not run has a reason. */
function checkLedger({ rows, admitted }: ReturnType<typeof openSchedule>, { latest }: Seen, where: string): void {
  for (const job of rows.jobs()) {
    const what = `${where}, ${job.definition.name}`;
    const log = rows.runs({ jobId: job.id, ascending: true }, 100_000);
    const ran = log.filter(({ state }) => state === "ok");
    const skipped = log.filter(({ state }) => state === "skipped");
    assert.equal(log.length, ran.length + skipped.length, `${what}: every row has ended`);
    for (const { runId } of ran) assert.equal(admitted(runId!), 1, `${what}: ${runId} was admitted once`);
    for (const { record } of skipped) assert.ok((record.error ?? "").length > 10, `${what}: a skipped time has a reason`);
    const due = dueSince(job.definition.schedule, job.definition.createdAtMs, latest, job.id);
    assert.ok(due.length > 0, what);
    const ranAt = new Set(ran.map(({ dueAt }) => dueAt));
    for (const time of due) {
      const inSkips = skipped.filter(({ dueAt, lastDueAt }) => dueAt <= time && lastDueAt >= time).length;
      const found = (ranAt.has(time) ? 1 : 0) + (inSkips > 0 && !ranAt.has(time) ? 1 : 0);
      assert.equal(found, 1, `${what}: ${new Date(time).toISOString()} is decided once`);
    }
  }
}

function dueSince(schedule: JobSchedule, from: number, to: number, jobId: string): number[] {
  const found: number[] = [];
  for (let time = nextDue(schedule, from, jobId); time !== null && time <= to; time = nextDue(schedule, time, jobId)) found.push(time);
  return found;
}

test(`T11.1: ${SCENARIOS} schedules of restarts, kills and jumps of the clock: nothing is lost or doubled, and each skip has a reason`, async () => {
  for (let seed = 1; seed <= SCENARIOS; seed++) await play(seed);
});

test(`${DAYS} days of 200 jobs, with a kill on some of them: each due time runs once, and at most one timer waits`, async () => {
  const zone = "Europe/Berlin";
  const random = randomOf(7);
  const clock = new FakeClock(Date.parse("2026-01-31T23:10:00Z"));
  let dir = mkdtempSync(join(ROOT, "year-"));
  let running = openSchedule(dir, clock, zone);
  const ran = new Map<string, number[]>();
  const collect = (): void => {
    for (const { jobId, dueAt, state } of running.rows.runs({ ascending: true }, 100_000)) {
      if (running.rows.job(jobId)?.definition.payload.kind === "heartbeat") continue;
      assert.equal(state, "ok");
      ran.set(jobId, [...(ran.get(jobId) ?? []), dueAt]);
    }
  };
  try {
    for (let index = 0; index < 200; index++) {
      const days = ["*", "1-5", "1,3,5"][random(3)]!;
      const schedule = { kind: "cron", expr: `${random(2) * 30} ${random(24)} * * ${days}`, tz: zone };
      const job = { name: `job ${index}`, schedule, sessionTarget: "isolated", payload: { kind: "agentTurn", message: "go" } };
      await running.service.add(job, { by: "operator" });
    }
    await running.service.scheduler.start();
    const from = clock.now();
    for (let day = 0; day < DAYS; day++) {
      for (let step = 0; step < 48; step++) {
        clock.advance(30 * MINUTE);
        await running.service.scheduler.wake();
        while (running.rows.openRuns().length > 0) await running.service.scheduler.wake();
        assert.ok(clock.pending().length <= 1);
      }
      if (day % 60 === 1) ({ dir, running } = await restartAt(dir, running, { clock, zone, downMs: 0, isKilled: true }));
    }
    collect();
    for (const { id, definition } of running.rows.jobs()) {
      const due = dueSince(definition.schedule, from, clock.now(), id);
      if (definition.payload.kind !== "heartbeat") assert.deepEqual(ran.get(id) ?? [], due, definition.name);
    }
  } finally {
    running.stop();
    rmSync(dir, { recursive: true, force: true });
  }
});

test("T11.1: a daily job is due once on each day of its zone, also when the clocks change", () => {
  for (const [zone, at] of CHANGES) {
    const day = new Intl.DateTimeFormat("en-CA", { dateStyle: "short", timeZone: zone });
    for (const minute of [0, 15, 30, 45])
      for (const hour of [1, 2, 3]) {
        const schedule: JobSchedule = { kind: "cron", expr: `${minute} ${hour} * * *`, tz: zone };
        const from = Date.parse(at) - 2 * 24 * HOUR;
        const days = dueSince(schedule, from, from + 6 * 24 * HOUR, "").map((time) => day.format(time));
        assert.equal(new Set(days).size, days.length, `${zone} ${hour}:${minute} ${days.join(" ")}`);
        assert.ok(days.length === 6 || days.length === 5 || days.length === 7, `${zone} ${hour}:${minute} ${days.join(" ")}`);
      }
  }
});
