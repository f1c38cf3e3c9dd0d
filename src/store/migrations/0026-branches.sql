-- Parts of conversations that have branches. The messages of the active branch have the session_id of the conversation; all others have the
-- id of the part that they were written in. A session without rows here has one branch.
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
CREATE INDEX session_branches_session ON session_branches (session_key, session_id);
-- The context of the runtime where it is not the one that is called like the conversation.
ALTER TABLE sessions ADD COLUMN context_id TEXT;

-- Versions of openclaw.json that were in use, with placeholders in place of secrets.
CREATE TABLE config_versions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  -- The method and the client that wrote it; null: the file was edited.
  author TEXT,
  changes TEXT NOT NULL,
  text TEXT NOT NULL
) STRICT;
