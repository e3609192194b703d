-- Returns the reports that were requested, the newest first.
--
-- Rows: task_id, report_id, requested_at, ready_at, start_day, end_day.
SELECT
    task_id,
    report_id,
    requested_at,
    ready_at,
    start_day,
    end_day
FROM etl.report
ORDER BY requested_at DESC
