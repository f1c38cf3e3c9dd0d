-- 1: the agent was asked for its notes since the conversation was last shortened.
ALTER TABLE sessions ADD COLUMN memory_flushed INTEGER NOT NULL DEFAULT 0;
