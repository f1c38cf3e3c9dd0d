import { createHash } from "node:crypto";
import { Cron } from "croner";
import { reasonOf } from "../core/errors.ts";
import { isActive, nextStart } from "./active-hours.ts";
import type { JobSchedule } from "./job.ts";
import { SCHEDULE_LIMITS } from "./limits.ts";

/** Parsed expressions; parsing one costs as much as a hundred due times. */
const parsed = new Map<string, Cron>();
const PARSED = 200;

function parse(expr: string, tz: string): Cron {
  const key = `${tz} ${expr}`;
  const known = parsed.get(key);
  if (known) return known;
  const cron = new Cron(expr, { timezone: tz, paused: true });
  if (parsed.size >= PARSED) parsed.clear();
  parsed.set(key, cron);
  return cron;
}

/**
 * The shift of the due times of one job within its window, the same for every due time and after every restart. Zero without a window.
 * Pure.
 */
export function staggerOf(schedule: JobSchedule, jobId: string): number {
  const windowMs = schedule.kind === "cron" ? (schedule.staggerMs ?? 0) : 0;
  if (windowMs <= 0) return 0;
  const hash = createHash("sha256").update(jobId).digest().readUInt32BE(0);
  return Math.floor((hash / 2 ** 32) * windowMs);
}

type Interval = Extract<JobSchedule, { kind: "every" }>;

function nextInterval({ everyMs, anchorMs }: Interval, after: number): number {
  if (after < anchorMs) return anchorMs;
  return anchorMs + (Math.floor((after - anchorMs) / everyMs) + 1) * everyMs;
}

/** What would be due outside of the active hours is due once, when they begin. Pure. */
function nextActive(schedule: Interval, hours: NonNullable<Interval["activeHours"]>, after: number): number {
  const next = nextInterval(schedule, after);
  const moved = isActive(hours, next) ? next : nextStart(hours, next);
  if (isActive(hours, after)) return moved;
  const start = nextStart(hours, after);
  const last = next - schedule.everyMs;
  const isOwed = last >= schedule.anchorMs && last <= after && !isActive(hours, last) && nextStart(hours, last) === start;
  return isOwed ? Math.min(start, moved) : moved;
}

/**
 * The first due time after a moment; null: there is none. In a zone that sets its clock forward, a time that does not exist is due at the
 * moment of the change; a time that exists twice is due once, the first time. Expressions for every hour or every few minutes follow the
 * time that passes. Pure.
 */
export function nextDue(schedule: JobSchedule, after: number, jobId = ""): number | null {
  if (schedule.kind === "at") {
    const at = Date.parse(schedule.at);
    return at > after ? at : null;
  }
  if (schedule.kind === "every")
    return schedule.activeHours ? nextActive(schedule, schedule.activeHours, after) : nextInterval(schedule, after);
  const shift = staggerOf(schedule, jobId);
  const next = parse(schedule.expr, schedule.tz).nextRun(new Date(after - shift));
  return next === null ? null : next.getTime() + shift;
}

export type DueTimes = {
  /** Due times from `first` to `until`, the oldest first; of more than `limit`, the newest. */
  times: readonly number[];
  /** How many there are; at least so many, where `isCounted` is false. */
  count: number;
  isCounted: boolean;
  /** The first one after `until`. */
  next: number | null;
};

/** Of too many intervals with active hours only those are listed that are on time. Pure. */
function tooMany(schedule: Interval, { until, limit, jobId }: { until: number; limit: number; jobId: string }): DueTimes {
  const recent: number[] = [];
  for (
    let at = nextDue(schedule, until - SCHEDULE_LIMITS.graceMs - 1, jobId);
    at !== null && at <= until;
    at = nextDue(schedule, at, jobId)
  )
    recent.push(at);
  return { times: recent, count: limit, isCounted: false, next: nextDue(schedule, until, jobId) };
}

/** All due times from one that is known until a moment. Pure. */
export function dueTimes(
  schedule: JobSchedule,
  first: number,
  { until, limit, jobId }: { until: number; limit: number; jobId: string },
): DueTimes {
  if (schedule.kind === "at") return { times: [first], count: 1, isCounted: true, next: null };
  if (schedule.kind === "every" && !schedule.activeHours) {
    const last = nextDue(schedule, until)! - schedule.everyMs;
    const count = Math.max(1, Math.floor((last - first) / schedule.everyMs) + 1);
    const kept = Math.min(count, limit);
    const newest = Math.max(first, last);
    const times = Array.from({ length: kept }, (_, index) => newest - (kept - 1 - index) * schedule.everyMs);
    return { times: count === kept ? [first, ...times.slice(1)] : times, count, isCounted: true, next: nextDue(schedule, until) };
  }
  const times = [first];
  for (let at = nextDue(schedule, first, jobId); at !== null && at <= until; at = nextDue(schedule, at, jobId)) {
    times.push(at);
    if (times.length <= limit) continue;
    if (schedule.kind === "every") return tooMany(schedule, { until, limit, jobId });
    // Too many to be listed: the newest are what may still be run.
    const shift = staggerOf(schedule, jobId);
    const newest = parse(schedule.expr, schedule.tz)
      .previousRuns(limit, new Date(until - shift + 1))
      .map((date) => date.getTime() + shift)
      .toSorted((a, b) => a - b);
    return { times: newest, count: limit, isCounted: false, next: nextDue(schedule, until, jobId) };
  }
  return { times, count: times.length, isCounted: true, next: nextDue(schedule, until, jobId) };
}

/** The next due times, for people. Pure. */
export function upcoming(schedule: JobSchedule, after: number, count: number, jobId = ""): readonly number[] {
  const times: number[] = [];
  for (let at = nextDue(schedule, after, jobId); at !== null && times.length < count; at = nextDue(schedule, at, jobId)) times.push(at);
  return times;
}

/** Why an expression cannot be used; null when it can. Pure. */
export function expressionProblem(expr: string, tz: string, now: number): string | null {
  try {
    return new Cron(expr, { timezone: tz, paused: true }).nextRun(new Date(now)) === null ? "no such time ever comes" : null;
  } catch (err) {
    return reasonOf(err).replace(/^CronPattern: /, "");
  }
}
