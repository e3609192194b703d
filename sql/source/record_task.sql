-- Records that a report was requested.
--
-- Parameters: task_id.
-- Safe to run twice: a task has one row.
INSERT INTO etl.report (task_id)
VALUES (%(task_id)s)
ON CONFLICT (task_id) DO NOTHING
