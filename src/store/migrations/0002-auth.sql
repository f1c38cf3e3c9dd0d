CREATE TABLE devices (
  device_id TEXT PRIMARY KEY,
  public_key TEXT NOT NULL,
  label TEXT,
  display_name TEXT,
  platform TEXT,
  device_family TEXT,
  client_id TEXT,
  client_mode TEXT,
  remote TEXT,
  approved_via TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  approved_at INTEGER NOT NULL,
  last_seen_at INTEGER,
  last_seen_reason TEXT
) STRICT;

CREATE TABLE device_grants (
  device_id TEXT NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  role TEXT NOT NULL,
  scopes TEXT NOT NULL,
  token_hash TEXT UNIQUE,
  created_at INTEGER NOT NULL,
  rotated_at INTEGER,
  last_used_at INTEGER,
  revoked_at INTEGER,
  PRIMARY KEY (device_id, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE device_requests (
  request_id TEXT PRIMARY KEY,
  device_id TEXT NOT NULL,
  public_key TEXT NOT NULL,
  role TEXT NOT NULL,
  scopes TEXT NOT NULL,
  reason TEXT NOT NULL,
  display_name TEXT,
  platform TEXT,
  device_family TEXT,
  client_id TEXT,
  client_mode TEXT,
  origin TEXT,
  remote TEXT,
  is_repair INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  UNIQUE (device_id, role)
) STRICT;
CREATE INDEX device_requests_age ON device_requests (created_at);

CREATE TABLE service_tokens (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  token_hash TEXT NOT NULL UNIQUE,
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  expires_at INTEGER,
  last_used_at INTEGER
) STRICT;

CREATE TABLE sign_in_links (
  id TEXT PRIMARY KEY,
  code_hash TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL,
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER,
  used_by TEXT
) STRICT;

CREATE TABLE sign_in_failures (
  peer TEXT NOT NULL,
  kind TEXT NOT NULL,
  failures INTEGER NOT NULL,
  window_start INTEGER NOT NULL,
  locked_until INTEGER NOT NULL,
  PRIMARY KEY (peer, kind)
) STRICT, WITHOUT ROWID;
