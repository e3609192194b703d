-- Records that a report was asked for.
--
-- Parameters: task_id.
-- Safe to run twice: a task is one row.
INSERT INTO etl.report (task_id)
VALUES (%(task_id)s)
ON CONFLICT (task_id) DO NOTHING
