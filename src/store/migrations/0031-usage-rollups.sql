-- Sums of usage_sessions by day of UTC, written with them: what asks for months of many sessions reads a row where it read one for each hour.
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
INSERT INTO usage_session_days
  SELECT hour / 24, session_key, session_id, provider, model, agent_id, channel, min(first_at), max(last_at),
    sum(calls), sum(errors), sum(unpriced), CAST(min(total(duration_ms), 9007199254740991) AS INTEGER),
    sum(user_messages), sum(assistant_messages), sum(tool_calls), sum(tool_results),
    CAST(min(total(input), 9007199254740991) AS INTEGER), CAST(min(total(output), 9007199254740991) AS INTEGER),
    CAST(min(total(cache_read), 9007199254740991) AS INTEGER), CAST(min(total(cache_write), 9007199254740991) AS INTEGER),
    CAST(min(total(input_cost), 9007199254740991) AS INTEGER), CAST(min(total(output_cost), 9007199254740991) AS INTEGER),
    CAST(min(total(cache_read_cost), 9007199254740991) AS INTEGER), CAST(min(total(cache_write_cost), 9007199254740991) AS INTEGER)
  FROM usage_sessions GROUP BY hour / 24, session_key, session_id, provider, model;
-- All that lists and counts of sessions read.
CREATE INDEX usage_session_days_day ON usage_session_days (day, session_key, session_id, agent_id, last_at);
-- Sums of usage_tools by day of UTC, of each session and of all sessions of an agent.
CREATE TABLE usage_tool_days (
  day INTEGER NOT NULL,
  session_key TEXT NOT NULL,
  tool TEXT NOT NULL,
  calls INTEGER NOT NULL,
  PRIMARY KEY (session_key, day, tool)
) STRICT, WITHOUT ROWID;
INSERT INTO usage_tool_days SELECT hour / 24, session_key, tool, sum(calls) FROM usage_tools GROUP BY hour / 24, session_key, tool;
CREATE INDEX usage_tool_days_day ON usage_tool_days (day);
CREATE TABLE usage_agent_tools (
  day INTEGER NOT NULL,
  agent_id TEXT NOT NULL,
  tool TEXT NOT NULL,
  calls INTEGER NOT NULL,
  PRIMARY KEY (day, agent_id, tool)
) STRICT, WITHOUT ROWID;
INSERT INTO usage_agent_tools SELECT hour / 24, agent_id, tool, sum(calls) FROM usage_tools GROUP BY hour / 24, agent_id, tool;
-- Sums of usage_days without models. The days of a person lie together, so that sums over months need no sorting.
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
INSERT INTO usage_people
  SELECT agent_id, channel, sender, cause, day, sum(calls), sum(unpriced),
    CAST(min(total(input), 9007199254740991) AS INTEGER), CAST(min(total(output), 9007199254740991) AS INTEGER),
    CAST(min(total(cache_read), 9007199254740991) AS INTEGER), CAST(min(total(cache_write), 9007199254740991) AS INTEGER),
    CAST(min(total(input_cost), 9007199254740991) AS INTEGER), CAST(min(total(output_cost), 9007199254740991) AS INTEGER),
    CAST(min(total(cache_read_cost), 9007199254740991) AS INTEGER), CAST(min(total(cache_write_cost), 9007199254740991) AS INTEGER)
  FROM usage_days GROUP BY agent_id, channel, sender, cause, day;
