CREATE TABLE audit (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  status TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  session_key TEXT NOT NULL,
  session_id TEXT,
  run_id TEXT NOT NULL,
  call_id TEXT,
  tool TEXT,
  authority TEXT,
  subject TEXT,
  hash TEXT
) STRICT;
CREATE INDEX audit_run ON audit (run_id);
CREATE INDEX audit_session ON audit (session_key, seq);
CREATE INDEX audit_at ON audit (at);
