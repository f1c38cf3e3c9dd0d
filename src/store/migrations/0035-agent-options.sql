-- How an agent of another vendor works in the session, as JSON; null: as configured.
ALTER TABLE sessions ADD COLUMN agent_options TEXT;
