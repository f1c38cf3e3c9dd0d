CREATE TABLE cron_jobs (
  id TEXT PRIMARY KEY,
  enabled INTEGER NOT NULL,
  -- When something of the job is due next: its next due time, or a retry before it. Null: never.
  next_at INTEGER,
  definition TEXT NOT NULL,
  state TEXT NOT NULL,
  crc INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX cron_jobs_next ON cron_jobs (next_at) WHERE enabled = 1 AND next_at IS NOT NULL;
CREATE TABLE cron_runs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  job_id TEXT NOT NULL,
  -- What makes the row unique: a due time, a retry of it, or a run that was asked for.
  slot TEXT NOT NULL,
  cause TEXT NOT NULL,
  state TEXT NOT NULL,
  due_at INTEGER NOT NULL,
  -- A row for several due times that were skipped for one reason: the last of them, and how many.
  last_due_at INTEGER NOT NULL,
  due_count INTEGER NOT NULL,
  run_id TEXT,
  claimed_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  record TEXT NOT NULL,
  UNIQUE (job_id, slot)
) STRICT;
CREATE INDEX cron_runs_open ON cron_runs (state, seq) WHERE state IN ('waiting', 'running');
CREATE INDEX cron_runs_run ON cron_runs (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX cron_runs_job ON cron_runs (job_id, seq);
CREATE INDEX cron_runs_ended ON cron_runs (ended_at) WHERE ended_at IS NOT NULL;
