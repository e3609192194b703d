-- Returns the reports that are ready, the newest first.
--
-- Rows: task_id, report_id, start_day, end_day, paths, requested_at, ready_at.
SELECT
    task_id,
    report_id,
    start_day,
    end_day,
    paths,
    requested_at,
    ready_at
FROM etl.report
WHERE ready_at IS NOT NULL
ORDER BY ready_at DESC, requested_at DESC
