-- The order of the list of sessions, for all agents and for one.
DROP INDEX sessions_updated;
CREATE INDEX sessions_listed ON sessions (archived, pinned DESC, updated_at DESC);
CREATE INDEX sessions_listed_by_agent ON sessions (agent_id, archived, pinned DESC, updated_at DESC);
CREATE INDEX sessions_id ON sessions (session_id);
CREATE INDEX sessions_label ON sessions (label) WHERE label IS NOT NULL;

-- Counts that triggers maintain with each change, so that no query has to scan for them.
CREATE TABLE session_counts (
  agent_id TEXT NOT NULL,
  archived INTEGER NOT NULL,
  has_messages INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  PRIMARY KEY (agent_id, archived, has_messages)
) STRICT, WITHOUT ROWID;
INSERT INTO session_counts SELECT agent_id, archived, last_message_at > 0, count(*) FROM sessions GROUP BY 1, 2, 3;

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

CREATE TABLE row_counts (
  name TEXT PRIMARY KEY,
  rows INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO row_counts VALUES
  ('messages', (SELECT count(*) FROM messages)),
  ('inbox', (SELECT count(*) FROM inbox)),
  ('outbox', (SELECT count(*) FROM outbox));

CREATE TRIGGER messages_counted AFTER INSERT ON messages BEGIN UPDATE row_counts SET rows = rows + 1 WHERE name = 'messages'; END;
CREATE TRIGGER messages_discounted AFTER DELETE ON messages BEGIN UPDATE row_counts SET rows = rows - 1 WHERE name = 'messages'; END;
CREATE TRIGGER inbox_counted AFTER INSERT ON inbox BEGIN UPDATE row_counts SET rows = rows + 1 WHERE name = 'inbox'; END;
CREATE TRIGGER inbox_discounted AFTER DELETE ON inbox BEGIN UPDATE row_counts SET rows = rows - 1 WHERE name = 'inbox'; END;
CREATE TRIGGER outbox_counted AFTER INSERT ON outbox BEGIN UPDATE row_counts SET rows = rows + 1 WHERE name = 'outbox'; END;
CREATE TRIGGER outbox_discounted AFTER DELETE ON outbox BEGIN UPDATE row_counts SET rows = rows - 1 WHERE name = 'outbox'; END;
