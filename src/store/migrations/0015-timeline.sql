-- When the stages of a run were reached, as JSON; written with its end.
ALTER TABLE inbox ADD COLUMN stages TEXT;
-- When the last attempt to send a part began.
ALTER TABLE outbox ADD COLUMN attempted_at INTEGER;
