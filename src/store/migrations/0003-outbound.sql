ALTER TABLE outbox ADD COLUMN media TEXT;
ALTER TABLE outbox ADD COLUMN buttons TEXT;
ALTER TABLE outbox ADD COLUMN edit_of TEXT;

CREATE TABLE previews (
  run_id TEXT PRIMARY KEY,
  conversation TEXT NOT NULL,
  target TEXT NOT NULL,
  state TEXT NOT NULL,
  message_id TEXT,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
