-- With everything that figures about ended runs need, so that they are read from the index alone.
DROP INDEX inbox_ended;
CREATE INDEX inbox_ended ON inbox (ended_at, received_at, channel, account, agent_id, state) WHERE ended_at IS NOT NULL;
