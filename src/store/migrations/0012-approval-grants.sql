ALTER TABLE approvals ADD COLUMN kind TEXT NOT NULL DEFAULT 'exec';
ALTER TABLE approvals ADD COLUMN grant_scope TEXT;
ALTER TABLE approvals ADD COLUMN grant_until INTEGER;

CREATE TABLE approval_grants (
  id TEXT PRIMARY KEY,
  approval_id TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  session_key TEXT NOT NULL,
  session_id TEXT,
  binding TEXT NOT NULL,
  subject TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER,
  revoked_by TEXT,
  last_used_at INTEGER,
  use_count INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX approval_grants_binding ON approval_grants (binding);
CREATE INDEX approval_grants_expiry ON approval_grants (expires_at);
