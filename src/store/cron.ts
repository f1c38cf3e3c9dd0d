import { crc32 } from "node:zlib";
import type { RunId } from "../core/ids.ts";
import type { Store } from "./open.ts";
import { decodeRow, decodeRows } from "./row-decoding.ts";

/** A job as it is stored. What `definition` and `state` hold is the business of the module `schedule`. */
export type CronJobRow<D = unknown, S = unknown> = {
  id: string;
  enabled: boolean;
  /** When something of the job is due next; null: never. */
  nextAt: number | null;
  definition: D;
  state: S;
  updatedAt: number;
};

/** `waiting`: claimed, not started. `running`: in the inbox. The others are the end. */
export type CronRunState = "waiting" | "running" | "ok" | "error" | "skipped";
export type CronRunCause = "schedule" | "missed" | "retry" | "manual" | "wake";

/** One due time of a job and what became of it: the ledger, and at the same time the log of runs. */
export type CronRunRow<R = unknown> = {
  seq: number;
  jobId: string;
  slot: string;
  cause: CronRunCause;
  state: CronRunState;
  dueAt: number;
  /** Differs from `dueAt` where one row stands for several due times that were skipped. */
  lastDueAt: number;
  dueCount: number;
  runId: RunId | null;
  claimedAt: number;
  startedAt: number | null;
  endedAt: number | null;
  record: R;
};

export type NewCronRun<R> = Omit<CronRunRow<R>, "seq" | "startedAt">;

export type CronRunQuery = {
  jobId?: string;
  runId?: string;
  states?: readonly CronRunState[];
  ascending?: boolean;
};

type JobSqlRow = { id: string; enabled: number; nextAt: number | null; definition: string; state: string; crc: number; updatedAt: number };
type RunSqlRow = Omit<CronRunRow, "record"> & { record: string };

const JOB_COLUMNS = "id, enabled, next_at AS nextAt, definition, state, crc, updated_at AS updatedAt";
const RUN_COLUMNS = `seq, job_id AS jobId, slot, cause, state, due_at AS dueAt, last_due_at AS lastDueAt, due_count AS dueCount, run_id AS runId,
  claimed_at AS claimedAt, started_at AS startedAt, ended_at AS endedAt, record`;

const jobKey = ({ id }: JobSqlRow): string => `cron_jobs ${id}`;
const runKey = ({ seq }: RunSqlRow): string => `cron_runs ${seq}`;

/** Throws for a job whose checksum does not match: it does not run. */
function toJob<D, S>({ crc, definition, state, enabled, ...row }: JobSqlRow): CronJobRow<D, S> {
  if (crc32(definition) !== crc) throw new TypeError("the checksum does not match");
  return { ...row, enabled: enabled === 1, definition: JSON.parse(definition) as D, state: JSON.parse(state) as S };
}
const toRun = <R>(row: RunSqlRow): CronRunRow<R> => ({ ...row, record: JSON.parse(row.record) as R });

export type CronRows<D, S, R> = ReturnType<typeof createCronRows<D, S, R>>;

/** Jobs and the ledger of their due times. What changes rows runs inside a `store.write`. */
export const createCronRows = <D, S, R>(store: Store) => ({ ...createJobRows<D, S>(store), ...createRunRows<R>(store) });

function createJobRows<D, S>(store: Store) {
  const jobs = (rows: readonly JobSqlRow[]): CronJobRow<D, S>[] => decodeRows(store, rows, jobKey, toJob<D, S>);
  return {
    /** Adds a job, or replaces it. */
    saveJob({ id, enabled, nextAt, definition, state, updatedAt }: CronJobRow<D, S>): void {
      const text = JSON.stringify(definition);
      store.run(
        `INSERT INTO cron_jobs (id, enabled, next_at, definition, state, crc, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET enabled = excluded.enabled, next_at = excluded.next_at, definition = excluded.definition,
           state = excluded.state, crc = excluded.crc, updated_at = excluded.updated_at`,
        id,
        enabled ? 1 : 0,
        nextAt,
        text,
        JSON.stringify(state),
        crc32(text),
        updatedAt,
      );
    },

    removeJob: (id: string): boolean => store.run("DELETE FROM cron_jobs WHERE id = ?", id) > 0,

    job: (id: string): CronJobRow<D, S> | undefined =>
      decodeRow(store, store.get<JobSqlRow>(`SELECT ${JOB_COLUMNS} FROM cron_jobs WHERE id = ?`, id), jobKey, toJob<D, S>),

    jobs: (): CronJobRow<D, S>[] => jobs(store.all<JobSqlRow>(`SELECT ${JOB_COLUMNS} FROM cron_jobs ORDER BY id`)),

    countJobs: (): number => store.get<{ n: number }>("SELECT count(*) AS n FROM cron_jobs")!.n,

    /** Enabled jobs of which something is due, the longest first. */
    dueJobs: (now: number, limit: number): CronJobRow<D, S>[] =>
      jobs(
        store.all<JobSqlRow>(
          `SELECT ${JOB_COLUMNS} FROM cron_jobs WHERE enabled = 1 AND next_at IS NOT NULL AND next_at <= ? ORDER BY next_at LIMIT ?`,
          now,
          limit,
        ),
      ),

    /** When something is due next; null: never. */
    nextAt: (): number | null =>
      store.get<{ at: number | null }>("SELECT min(next_at) AS at FROM cron_jobs WHERE enabled = 1 AND next_at IS NOT NULL")!.at,
  };
}

