-- The objects that a run takes the days asked for from: those that it was told to; else those that
-- a run was told to that it does again, the latest first; else those where the days are kept.
--
-- Parameters: days (date[]), run_ids (text[]): the run, and those that it does again, latest first.
-- Rows: partition_day, uri, etag, size, report_id, increment_id, is_rewrite; by day.
SELECT DISTINCT ON (partition_day)
    partition_day,
    uri,
    etag,
    size,
    report_id,
    increment_id,
    place IS NOT NULL AS is_rewrite
FROM (
    SELECT
        partition_day,
        uri,
        etag,
        size,
        report_id,
        increment_id,
        NULL::integer AS place
    FROM etl.raw_file
    UNION ALL
    SELECT
        partition_day,
        uri,
        etag,
        size,
        report_id,
        increment_id,
        array_position(%(run_ids)s::text[], run_id) AS place
    FROM etl.rewrite
    WHERE run_id = any(%(run_ids)s)
) AS found
WHERE partition_day = any(%(days)s)
ORDER BY partition_day, place NULLS LAST
