-- `sent` in `delivery`: the message of the run `reader` has the result, and that run has not ended.
DROP INDEX subagent_tasks_open;
CREATE INDEX subagent_tasks_open ON subagent_tasks (seq) WHERE state IN ('waiting', 'running') OR delivery IN ('pending', 'reading', 'sent');
