-- Every request to a model. Costs are whole billionths of a US dollar, so that sums are exact.
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
CREATE INDEX usage_calls_session ON usage_calls (session_key, seq);
-- Sums of these rows by hour since 1970, written with them.
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
CREATE INDEX usage_sessions_key ON usage_sessions (session_key, hour);
CREATE TABLE usage_tools (
  hour INTEGER NOT NULL,
  session_key TEXT NOT NULL,
  agent_id TEXT NOT NULL,
  tool TEXT NOT NULL,
  calls INTEGER NOT NULL,
  PRIMARY KEY (hour, session_key, tool)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_tools_key ON usage_tools (session_key, hour);
