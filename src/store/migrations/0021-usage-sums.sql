-- Sums of usage_hours by day of UTC, written with them: a question about months reads a row where it read 24.
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
INSERT INTO usage_days
  SELECT hour / 24, agent_id, channel, sender, cause, provider, model, sum(calls), sum(errors), sum(unpriced),
    CAST(min(total(duration_ms), 9007199254740991) AS INTEGER), CAST(min(total(first_token_ms), 9007199254740991) AS INTEGER), sum(first_tokens),
    sum(user_messages), sum(assistant_messages), sum(tool_calls), sum(tool_results),
    CAST(min(total(input), 9007199254740991) AS INTEGER), CAST(min(total(output), 9007199254740991) AS INTEGER),
    CAST(min(total(cache_read), 9007199254740991) AS INTEGER), CAST(min(total(cache_write), 9007199254740991) AS INTEGER),
    CAST(min(total(input_cost), 9007199254740991) AS INTEGER), CAST(min(total(output_cost), 9007199254740991) AS INTEGER),
    CAST(min(total(cache_read_cost), 9007199254740991) AS INTEGER), CAST(min(total(cache_write_cost), 9007199254740991) AS INTEGER)
  FROM usage_hours GROUP BY hour / 24, agent_id, channel, sender, cause, provider, model;
-- Sums of usage_hours without people: what asks for models and days in any zone reads a row where it read one for each sender.
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
INSERT INTO usage_models
  SELECT hour, agent_id, provider, model, sum(calls), sum(errors), sum(unpriced),
    CAST(min(total(duration_ms), 9007199254740991) AS INTEGER), CAST(min(total(first_token_ms), 9007199254740991) AS INTEGER), sum(first_tokens),
    sum(user_messages), sum(assistant_messages), sum(tool_calls), sum(tool_results),
    CAST(min(total(input), 9007199254740991) AS INTEGER), CAST(min(total(output), 9007199254740991) AS INTEGER),
    CAST(min(total(cache_read), 9007199254740991) AS INTEGER), CAST(min(total(cache_write), 9007199254740991) AS INTEGER),
    CAST(min(total(input_cost), 9007199254740991) AS INTEGER), CAST(min(total(output_cost), 9007199254740991) AS INTEGER),
    CAST(min(total(cache_read_cost), 9007199254740991) AS INTEGER), CAST(min(total(cache_write_cost), 9007199254740991) AS INTEGER)
  FROM usage_hours GROUP BY hour, agent_id, provider, model;
