-- Links to other gateways: whose key belongs to which link.
CREATE TABLE peer_keys (
  name TEXT PRIMARY KEY,
  -- SHA-256 of the raw public key, hex.
  key_id TEXT NOT NULL UNIQUE,
  public_key TEXT NOT NULL,
  paired_at INTEGER NOT NULL
) STRICT;
-- What is sent over links: requests, and replies to requests of others.
CREATE TABLE peer_outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  peer TEXT NOT NULL,
  id TEXT NOT NULL UNIQUE,
  -- request, reply
  kind TEXT NOT NULL,
  -- queued; delivered: the other gateway has stored it; answered, bounced: the end. A reply ends as delivered.
  state TEXT NOT NULL,
  envelope TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ended_at INTEGER,
  -- How a request ended, as JSON.
  outcome TEXT
) STRICT;
CREATE INDEX peer_outbox_queued ON peer_outbox (peer, kind, seq) WHERE state = 'queued';
CREATE INDEX peer_outbox_open ON peer_outbox (expires_at) WHERE ended_at IS NULL;
CREATE INDEX peer_outbox_ended ON peer_outbox (ended_at) WHERE ended_at IS NOT NULL;
-- Requests that came over links. A row is kept until its request cannot be sent again.
CREATE TABLE peer_inbox (
  peer TEXT NOT NULL,
  id TEXT NOT NULL,
  -- The run that answers it, or the request that passes it on.
  run_id TEXT,
  forward_id TEXT,
  received_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ended_at INTEGER,
  PRIMARY KEY (peer, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX peer_inbox_open ON peer_inbox (peer, received_at) WHERE ended_at IS NULL;
CREATE INDEX peer_inbox_expires ON peer_inbox (expires_at) WHERE ended_at IS NOT NULL;
