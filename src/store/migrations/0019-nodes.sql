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
CREATE INDEX node_invocations_open ON node_invocations (node_id) WHERE ended_at IS NULL;
CREATE INDEX node_invocations_ended ON node_invocations (ended_at) WHERE ended_at IS NOT NULL;
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
CREATE INDEX node_pending_expires ON node_pending (expires_at);