function createRunRows<R>(store: Store) {
  const runs = (rows: readonly RunSqlRow[]): CronRunRow<R>[] => decodeRows(store, rows, runKey, toRun<R>);
  return {
    /** False when the slot has a row: the due time was decided before. */
    addRun: ({ jobId, slot, cause, state, dueAt, lastDueAt, dueCount, runId, claimedAt, endedAt, record }: NewCronRun<R>): boolean =>
      store.run(
        `INSERT INTO cron_runs (job_id, slot, cause, state, due_at, last_due_at, due_count, run_id, claimed_at, ended_at, record)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
        jobId,
        slot,
        cause,
        state,
        dueAt,
        lastDueAt,
        dueCount,
        runId,
        claimedAt,
        endedAt,
        JSON.stringify(record),
      ) > 0,

    /** Whether a due time is one of those that were skipped together. */
    isSkipped: (jobId: string, dueAt: number): boolean =>
      store.get(
        "SELECT 1 AS found FROM cron_runs WHERE job_id = ? AND state = 'skipped' AND cause = 'missed' AND due_at <= ? AND last_due_at >= ? LIMIT 1",
        jobId,
        dueAt,
        dueAt,
      ) !== undefined,

    /** The claimed run is in the inbox. */
    startRun: (seq: number, at: number, record: R): boolean =>
      store.run(
        "UPDATE cron_runs SET state = 'running', started_at = ?, record = ? WHERE seq = ? AND state = 'waiting'",
        at,
        JSON.stringify(record),
        seq,
      ) > 0,

    /** False when it has ended before: the first end counts. */
    endRun: (seq: number, state: "ok" | "error" | "skipped", at: number, record: R): boolean =>
      store.run(
        "UPDATE cron_runs SET state = ?, ended_at = ?, record = ? WHERE seq = ? AND state IN ('waiting', 'running')",
        state,
        at,
        JSON.stringify(record),
        seq,
      ) > 0,

    /** Rows that have not ended, in the order of their claims. */
    openRuns: (): CronRunRow<R>[] =>
      runs(store.all<RunSqlRow>(`SELECT ${RUN_COLUMNS} FROM cron_runs WHERE state IN ('waiting', 'running') ORDER BY seq`)),

    /** The log, the newest first unless asked otherwise; at most `limit` rows. */
    runs({ jobId, runId, states, ascending = false }: CronRunQuery, limit: number): CronRunRow<R>[] {
      const where = [
        ...(jobId === undefined ? [] : ["job_id = ?"]),
        ...(runId === undefined ? [] : ["run_id = ?"]),
        ...(states === undefined ? [] : [`state IN (${states.map(() => "?").join(", ")})`]),
      ];
      return runs(
        store.all<RunSqlRow>(
          `SELECT ${RUN_COLUMNS} FROM cron_runs ${where.length > 0 ? `WHERE ${where.join(" AND ")}` : ""} ORDER BY seq ${ascending ? "ASC" : "DESC"} LIMIT ?`,
          ...(jobId === undefined ? [] : [jobId]),
          ...(runId === undefined ? [] : [runId]),
          ...(states ?? []),
          limit,
        ),
      );
    },

    /** Removes at most `limit` that ended before, and those beyond `keep`. True: more are left. */
    prune(before: number, limit: number, keep: number): boolean {
      const byAge = store.run(
        "DELETE FROM cron_runs WHERE seq IN (SELECT seq FROM cron_runs WHERE ended_at < ? ORDER BY ended_at LIMIT ?)",
        before,
        limit,
      );
      const byCount = store.run(
        "DELETE FROM cron_runs WHERE seq IN (SELECT seq FROM cron_runs WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT ? OFFSET ?)",
        limit,
        keep,
      );
      return byAge >= limit || byCount >= limit;
    },
  };
}
