-- Returns the reports that were requested and are not ready, the newest first.
--
-- Rows: task_id, requested_at.
SELECT
    task_id,
    requested_at
FROM etl.report
WHERE ready_at IS NULL
ORDER BY requested_at DESC
