CREATE TABLE sessions (
  key TEXT PRIMARY KEY,
  session_id TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  chat_kind TEXT NOT NULL DEFAULT 'direct',
  channel TEXT NOT NULL DEFAULT 'webchat',
  label TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  last_read_at INTEGER NOT NULL DEFAULT 0,
  last_message_at INTEGER NOT NULL DEFAULT 0,
  archived INTEGER NOT NULL DEFAULT 0,
  pinned INTEGER NOT NULL DEFAULT 0,
  preview TEXT,
  title TEXT,
  status TEXT NOT NULL DEFAULT 'done',
  last_run_id TEXT,
  started_at INTEGER,
  ended_at INTEGER,
  model TEXT,
  used_model TEXT,
  thinking TEXT,
  queue_mode TEXT,
  activation TEXT,
  checkpoint TEXT,
  context_window INTEGER NOT NULL DEFAULT 0,
  context_tokens INTEGER NOT NULL DEFAULT 0,
  input_tokens INTEGER NOT NULL DEFAULT 0,
  output_tokens INTEGER NOT NULL DEFAULT 0,
  cost_usd REAL NOT NULL DEFAULT 0,
  target TEXT
) STRICT;
CREATE INDEX sessions_updated ON sessions (updated_at DESC);

CREATE TABLE messages (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  session_key TEXT NOT NULL,
  session_id TEXT NOT NULL,
  run_id TEXT,
  idempotency_key TEXT,
  role TEXT NOT NULL,
  body TEXT NOT NULL,
  at INTEGER NOT NULL,
  crc INTEGER NOT NULL
) STRICT;
CREATE INDEX messages_session ON messages (session_key, session_id, seq);
CREATE INDEX messages_run ON messages (run_id);

CREATE TABLE inbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id TEXT NOT NULL UNIQUE,
  channel TEXT NOT NULL,
  account TEXT NOT NULL,
  event_id TEXT NOT NULL,
  session_key TEXT NOT NULL,
  session_id TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  payload TEXT NOT NULL,
  crc INTEGER NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  tools_started INTEGER NOT NULL DEFAULT 0,
  merged_into TEXT,
  received_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  outcome TEXT,
  UNIQUE (channel, account, event_id)
) STRICT;
CREATE INDEX inbox_open ON inbox (state, seq) WHERE state IN ('queued', 'running');
CREATE INDEX inbox_parked ON inbox (state, seq) WHERE state = 'parked';
CREATE INDEX inbox_ended ON inbox (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE cursors (
  channel TEXT NOT NULL,
  account TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (channel, account)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
  part_key TEXT PRIMARY KEY,
  intent_id TEXT NOT NULL,
  position INTEGER NOT NULL,
  run_id TEXT,
  session_key TEXT,
  conversation TEXT NOT NULL,
  target TEXT NOT NULL,
  text TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  platform_ids TEXT,
  cause TEXT
) STRICT;
CREATE INDEX outbox_open ON outbox (conversation) WHERE state IN ('queued', 'attempting');
CREATE INDEX outbox_state ON outbox (state, updated_at);
CREATE INDEX outbox_intent ON outbox (intent_id);

CREATE TABLE group_history (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  conversation TEXT NOT NULL,
  event_id TEXT NOT NULL,
  sender TEXT NOT NULL,
  text TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX group_history_conversation ON group_history (conversation, seq);

CREATE TABLE pairing_requests (
  channel TEXT NOT NULL,
  account TEXT NOT NULL,
  sender TEXT NOT NULL,
  name TEXT,
  code TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (channel, account, sender)
) STRICT;

CREATE TABLE paired_senders (
  channel TEXT NOT NULL,
  account TEXT NOT NULL,
  sender TEXT NOT NULL,
  name TEXT,
  approved_at INTEGER NOT NULL,
  PRIMARY KEY (channel, account, sender)
) STRICT;

CREATE TABLE facts (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
