-- The objects found for the days asked for.
--
-- Parameters: days (date[]).
-- Rows: partition_day, uri, etag, size, report_id, increment_id.
SELECT
    partition_day,
    uri,
    etag,
    size,
    report_id,
    increment_id
FROM etl.raw_file
WHERE partition_day = any(%(days)s)
ORDER BY partition_day
