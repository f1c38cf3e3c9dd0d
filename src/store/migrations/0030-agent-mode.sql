-- The mode of an agent of another vendor that answers the session; null: the configured one.
ALTER TABLE sessions ADD COLUMN agent_mode TEXT;
