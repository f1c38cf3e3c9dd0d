ALTER TABLE inbox ADD COLUMN message_ref TEXT;
CREATE INDEX inbox_message ON inbox (channel, account, message_ref) WHERE message_ref IS NOT NULL;

ALTER TABLE group_history ADD COLUMN message TEXT;
CREATE INDEX outbox_conversation ON outbox (conversation);

CREATE TABLE seen_events (
  channel TEXT NOT NULL,
  account TEXT NOT NULL,
  event_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (channel, account, event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_events_at ON seen_events (at);

CREATE TABLE session_notes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  session_key TEXT NOT NULL,
  text TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX session_notes_session ON session_notes (session_key, seq);

CREATE TABLE buttons (
  token TEXT PRIMARY KEY,
  conversation TEXT NOT NULL,
  session_key TEXT NOT NULL,
  sender TEXT,
  value TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX buttons_expires ON buttons (expires_at);

CREATE TABLE chat_aliases (
  channel TEXT NOT NULL,
  account TEXT NOT NULL,
  chat TEXT NOT NULL,
  formerly TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (channel, account, chat)
) STRICT, WITHOUT ROWID;
