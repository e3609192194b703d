-- Returns the days whose newest attempt failed after their last load.
--
-- Parameters: feed (text).
-- Rows: partition_day, outcome, error, run_id, ended_at; by day.
SELECT DISTINCT ON (partition_day)
    partition_day,
    outcome,
    error,
    run_id,
    ended_at
FROM etl.failed_attempt
WHERE feed = %(feed)s
ORDER BY partition_day, ended_at DESC
