-- Starts of the gateway under a service manager: many that ended without a stop keep the next one from connecting its channels.
CREATE TABLE gateway_boot_lifecycle (
  boot_id TEXT PRIMARY KEY,
  started_at INTEGER NOT NULL,
  -- Null: it runs, or it ended without a stop.
  ended_at INTEGER
) STRICT;
CREATE INDEX gateway_boot_started ON gateway_boot_lifecycle (started_at);
