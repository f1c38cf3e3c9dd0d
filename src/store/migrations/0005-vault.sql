CREATE TABLE vault (
  channel TEXT NOT NULL,
  account TEXT NOT NULL,
  key TEXT NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (channel, account, key)
) STRICT, WITHOUT ROWID;
