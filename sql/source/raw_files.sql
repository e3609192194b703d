-- Returns the object that a run loads each day from. The first that exists counts: the object that
-- this run was told to use, the object that a repeated run was told to use (the latest run first),
-- the object recorded for the day.
--
-- Parameters: days (date[]), run_ids (text[]): this run, then the runs that it repeats, latest
-- first.
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
