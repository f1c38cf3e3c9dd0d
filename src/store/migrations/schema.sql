-- Written by scripts/gen-store-schema.ts from the migrations.
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
, lifecycle INTEGER NOT NULL DEFAULT 0, permission_mode TEXT, send_policy TEXT, verbose_level TEXT, parent_key TEXT, forked_from TEXT, marked_unread_at INTEGER, archived_at INTEGER, pinned_at INTEGER, icon TEXT, color TEXT, category TEXT, board_face TEXT, board_presentation TEXT, status_note TEXT, attention TEXT, status_expires_at INTEGER, context_id TEXT, agent_mode TEXT, memory_flushed INTEGER NOT NULL DEFAULT 0, agent_options TEXT) STRICT;
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
  outcome TEXT, message_ref TEXT, stages TEXT,
  UNIQUE (channel, account, event_id)
) STRICT;
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
, media TEXT, buttons TEXT, edit_of TEXT, attempted_at INTEGER) STRICT;
CREATE TABLE group_history (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  conversation TEXT NOT NULL,
  event_id TEXT NOT NULL,
  sender TEXT NOT NULL,
  text TEXT NOT NULL,
  at INTEGER NOT NULL
, message TEXT) STRICT;
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
CREATE TABLE devices (
  device_id TEXT PRIMARY KEY,
  public_key TEXT NOT NULL,
  label TEXT,
  display_name TEXT,
  platform TEXT,
  device_family TEXT,
  client_id TEXT,
  client_mode TEXT,
  remote TEXT,
  approved_via TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  approved_at INTEGER NOT NULL,
  last_seen_at INTEGER,
  last_seen_reason TEXT
) STRICT;
CREATE TABLE device_grants (
  device_id TEXT NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  role TEXT NOT NULL,
  scopes TEXT NOT NULL,
  token_hash TEXT UNIQUE,
  created_at INTEGER NOT NULL,
  rotated_at INTEGER,
  last_used_at INTEGER,
  revoked_at INTEGER,
  PRIMARY KEY (device_id, role)
) STRICT, WITHOUT ROWID;
CREATE TABLE device_requests (
  request_id TEXT PRIMARY KEY,
  device_id TEXT NOT NULL,
  public_key TEXT NOT NULL,
  role TEXT NOT NULL,
  scopes TEXT NOT NULL,
  reason TEXT NOT NULL,
  display_name TEXT,
  platform TEXT,
  device_family TEXT,
  client_id TEXT,
  client_mode TEXT,
  origin TEXT,
  remote TEXT,
  is_repair INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  UNIQUE (device_id, role)
) STRICT;
CREATE TABLE service_tokens (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  token_hash TEXT NOT NULL UNIQUE,
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  expires_at INTEGER,
  last_used_at INTEGER
) STRICT;
CREATE TABLE sign_in_links (
  id TEXT PRIMARY KEY,
  code_hash TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL,
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER,
  used_by TEXT
) STRICT;
CREATE TABLE sign_in_failures (
  peer TEXT NOT NULL,
  kind TEXT NOT NULL,
  failures INTEGER NOT NULL,
  window_start INTEGER NOT NULL,
  locked_until INTEGER NOT NULL,
  PRIMARY KEY (peer, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE previews (
  run_id TEXT PRIMARY KEY,
  conversation TEXT NOT NULL,
  target TEXT NOT NULL,
  state TEXT NOT NULL,
  message_id TEXT,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE seen_events (
  channel TEXT NOT NULL,
  account TEXT NOT NULL,
  event_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (channel, account, event_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE session_notes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  session_key TEXT NOT NULL,
  text TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE TABLE buttons (
  token TEXT PRIMARY KEY,
  conversation TEXT NOT NULL,
  session_key TEXT NOT NULL,
  sender TEXT,
  value TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE chat_aliases (
  channel TEXT NOT NULL,
  account TEXT NOT NULL,
  chat TEXT NOT NULL,
  formerly TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (channel, account, chat)
) STRICT, WITHOUT ROWID;
CREATE TABLE vault (
  channel TEXT NOT NULL,
  account TEXT NOT NULL,
  key TEXT NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (channel, account, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE session_counts (
  agent_id TEXT NOT NULL,
  archived INTEGER NOT NULL,
  has_messages INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  PRIMARY KEY (agent_id, archived, has_messages)
) STRICT, WITHOUT ROWID;
CREATE TABLE row_counts (
  name TEXT PRIMARY KEY,
  rows INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE approvals (
  id TEXT PRIMARY KEY,
  status TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  session_key TEXT NOT NULL,
  run_id TEXT,
  call_id TEXT NOT NULL,
  subject TEXT NOT NULL,
  digest TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  decision TEXT,
  reason TEXT,
  resolver TEXT,
  resolved_at INTEGER,
  used_at INTEGER
, kind TEXT NOT NULL DEFAULT 'exec', grant_scope TEXT, grant_until INTEGER) STRICT, WITHOUT ROWID;
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
CREATE VIRTUAL TABLE message_words USING fts5 (words, content='', contentless_delete=1, tokenize='porter unicode61 remove_diacritics 2');
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
CREATE TABLE usage_calls (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  agent_id TEXT NOT NULL,
  session_key TEXT NOT NULL,
  session_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  channel TEXT NOT NULL,
  sender TEXT NOT NULL,
  cause TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  status TEXT NOT NULL,
  duration_ms INTEGER NOT NULL,
  -- Null: nothing came.
  first_token_ms INTEGER,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  input_cost INTEGER NOT NULL,
  output_cost INTEGER NOT NULL,
  cache_read_cost INTEGER NOT NULL,
  cache_write_cost INTEGER NOT NULL,
  -- 1: the price of the model is not known, and the costs are 0.
  unpriced INTEGER NOT NULL
) STRICT;
CREATE TABLE usage_hours (
  hour INTEGER NOT NULL,
  agent_id TEXT NOT NULL,
  channel TEXT NOT NULL,
  sender TEXT NOT NULL,
  cause TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  calls INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL,
  first_token_ms INTEGER NOT NULL,
  first_tokens INTEGER NOT NULL,
  user_messages INTEGER NOT NULL,
  assistant_messages INTEGER NOT NULL,
  tool_calls INTEGER NOT NULL,
  tool_results INTEGER NOT NULL,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  input_cost INTEGER NOT NULL,
  output_cost INTEGER NOT NULL,
  cache_read_cost INTEGER NOT NULL,
  cache_write_cost INTEGER NOT NULL,
  PRIMARY KEY (hour, agent_id, channel, sender, cause, provider, model)
) STRICT, WITHOUT ROWID;
CREATE TABLE usage_sessions (
  hour INTEGER NOT NULL,
  session_key TEXT NOT NULL,
  session_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  channel TEXT NOT NULL,
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  calls INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL,
  user_messages INTEGER NOT NULL,
  assistant_messages INTEGER NOT NULL,
  tool_calls INTEGER NOT NULL,
  tool_results INTEGER NOT NULL,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  input_cost INTEGER NOT NULL,
  output_cost INTEGER NOT NULL,
  cache_read_cost INTEGER NOT NULL,
  cache_write_cost INTEGER NOT NULL,
  PRIMARY KEY (hour, session_key, session_id, provider, model)
) STRICT, WITHOUT ROWID;
CREATE TABLE usage_tools (
  hour INTEGER NOT NULL,
  session_key TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  tool TEXT NOT NULL,
  calls INTEGER NOT NULL,
  PRIMARY KEY (hour, session_key, tool)
) STRICT, WITHOUT ROWID;
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
CREATE TABLE nodes (
  -- Id of the device that connects in the role node.
  node_id TEXT PRIMARY KEY,
  -- What it said about itself when it connected last.
  info TEXT NOT NULL,
  declared TEXT NOT NULL,
  -- What a person has approved of it; null: nothing yet.
  approved TEXT,
  -- The name that a person gave it.
  name TEXT,
  -- Set while what it declares waits for a person.
  request_id TEXT UNIQUE,
  requested_at INTEGER,
  created_at INTEGER NOT NULL,
  approved_at INTEGER,
  connected_at INTEGER,
  seen_at INTEGER,
  seen_reason TEXT
) STRICT;
CREATE TABLE node_invocations (
  id TEXT PRIMARY KEY,
  node_id TEXT NOT NULL,
  -- A key runs once on a node.
  key TEXT NOT NULL,
  command TEXT NOT NULL,
  params TEXT,
  -- SHA-256 of command and params: a repeated key has to mean the same.
  digest TEXT NOT NULL,
  asker TEXT NOT NULL,
  state TEXT NOT NULL,
  -- The answer as JSON; null while there is none, and where it is too large to be kept.
  result TEXT,
  created_at INTEGER NOT NULL,
  deadline_at INTEGER NOT NULL,
  ended_at INTEGER,
  UNIQUE (node_id, key)
) STRICT;
CREATE TABLE node_pending (
  id TEXT PRIMARY KEY,
  node_id TEXT NOT NULL,
  -- 'request': the node is to report something. 'action': a command that waits until its app is in the foreground.
  kind TEXT NOT NULL,
  -- The type of a request, of which one waits at most, or the id of an action.
  slot TEXT NOT NULL,
  content TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  UNIQUE (node_id, kind, slot)
) STRICT;
CREATE TABLE hook_deliveries (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  hook TEXT NOT NULL,
  -- What the sender names a delivery by, or a random one.
  key TEXT NOT NULL,
  -- Of what was signed: the same content does not count twice under another name.
  digest TEXT,
  at INTEGER NOT NULL,
  peer TEXT NOT NULL,
  action TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  -- The answer that a repetition gets, as JSON.
  answer TEXT NOT NULL,
  UNIQUE (hook, key)
) STRICT;
CREATE TABLE usage_days (
  day INTEGER NOT NULL,
  agent_id TEXT NOT NULL,
  channel TEXT NOT NULL,
  sender TEXT NOT NULL,
  cause TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  calls INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL,
  first_token_ms INTEGER NOT NULL,
  first_tokens INTEGER NOT NULL,
  user_messages INTEGER NOT NULL,
  assistant_messages INTEGER NOT NULL,
  tool_calls INTEGER NOT NULL,
  tool_results INTEGER NOT NULL,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  input_cost INTEGER NOT NULL,
  output_cost INTEGER NOT NULL,
  cache_read_cost INTEGER NOT NULL,
  cache_write_cost INTEGER NOT NULL,
  PRIMARY KEY (day, agent_id, channel, sender, cause, provider, model)
) STRICT, WITHOUT ROWID;
CREATE TABLE usage_models (
  hour INTEGER NOT NULL,
  agent_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  calls INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL,
  first_token_ms INTEGER NOT NULL,
  first_tokens INTEGER NOT NULL,
  user_messages INTEGER NOT NULL,
  assistant_messages INTEGER NOT NULL,
  tool_calls INTEGER NOT NULL,
  tool_results INTEGER NOT NULL,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  input_cost INTEGER NOT NULL,
  output_cost INTEGER NOT NULL,
  cache_read_cost INTEGER NOT NULL,
  cache_write_cost INTEGER NOT NULL,
  PRIMARY KEY (hour, agent_id, provider, model)
) STRICT, WITHOUT ROWID;
CREATE TABLE peer_keys (
  name TEXT PRIMARY KEY,
  -- SHA-256 of the raw public key, hex.
  key_id TEXT NOT NULL UNIQUE,
  public_key TEXT NOT NULL,
  paired_at INTEGER NOT NULL
, previous_key_id TEXT, previous_public_key TEXT, previous_until INTEGER) STRICT;
CREATE TABLE peer_outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  peer TEXT NOT NULL,
  id TEXT NOT NULL UNIQUE,
  -- request, reply
  kind TEXT NOT NULL,
  -- queued; delivered: the other gateway has stored it; answered, bounced: the end. A reply ends as delivered.
  state TEXT NOT NULL,
  envelope TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ended_at INTEGER,
  -- How a request ended, as JSON.
  outcome TEXT
, remote_task TEXT) STRICT;
CREATE TABLE peer_inbox (
  peer TEXT NOT NULL,
  id TEXT NOT NULL,
  -- The run that answers it, or the request that passes it on.
  run_id TEXT,
  forward_id TEXT,
  received_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ended_at INTEGER, context_id TEXT,
  PRIMARY KEY (peer, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE gateway_boot_lifecycle (
  boot_id TEXT PRIMARY KEY,
  started_at INTEGER NOT NULL,
  -- Null: it runs, or it ended without a stop.
  ended_at INTEGER
) STRICT;
CREATE TABLE session_branches (
  id TEXT PRIMARY KEY,
  session_key TEXT NOT NULL,
  session_id TEXT NOT NULL,
  -- The part that this one continues, and the last message of it that both have.
  parent_id TEXT,
  after_seq INTEGER NOT NULL,
  -- 1: messages are added to this part.
  active INTEGER NOT NULL DEFAULT 0,
  -- The context of the runtime, and its position there, while the part is not active.
  context_id TEXT NOT NULL,
  checkpoint TEXT,
  created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE config_versions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  -- The method and the client that wrote it; null: the file was edited.
  author TEXT,
  changes TEXT NOT NULL,
  text TEXT NOT NULL
) STRICT;
CREATE TABLE usage_session_days (
  day INTEGER NOT NULL,
  session_key TEXT NOT NULL,
  session_id TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  channel TEXT NOT NULL,
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  calls INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL,
  user_messages INTEGER NOT NULL,
  assistant_messages INTEGER NOT NULL,
  tool_calls INTEGER NOT NULL,
  tool_results INTEGER NOT NULL,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  input_cost INTEGER NOT NULL,
  output_cost INTEGER NOT NULL,
  cache_read_cost INTEGER NOT NULL,
  cache_write_cost INTEGER NOT NULL,
  -- The days of a session lie together.
  PRIMARY KEY (session_key, day, session_id, provider, model)
) STRICT, WITHOUT ROWID;
CREATE TABLE usage_tool_days (
  day INTEGER NOT NULL,
  session_key TEXT NOT NULL,
  tool TEXT NOT NULL,
  calls INTEGER NOT NULL,
  PRIMARY KEY (session_key, day, tool)
) STRICT, WITHOUT ROWID;
CREATE TABLE usage_agent_tools (
  day INTEGER NOT NULL,
  agent_id TEXT NOT NULL,
  tool TEXT NOT NULL,
  calls INTEGER NOT NULL,
  PRIMARY KEY (day, agent_id, tool)
) STRICT, WITHOUT ROWID;
CREATE TABLE usage_people (
  agent_id TEXT NOT NULL,
  channel TEXT NOT NULL,
  sender TEXT NOT NULL,
  cause TEXT NOT NULL,
  day INTEGER NOT NULL,
  calls INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  input_cost INTEGER NOT NULL,
  output_cost INTEGER NOT NULL,
  cache_read_cost INTEGER NOT NULL,
  cache_write_cost INTEGER NOT NULL,
  PRIMARY KEY (agent_id, channel, sender, cause, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE peer_own_keys (
  key_id TEXT PRIMARY KEY,
  peer TEXT NOT NULL,
  -- pending: the other side has not confirmed it; current; retired
  state TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX messages_session ON messages (session_key, session_id, seq);
CREATE INDEX messages_run ON messages (run_id);
CREATE INDEX inbox_open ON inbox (state, seq) WHERE state IN ('queued', 'running');
CREATE INDEX inbox_parked ON inbox (state, seq) WHERE state = 'parked';
CREATE INDEX outbox_open ON outbox (conversation) WHERE state IN ('queued', 'attempting');
CREATE INDEX outbox_state ON outbox (state, updated_at);
CREATE INDEX outbox_intent ON outbox (intent_id);
CREATE INDEX group_history_conversation ON group_history (conversation, seq);
CREATE INDEX device_requests_age ON device_requests (created_at);
CREATE INDEX inbox_message ON inbox (channel, account, message_ref) WHERE message_ref IS NOT NULL;
CREATE INDEX outbox_conversation ON outbox (conversation);
CREATE INDEX seen_events_at ON seen_events (at);
CREATE INDEX session_notes_session ON session_notes (session_key, seq);
CREATE INDEX buttons_expires ON buttons (expires_at);
CREATE INDEX sessions_listed ON sessions (archived, pinned DESC, updated_at DESC);
CREATE INDEX sessions_listed_by_agent ON sessions (agent_id, archived, pinned DESC, updated_at DESC);
CREATE INDEX sessions_id ON sessions (session_id);
CREATE INDEX sessions_label ON sessions (label) WHERE label IS NOT NULL;
CREATE INDEX sessions_parent ON sessions (parent_key, key) WHERE parent_key IS NOT NULL;
CREATE INDEX approvals_pending ON approvals (created_at) WHERE status = 'pending';
CREATE INDEX approvals_resolved ON approvals (resolved_at, id) WHERE resolved_at IS NOT NULL;
CREATE INDEX audit_run ON audit (run_id);
CREATE INDEX audit_session ON audit (session_key, seq);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX approval_grants_binding ON approval_grants (binding);
CREATE INDEX approval_grants_expiry ON approval_grants (expires_at);
CREATE INDEX cron_jobs_next ON cron_jobs (next_at) WHERE enabled = 1 AND next_at IS NOT NULL;
CREATE INDEX cron_runs_open ON cron_runs (state, seq) WHERE state IN ('waiting', 'running');
CREATE INDEX cron_runs_run ON cron_runs (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX cron_runs_job ON cron_runs (job_id, seq);
CREATE INDEX cron_runs_ended ON cron_runs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX inbox_ended ON inbox (ended_at, received_at, channel, account, agent_id, state) WHERE ended_at IS NOT NULL;
CREATE INDEX usage_calls_session ON usage_calls (session_key, seq);
CREATE INDEX usage_sessions_key ON usage_sessions (session_key, hour);
CREATE INDEX usage_tools_key ON usage_tools (session_key, hour);
CREATE INDEX subagent_tasks_child ON subagent_tasks (child_key, seq);
CREATE INDEX subagent_tasks_parent ON subagent_tasks (parent_key, seq);
CREATE INDEX subagent_tasks_ended ON subagent_tasks (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX node_invocations_open ON node_invocations (node_id) WHERE ended_at IS NULL;
CREATE INDEX node_invocations_ended ON node_invocations (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX node_pending_expires ON node_pending (expires_at);
CREATE UNIQUE INDEX hook_deliveries_digest ON hook_deliveries (hook, digest) WHERE digest IS NOT NULL;
CREATE INDEX hook_deliveries_at ON hook_deliveries (at);
CREATE INDEX peer_outbox_queued ON peer_outbox (peer, kind, seq) WHERE state = 'queued';
CREATE INDEX peer_outbox_open ON peer_outbox (expires_at) WHERE ended_at IS NULL;
CREATE INDEX peer_outbox_ended ON peer_outbox (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX peer_inbox_open ON peer_inbox (peer, received_at) WHERE ended_at IS NULL;
CREATE INDEX peer_inbox_expires ON peer_inbox (expires_at) WHERE ended_at IS NOT NULL;
CREATE INDEX gateway_boot_started ON gateway_boot_lifecycle (started_at);
CREATE INDEX session_branches_session ON session_branches (session_key, session_id);
CREATE INDEX usage_session_days_day ON usage_session_days (day, session_key, session_id, agent_id, last_at);
CREATE INDEX usage_tool_days_day ON usage_tool_days (day);
CREATE INDEX subagent_tasks_open ON subagent_tasks (seq) WHERE state IN ('waiting', 'running') OR delivery IN ('pending', 'reading', 'sent');
INSERT INTO "row_counts" (name, rows) VALUES ('inbox', 0);
INSERT INTO "row_counts" (name, rows) VALUES ('messages', 0);
INSERT INTO "row_counts" (name, rows) VALUES ('outbox', 0);
CREATE TRIGGER sessions_counted AFTER INSERT ON sessions BEGIN
  INSERT INTO session_counts VALUES (NEW.agent_id, NEW.archived, NEW.last_message_at > 0, 1)
    ON CONFLICT DO UPDATE SET rows = rows + 1;
END;
CREATE TRIGGER sessions_discounted AFTER DELETE ON sessions BEGIN
  UPDATE session_counts SET rows = rows - 1
    WHERE agent_id = OLD.agent_id AND archived = OLD.archived AND has_messages = (OLD.last_message_at > 0);
END;
CREATE TRIGGER sessions_recounted AFTER UPDATE OF agent_id, archived, last_message_at ON sessions
  WHEN OLD.agent_id IS NOT NEW.agent_id OR OLD.archived IS NOT NEW.archived OR (OLD.last_message_at > 0) IS NOT (NEW.last_message_at > 0) BEGIN
  UPDATE session_counts SET rows = rows - 1
    WHERE agent_id = OLD.agent_id AND archived = OLD.archived AND has_messages = (OLD.last_message_at > 0);
  INSERT INTO session_counts VALUES (NEW.agent_id, NEW.archived, NEW.last_message_at > 0, 1)
    ON CONFLICT DO UPDATE SET rows = rows + 1;
END;
CREATE TRIGGER messages_counted AFTER INSERT ON messages BEGIN UPDATE row_counts SET rows = rows + 1 WHERE name = 'messages'; END;
CREATE TRIGGER messages_discounted AFTER DELETE ON messages BEGIN UPDATE row_counts SET rows = rows - 1 WHERE name = 'messages'; END;
CREATE TRIGGER inbox_counted AFTER INSERT ON inbox BEGIN UPDATE row_counts SET rows = rows + 1 WHERE name = 'inbox'; END;
CREATE TRIGGER inbox_discounted AFTER DELETE ON inbox BEGIN UPDATE row_counts SET rows = rows - 1 WHERE name = 'inbox'; END;
CREATE TRIGGER outbox_counted AFTER INSERT ON outbox BEGIN UPDATE row_counts SET rows = rows + 1 WHERE name = 'outbox'; END;
CREATE TRIGGER outbox_discounted AFTER DELETE ON outbox BEGIN UPDATE row_counts SET rows = rows - 1 WHERE name = 'outbox'; END;
CREATE TRIGGER message_words_remove AFTER DELETE ON messages BEGIN
  DELETE FROM message_words WHERE rowid = old.seq;
END;
