CREATE TABLE hook_deliveries (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  hook TEXT NOT NULL,
  -- What the sender names a delivery by, or a random one.
  key TEXT NOT NULL,
  -- Of what was signed: the same content does not count twice under another name.
  digest TEXT,
  at INTEGER NOT NULL,
  peer TEXT NOT NULL,
  action TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  -- The answer that a repetition gets, as JSON.
  answer TEXT NOT NULL,
  UNIQUE (hook, key)
) STRICT;
CREATE UNIQUE INDEX hook_deliveries_digest ON hook_deliveries (hook, digest) WHERE digest IS NOT NULL;
CREATE INDEX hook_deliveries_at ON hook_deliveries (at);
