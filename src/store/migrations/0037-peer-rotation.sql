-- A link whose other side has changed its key: the key before it, and until when it is accepted. Null: the new one was not used yet.
ALTER TABLE peer_keys ADD COLUMN previous_key_id TEXT;
ALTER TABLE peer_keys ADD COLUMN previous_public_key TEXT;
ALTER TABLE peer_keys ADD COLUMN previous_until INTEGER;
-- Keys of this gateway for one link. Without a row the link has the key of the gateway. Ids stay, so that a message is recognized that comes back.
CREATE TABLE peer_own_keys (
  key_id TEXT PRIMARY KEY,
  peer TEXT NOT NULL,
  -- pending: the other side has not confirmed it; current; retired
  state TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
