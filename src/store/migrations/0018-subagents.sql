-- Tasks that agents gave to other sessions, and whether their results were handed back.
CREATE TABLE subagent_tasks (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  -- The run of the task in its own session.
  run_id TEXT NOT NULL UNIQUE,
  child_key TEXT NOT NULL,
  parent_key TEXT NOT NULL,
  -- waiting, running; ok, error, aborted, timeout: the end
  state TEXT NOT NULL,
  -- pending; reading: a tool call of the run `reader` has the result; delivered, undelivered, none: the end
  delivery TEXT NOT NULL,
  reader TEXT,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  record TEXT NOT NULL,
  crc INTEGER NOT NULL
) STRICT;
CREATE INDEX subagent_tasks_open ON subagent_tasks (seq) WHERE state IN ('waiting', 'running') OR delivery IN ('pending', 'reading');
CREATE INDEX subagent_tasks_child ON subagent_tasks (child_key, seq);
CREATE INDEX subagent_tasks_parent ON subagent_tasks (parent_key, seq);
CREATE INDEX subagent_tasks_ended ON subagent_tasks (ended_at) WHERE ended_at IS NOT NULL;
