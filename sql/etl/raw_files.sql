-- The objects that a run takes the days asked for from: those that it was told to, else those where
-- the days are kept.
--
-- Parameters: days (date[]), run_ids (text[]): the run, and the one that it does again.
-- Rows: partition_day, uri, etag, size, report_id, increment_id, is_rewrite; by day.
SELECT DISTINCT ON (partition_day) *
FROM (
    SELECT
        partition_day,
        uri,
        etag,
        size,
        report_id,
        increment_id,
        FALSE AS is_rewrite
    FROM etl.raw_file
    UNION ALL
    SELECT
        partition_day,
        uri,
        etag,
        size,
        report_id,
        increment_id,
        TRUE AS is_rewrite
    FROM etl.rewrite
    WHERE run_id = any(%(run_ids)s)
) AS found
WHERE partition_day = any(%(days)s)
ORDER BY partition_day, is_rewrite DESC
